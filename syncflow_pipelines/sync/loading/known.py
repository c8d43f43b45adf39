"""The hashes of a table's live rows, held outside the database while its source is read.

A row whose hash is known is in the table as it is, so it need not be staged; a hash that was not met is a row that may
be gone. 10 bytes a row: a sorted array of the first 64 bits, and one of the last 14 and two marks. See
docs/decisions/0016-rows-that-are-known-are-not-staged.md for what is lost with the rest.
"""

import mmap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from syncflow_pipelines.sync.loading.staging import NAME
from syncflow_pipelines.sync.model import EntitySpec, Table

MOST_ROWS = 20_000_000
"""Of more rows the hashes take more memory than they are worth."""

_HASH_BYTES = 16
_BLOCK_PAGES = 2048
"""Pages of the table in one answer, 16 MB: their hashes are a megabyte or two, which is held several times over."""
_BUCKETS = 32
_FIRST_OF_BUCKETS = np.arange(1, _BUCKETS, dtype=np.uint64) << np.uint64(59)
"""The first 64 bits of the smallest hash of every bucket but the first."""
_ONE_HASH = np.dtype(("V", _HASH_BYTES))
_KEPT = np.dtype([("high", np.uint64), ("low", np.uint16)])
_MET, _STAGED, _REST = np.uint16(1 << 15), np.uint16(1 << 14), np.uint16((1 << 14) - 1)
"""What the bits of a low word say: two marks, and the end of the hash."""
_PIECE = 1_000_000
_FEW_BYTES = 100_000

_STAGE = sql.Identifier("pg_temp", NAME)
_UNSEEN = sql.Identifier("pg_temp", "syncflow_unseen")
_PAGES = sql.SQL("SELECT pg_relation_size({table}::regclass) / current_setting('block_size')::int")
_HASHES = sql.SQL(
    "SELECT string_agg(uuid_send(_bridge_hash), ''::bytea), count(*) FROM {table} "
    "WHERE ctid >= %s::tid AND ctid < %s::tid AND NOT _bridge_deleted"
)
_CREATE_UNSEEN = sql.SQL("CREATE TEMP TABLE {name} (hash uuid) ON COMMIT DROP")
_COPY_UNSEEN = sql.SQL("COPY {unseen} FROM STDIN (FORMAT binary)")
_STAGED_AND_KNOWN = sql.SQL(
    "SELECT string_agg(uuid_send(t._bridge_hash), ''::bytea) FILTER (WHERE NOT t._bridge_deleted), "
    "coalesce(bool_or(t._bridge_deleted), false) FROM {table} t JOIN {stage} s ON {same_key}"
)
_BINARY_COPY_BEGINS = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_COPY_ENDS = b"\xff\xff"
_ONE_FIELD_OF_16_BYTES = np.frombuffer(b"\x00\x01\x00\x00\x00\x10", dtype=np.uint8)


def _memory(size: int) -> bytearray | mmap.mmap:
    """Memory that the system has back as soon as nobody holds it; less than a few pages are not worth that."""
    return mmap.mmap(-1, size) if size > _FEW_BYTES else bytearray(size)


