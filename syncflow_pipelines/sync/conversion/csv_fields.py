"""The literals of one column of a page → CSV fields of `COPY`, the whole column at once.

A JSON literal in which nothing is escaped is a CSV field as it stands: `"abc"`, `12.50`, `true`; and `null`, which COPY
is told to take for NULL. Each type has a test over all the literals of a page whether they may be copied so. It is
never laxer than the converters of `values.py`, which take the values one by one where it fails.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import msgspec

from syncflow_pipelines.sync.conversion.values import BadValue, Converter, converter, exact
from syncflow_pipelines.sync.model import Column

NULL = b"null"
"""What COPY is told to take for NULL; a text of that name is quoted."""

Fields = Sequence[bytes | None]
"""A column's fields; None where only the whole row can tell what is to be done."""

_Copied = Callable[[bytes, Sequence[bytes]], Fields | None]
"""Literals, joined by line breaks and one by one → their fields, or None where they have to be converted."""

_TEXTS = msgspec.json.Decoder(list[str | None])
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_LONG_EXPONENT = re.compile(rb"[eE][+-]?[0-9]{7}")
_HEX_AS_0 = bytes.maketrans(b"123456789abcdefABCDEF", b"0" * 21)


def quoted(text: str | None) -> bytes:
    """The text as a CSV field; None is NULL."""
    return NULL if text is None else b'"%b"' % text.replace('"', '""').encode()


class FieldWriter:
    """Writes the fields of one column."""

    def __init__(self, column: Column, *, is_key: bool) -> None:
        self._convert: Converter = exact(column) if is_key else converter(column)
        self._may_be_null = column.is_nullable and not is_key
        self._copied = _copied(column.pg_type)

    def fields(self, values: Sequence[bytes]) -> tuple[Fields, set[int]]:
        """The column's fields, in the order of the literals, and the positions of those that are None."""
        joined = b"\n".join(values)
        fields = None
        if self._may_be_null or NULL not in joined:
            fields = self._copied(joined, values)
        if fields is not None:
            return fields, set()
        fields = [self._field(value) for value in values]
        return fields, {at for at, field in enumerate(fields) if field is None}

    def _field(self, literal: bytes) -> bytes | None:
        if literal == NULL:
            return NULL if self._may_be_null else None
        try:
            return quoted(self._convert(literal))
        except BadValue:
            return None


def _copied(pg_type: str) -> _Copied:
    name, _, arguments = pg_type.partition("(")
    numbers = [int(number) for number in re.findall(r"[0-9]+", arguments)]
    if name in ("text", "character varying"):
        return _texts(numbers[0] if numbers else None)
    if name == "numeric":
        return _decimals(numbers[1] if len(numbers) > 1 else 0) if numbers else _numbers
    return _BY_TYPE.get(re.sub(r"\([0-9]+\)", "", pg_type), _never)


def _never(_joined: bytes, _values: Sequence[bytes]) -> None:
    return None


def _integers(joined: bytes, values: Sequence[bytes]) -> Fields | None:
    return values if _consists_of(joined, b"0123456789-\n") else None


def _numbers(joined: bytes, values: Sequence[bytes]) -> Fields | None:
    # An exponent that is refused PostgreSQL takes all the same where nothing but zeros stand before it.
    if (b"e" in joined or b"E" in joined) and _LONG_EXPONENT.search(joined):
        return None
    return values if _consists_of(joined, b"0123456789-.eE+\n") else None


def _decimals(scale: int) -> _Copied:
    # PostgreSQL would round what it does not hold.
    beyond_scale = re.compile(rb"\.[0-9]{%d}" % (scale + 1))

    def copied(joined: bytes, values: Sequence[bytes]) -> Fields | None:
        fits = _consists_of(joined, b"0123456789-.\n") and not beyond_scale.search(joined)
        return values if fits else None

    return copied


def _consists_of(joined: bytes, characters: bytes) -> bool:
    """Whether there is nothing but such numbers, and nulls; strings, which have quotes, there are none."""
    return not joined.translate(None, characters).replace(NULL, b"")


def _booleans(_joined: bytes, values: Sequence[bytes]) -> Fields | None:
    return values if {b"true", b"false", NULL}.issuperset(values) else None


def _texts(limit: int | None) -> _Copied:
    def copied(joined: bytes, values: Sequence[bytes]) -> Fields | None:
        if b"\\" in joined:
            return _unescaped(joined, values, limit)
        # A longer text that ends in spaces would be cut without a word; a character has a byte at least.
        if limit is not None and max(map(len, values)) > limit + 2:
            return None
        is_nested = joined[:1] in (b"{", b"[") or b"\n{" in joined or b"\n[" in joined
        return None if is_nested else values

    return copied


def _unescaped(joined: bytes, values: Sequence[bytes], limit: int | None) -> Fields | None:
    if b"\\u0000" in joined:
        return None
    try:
        texts = _TEXTS.decode(b"[%b]" % b",".join(values))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if limit is not None and max((len(text) for text in texts if text is not None), default=0) > limit:
        return None
    return [quoted(text) for text in texts]


def _documents(joined: bytes, values: Sequence[bytes]) -> Fields | None:
    if b"\\u0000" in joined:
        return None
    return [value if value == NULL else b'"%b"' % value.replace(b'"', b'""') for value in values]


def _shapes(allowed: Iterable[str], zeros: bytes = _DIGITS_AS_0) -> _Copied:
    known = frozenset([NULL, *(shape.encode() for shape in allowed)])

    def copied(joined: bytes, values: Sequence[bytes]) -> Fields | None:
        return values if known.issuperset(joined.translate(zeros).split(b"\n")) else None

    return copied


_DAY = "0000-00-00"
_CLOCKS = ("00:00:00", *(f"00:00:00.{'0' * decimals}" for decimals in range(1, 7)))
_TO_BE_RECKONED = re.compile(rb"\+(?!00:00\")|[T ]24:")


def _stamped(zones: Iterable[str]) -> _Copied:
    return _shapes(f'"{_DAY}{sign}{clock}{zone}"' for sign, clock, zone in product("T ", _CLOCKS, zones))


def _stamps(joined: bytes, values: Sequence[bytes]) -> Fields | None:
    """PostgreSQL leaves a zone out where the column has none, which is right for UTC alone.

    24 o'clock of the calendar's last day, which it takes, is none that can be reckoned with.
    """
    return None if b"+" in joined and _TO_BE_RECKONED.search(joined) else _STAMPS(joined, values)


_STAMPS = _stamped(("", "Z", "+00:00"))

_BY_TYPE: dict[str, _Copied] = {
    "smallint": _integers,
    "integer": _integers,
    "bigint": _integers,
    "double precision": _numbers,
    "real": _numbers,
    "boolean": _booleans,
    "json": _documents,
    "jsonb": _documents,
    "date": _shapes([f'"{_DAY}"']),
    "time without time zone": _shapes([f'"{clock}"' for clock in _CLOCKS]),
    "timestamp without time zone": _stamps,
    "timestamp with time zone": _stamped(("", "Z", "+00:00", "-00:00")),
    "uuid": _shapes([f'"{"-".join("0" * length for length in (8, 4, 4, 4, 12))}"'], _HEX_AS_0),
}
