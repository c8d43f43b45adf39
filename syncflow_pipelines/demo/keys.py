"""Business keys as bytes that sort in key order."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from syncflow_pipelines.demo.exact_json import read_json


def key_order(values: Iterable[Any]) -> bytes:
    """Bytes that sort as the values do: null, then booleans, numbers by value, texts by code point.

    Equal keys, and only those, get equal bytes; `1` and `1.0` are equal, `1` and `"1"` are not.
    """
    return b"".join(map(_order, values))


def _order(value: Any) -> bytes:
    if type(value) is str:
        # 00 ends a text, so that a prefix sorts first; a NUL inside it must sort after the end.
        return b"\x04" + value.encode("utf-8", "surrogatepass").replace(b"\x00", b"\x00\xff") + b"\x00\x00"
    if value is None:
        return b"\x01"
    if isinstance(value, bool):
        return b"\x02\x01" if value else b"\x02\x00"
    if isinstance(value, int):
        return b"\x03" + _digits_order(value < 0, len(str(abs(value))), str(abs(value)))
    if isinstance(value, Decimal | float):
        return b"\x03" + _decimal_order(Decimal(repr(value)) if isinstance(value, float) else value)
    if isinstance(value, msgspec.Raw):
        return _order(read_json(bytes(value)))
    return _order(msgspec.to_builtins(value))


def _decimal_order(value: Decimal) -> bytes:
    if not value.is_finite():
        raise ValueError(f"a business key cannot be {value}")
    digits = "".join(map(str, value.as_tuple().digits)).lstrip("0")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # it is a letter only for what is not finite
    return _digits_order(value < 0, len(digits) + exponent, digits)


def _digits_order(is_negative: bool, magnitude: int, digits: str) -> bytes:
    """Zero lies in the middle; below it every byte is turned round."""
    significant = digits.rstrip("0")
    if not significant:
        return b"\x01"
    order = (magnitude + 0x8000_0000).to_bytes(5, "big") + significant.encode() + b"\x00"
    return b"\x00" + bytes(255 - byte for byte in order) if is_negative else b"\x02" + order