class _Bucket:
    """Hashes that share their first bits, as they come."""

    def __init__(self) -> None:
        self._memory, self.size = _memory(0), 0

    def add(self, hashes: NDArray[np.void]) -> None:
        """Adds hashes, `_KEPT` each."""
        start, self.size = self.size * _KEPT.itemsize, self.size + len(hashes)
        end = self.size * _KEPT.itemsize
        if end > len(self._memory):
            larger = _memory(end + end // 2)
            larger[:start] = self._memory[:start]
            self._memory = larger
        self._memory[start:end] = hashes.tobytes()

    def move_to(self, high: NDArray[np.uint64], low: NDArray[np.uint16]) -> None:
        """Puts the hashes there in their order; none is here any more."""
        hashes = np.frombuffer(self._memory, dtype=_KEPT, count=self.size)
        order = np.argsort(hashes["high"])
        high[:], low[:] = hashes["high"][order], hashes["low"][order]
        self._memory = _memory(0)


class KnownRows:
    """The live rows of a table by their hashes, and which of them a read has met."""

    def __init__(self, blocks: Iterable[tuple[bytes, int]]) -> None:
        """A block: hashes of some thousand rows, joined, and how many live rows these are."""
        self.live = 0
        """Live rows of the table, those without a hash included."""
        buckets = [_Bucket() for _ in range(_BUCKETS)]
        for hashes, rows in blocks:
            self.live += rows
            _share_out(hashes, buckets)
        self._size = sum(bucket.size for bucket in buckets)
        self._high = np.frombuffer(_memory(8 * self._size), dtype=np.uint64, count=self._size)
        self._low = np.frombuffer(_memory(2 * self._size), dtype=np.uint16, count=self._size)
        start = 0
        for bucket in buckets:
            end = start + bucket.size
            bucket.move_to(self._high[start:end], self._low[start:end])
            start = end

    @classmethod
    def of_table(cls, connection: psycopg.Connection, table: Table) -> "KnownRows":
        """Reads the hashes of the live rows."""
        return cls(_blocks(connection, sql.Identifier(table.schema, table.name)))

    @property
    def is_complete(self) -> bool:
        """Whether every live row has a hash of its own.

        Rows whose columns have changed since have none; and where somebody copied rows, or wrote to the table while its
        hashes were read, one stands there twice. Hashes whose first halves are equal are looked up as one.
        """
        return self.live == self._size and not any((high[1:] == high[:-1]).any() for high in _pieces(self._high, 1))

    @property
    def all_accounted(self) -> bool:
        """Whether every row was met, or its key staged, so that none can be missing."""
        return sum(int(np.count_nonzero(low & (_MET | _STAGED))) for low in _pieces(self._low)) == self.live

    @property
    def met(self) -> int:
        """How many rows were met."""
        return sum(int(np.count_nonzero(low & _MET)) for low in _pieces(self._low))

    def meet(self, hashes: Sequence[bytes]) -> NDArray[np.bool_]:
        """Marks the rows of these hashes as met; which of the hashes are known."""
        found, at = self._find(b"".join(hashes))
        self._low[at[found]] |= _MET
        return found

    def have_met(self, hashes: bytes) -> bool:
        """Whether one of these hashes, joined, was met."""
        found, at = self._find(hashes)
        return bool((self._low[at[found]] & _MET).any())

    def note_staged(self, hashes: bytes) -> None:
        """Marks the rows of these hashes, joined, as ones whose keys were staged."""
        found, at = self._find(hashes)
        self._low[at[found]] |= _STAGED

    def unaccounted(self, hashes: bytes) -> bytes:
        """Those of the hashes, joined, that are known, and were neither met nor their keys staged."""
        found, at = self._find(hashes)
        found[found] = self._low[at[found]] & (_MET | _STAGED) == 0
        return np.frombuffer(hashes, dtype=_ONE_HASH)[found].tobytes()

    def _find(self, hashes: bytes) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Which of the hashes are here, and where they stand."""
        high, low = _halves(hashes)
        if not self._size:
            return np.zeros(len(high), dtype=np.bool_), np.zeros(len(high), dtype=np.intp)
        # In their order, so that neighbours are looked for near each other in memory.
        order = high.argsort()
        at = np.empty(len(high), dtype=np.intp)
        at[order] = self._high.searchsorted(high[order])
        at[at == self._size] = 0
        return (self._high[at] == high) & (self._low[at] & _REST == low), at


class Unseen:
    """The rows of which neither the hash was met nor the key was staged, as a temporary table of hashes."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
        self._connection, self.name = connection, _UNSEEN
        keys = (sql.Identifier(key) for key in spec.business_keys)
        same_key = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(key) for key in keys)
        self._table = sql.Identifier(table.schema, table.name)
        self._staged_and_known = _STAGED_AND_KNOWN.format(table=self._table, stage=_STAGE, same_key=same_key)
        self._exists = False
        self.came_twice = False
        """Whether a row came once as it is known, and once otherwise: which was the last is not known then."""
        self.meets_deleted = False
        """Whether a key was staged whose row is marked deleted."""

    def note_staged(self, known: KnownRows) -> None:
        """Notes the rows whose keys were staged by now."""
        row = self._connection.execute(self._staged_and_known, binary=True).fetchone()
        hashes, self.meets_deleted = row or (None, False)
        self.came_twice = known.have_met(hashes or b"")
        known.note_staged(hashes or b"")

    def fill(self, known: KnownRows) -> None:
        """Holds the hashes that are not accounted for by now, in place of what it held before."""
        if self._exists:
            self._connection.execute(sql.SQL("TRUNCATE {}").format(_UNSEEN))
        else:
            self._connection.execute(_CREATE_UNSEEN.format(name=sql.Identifier("syncflow_unseen")))
            self._exists = True
        # Read once more, because what is held of a hash is not all of it.
        for hashes, _ in _blocks(self._connection, self._table):
            if missing := known.unaccounted(hashes):
                self._copy(missing)
        self._connection.execute(sql.SQL("ANALYZE {}").format(_UNSEEN))

    def _copy(self, hashes: bytes) -> None:
        with self._connection.cursor() as cursor, cursor.copy(_COPY_UNSEEN.format(unseen=_UNSEEN)) as copy:
            copy.write(_BINARY_COPY_BEGINS)
            copy.write(_binary_rows(hashes))
            copy.write(_BINARY_COPY_ENDS)


