"""Ids for new rows, `_bridge_id`, made for a page at once.

`gen_random_uuid()` asks the system for random bytes row by row; where PostgreSQL is built without OpenSSL, as the
embedded one is, it opens `/dev/urandom` for each, which takes longer than all the rest of a row's `COPY`.
"""

import os
import time

import numpy as np

_ID_BYTES = 16
_COUNTED = 4096
"""Values of the 12 bits that keep the ids of one call in order."""


def row_ids(count: int) -> list[bytes]:
    """So many UUIDs of version 7 (RFC 9562), rising, each as 32 hexadecimal digits."""
    ids = np.frombuffer(os.urandom(count * _ID_BYTES), dtype=np.uint8).reshape(count, _ID_BYTES).copy()
    place = np.arange(count) * _COUNTED // max(count, _COUNTED)
    ids[:, :6] = np.frombuffer((time.time_ns() // 1_000_000).to_bytes(6, "big"), dtype=np.uint8)
    ids[:, 6] = 0x70 | place >> 8
    ids[:, 7] = place & 0xFF
    ids[:, 8] = 0x80 | ids[:, 8] & 0x3F
    digits = ids.tobytes().hex().encode()
    return [digits[at : at + 32] for at in range(0, len(digits), 32)]