def _blocks(connection: psycopg.Connection, table: sql.Identifier) -> Iterator[tuple[bytes, int]]:
    """The hashes of some thousand pages of the table, joined, and how many live rows these have."""
    found = connection.execute(_PAGES.format(table=sql.Literal(table.as_string(connection)))).fetchone()
    pages = int(found[0]) if found else 0
    query = _HASHES.format(table=table)
    for page in range(0, pages, _BLOCK_PAGES):
        row = connection.execute(query, (f"({page},0)", f"({page + _BLOCK_PAGES},0)"), binary=True).fetchone()
        if row is not None:
            yield row[0] or b"", row[1]


def _share_out(hashes: bytes, buckets: Sequence[_Bucket]) -> None:
    high, low = _halves(hashes)
    order = high.argsort()
    kept = np.empty(len(high), dtype=_KEPT)
    kept["high"], kept["low"] = high[order], low[order]
    ends = kept["high"].searchsorted(_FIRST_OF_BUCKETS)
    for bucket, share in zip(buckets, np.split(kept, ends), strict=True):
        bucket.add(share)


def _halves(hashes: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """Of every hash the first half, comparable as the hashes are, and the last 14 bits."""
    words = np.frombuffer(hashes, dtype=">u8").astype(np.uint64)
    return words[::2].copy(), words[1::2].astype(np.uint16) & _REST


def _pieces(array: NDArray[Any], overlap: int = 0) -> Iterator[NDArray[Any]]:
    """The array piece by piece, so that what is worked out of it takes little memory."""
    for start in range(0, len(array), _PIECE):
        yield array[start : start + _PIECE + overlap]


def _binary_rows(hashes: bytes) -> bytes:
    """The hashes as rows of COPY's binary format: one field of 16 bytes each."""
    values = np.frombuffer(hashes, dtype=np.uint8).reshape(-1, _HASH_BYTES)
    heads = np.broadcast_to(_ONE_FIELD_OF_16_BYTES, (len(values), len(_ONE_FIELD_OF_16_BYTES)))
    return np.hstack((heads, values)).tobytes()
