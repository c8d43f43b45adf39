"""One JSON literal → the text that PostgreSQL reads it from, or the reason why not.

Literals are converted without passing through a Python float, so that what comes out of PostgreSQL is
what the source said. What PostgreSQL would round, cut or guess at is refused here instead; but decimals of a second
beyond the sixth, which many sources write and PostgreSQL rounds, are refused in business keys alone.
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from syncflow_pipelines.sync.model import Column

Converter = Callable[[bytes], str]

_STRING = msgspec.json.Decoder(str)
_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,6})?\Z")
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"(?P<minute>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}([.,][0-9]+)?)?"
_ZONE = r"(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)"
_BELOW_MICROSECONDS = re.compile(rb"[.,][0-9]{6}[0-9]*[1-9]")
_DATE_ONLY = re.compile(rf"{_DATE}([T ]00:00(:00([.,]0+)?)?{_ZONE}?)?\Z")
_COMPACT = re.compile(r"[0-9]{8}([0-9]{6})?\Z")
_TIMESTAMP = re.compile(rf"(?P<day>{_DATE})([T ]{_CLOCK} ?(?P<zone>{_ZONE})?)?\Z")
_TIME = re.compile(rf"{_CLOCK}\Z")
_TIME_TZ = re.compile(rf"{_CLOCK} ?{_ZONE}?\Z")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\}?\Z")
_HEX = re.compile(r"([0-9a-fA-F]{2})*\Z")
_URL_SAFE = re.compile(r"[0-9a-zA-Z]*[-_][0-9a-zA-Z_-]*=*\Z")
_PLAIN_ALPHABET = str.maketrans("-_", "+/")
_INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}
_BYTE_LENGTH = re.compile(r"\(\s*([0-9]+)\s*(bytes?)?\s*\)", re.IGNORECASE)
_NUL_IN_JSON = re.compile(rb"(?<!\\)(\\\\)*\\u0000")
_FURTHEST_ZONE_H = 15
"""PostgreSQL knows zones up to 15:59 hours from UTC."""


class BadValue(ValueError):
    """The literal cannot be kept in its column; `str()` says why, without the value."""


def converter(column: Column) -> Converter:
    """The function that turns this column's literals (never `null`) into texts of its type.

    It raises `BadValue`.
    """
    name, _, arguments = column.pg_type.partition("(")
    numbers = [int(n) for n in re.findall(r"[0-9]+", arguments)]
    if name == "character varying":
        return _varchar(numbers[0] if numbers else None)
    if name in _INTEGER_BITS:
        return _integer(_INTEGER_BITS[name])
    if name == "numeric":
        return _numeric(*numbers) if numbers else _any_number
    if name == "bytea":
        return _bytes(column.data_type)
    return _BY_TYPE.get(_without_precision(column.pg_type), _scalar)


def exact(column: Column) -> Converter:
    """The same for a business key, of which nothing may be lost: two rows could become one."""
    convert = converter(column)
    if not column.pg_type.startswith("time"):
        return convert

    def convert_exactly(literal: bytes) -> str:
        if _BELOW_MICROSECONDS.search(literal):
            raise BadValue("has more than six decimals of a second, which PostgreSQL would round in a business key")
        return convert(literal)

    return convert_exactly


def _without_precision(pg_type: str) -> str:
    return re.sub(r"\([0-9]+\)", "", pg_type)


def _scalar(literal: bytes) -> str:
    """The text of a string, number or boolean literal."""
    first = literal[:1]
    if first in b"{[":
        raise BadValue("holds an object or array where a single value belongs")
    if first != b'"':
        return literal.decode("ascii")
    try:
        text = _STRING.decode(literal)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise BadValue(f"is not valid Unicode: {cause}") from cause
    if "\0" in text:
        raise BadValue("holds a NUL character, which PostgreSQL cannot keep")
    return text


def _varchar(length: int | None) -> Converter:
    def convert(literal: bytes) -> str:
        text = _scalar(literal)
        if length is not None and len(text) > length:
            raise BadValue(f"is {len(text)} characters long, the column holds {length}")
        return text

    return convert


def _number_text(literal: bytes) -> str:
    text = _scalar(literal).strip()
    if text in ("true", "false") or not _NUMBER.match(text):
        raise BadValue("is not a number")
    return text


def _integer(bits: int) -> Converter:
    lowest, highest = -(2**bits), 2**bits - 1

    def convert(literal: bytes) -> str:
        text = _number_text(literal)
        number = int(text) if _WHOLE.match(text) else _whole(text)
        if not lowest <= number <= highest:
            raise BadValue(f"is out of range, the column holds {lowest} to {highest}")
        return str(number)

    return convert


def _whole(text: str) -> int:
    number = Decimal(text)
    if not number:
        return 0
    if number.adjusted() > 40:
        raise BadValue("is out of range")
    if number != number.to_integral_value():
        raise BadValue("is not a whole number")
    return int(number)


def _numeric(precision: int, scale: int = 0) -> Converter:
    def convert(literal: bytes) -> str:
        text = _number_text(literal)
        whole, fraction = _digits(text)
        if whole is not None and whole > precision - scale:
            if scale >= precision:
                raise BadValue(f"is out of range, the column is numeric({precision},{scale})")
            raise BadValue(f"has {whole} digits before the point, the column holds {precision - scale}")
        if fraction > scale:
            raise BadValue(f"has {fraction} decimals, the column holds {scale}")
        return text

    return convert


def _digits(text: str) -> tuple[int | None, int]:
    """Digits before the decimal point, and significant ones after it.

    The first is negative where the point is followed by zeros, None for zero itself.
    """
    mantissa, _, exponent = text.lower().partition("e")
    shift = int(exponent or 0)
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    digits = whole + fraction
    significant = digits.lstrip("0")
    if not significant:
        return None, 0
    ending_zeros = len(digits) - len(digits.rstrip("0"))
    before = len(whole) + shift - (len(digits) - len(significant))
    return before, max(len(fraction) - shift - ending_zeros, 0)


def _any_number(literal: bytes) -> str:
    return _number_text(literal)


def _float(literal: bytes) -> str:
    text = _number_text(literal)
    if float(text) in (float("inf"), float("-inf")):
        raise BadValue("is out of range for a floating-point column")
    return text


def _boolean(literal: bytes) -> str:
    text = _scalar(literal).strip().lower()
    if text in _TRUE:
        return "t"
    if text in _FALSE:
        return "f"
    raise BadValue("is not true or false")


def _string(literal: bytes) -> str:
    if literal[:1] != b'"':
        raise BadValue("is not a string, as dates, times, UUIDs and bytes have to be")
    return _scalar(literal).strip()


def _date(literal: bytes) -> str:
    text = _expanded(_string(literal))
    if not _DATE_ONLY.match(text):
        raise BadValue("is not a date (YYYY-MM-DD, without a time of day)")
    return text[:10]


def _timestamp(literal: bytes) -> str:
    """Without a zone; a value that names one is turned into UTC."""
    text = _expanded(_string(literal))
    found = _TIMESTAMP.match(text)
    if not found:
        raise BadValue("is not a time stamp (YYYY-MM-DDTHH:MM:SS)")
    return (_in_utc(found) if found["zone"] else text).replace(",", ".")


def _timestamp_tz(literal: bytes) -> str:
    text = _expanded(_string(literal))
    if not _TIMESTAMP.match(text):
        raise BadValue("is not a time stamp (YYYY-MM-DDTHH:MM:SS+00:00)")
    return text.replace(",", ".")


def _in_utc(stamp: re.Match[str]) -> str:
    """The time stamp without its zone; seconds and their fractions stay as they are written."""
    day, minute, second = stamp["day"], stamp["minute"], stamp["second"] or ""
    if stamp["zone"] in ("Z", "z"):
        return f"{day}T{minute}{second}"
    midnight = minute == "24:00" and not second.strip(":0.,")
    try:
        moment = datetime.fromisoformat(f"{day}T{'00:00' if midnight else minute}") + timedelta(days=midnight)
        moment -= _offset(stamp["zone"])
    except (ValueError, OverflowError) as cause:
        raise BadValue("is no moment of the calendar") from cause
    return f"{moment.isoformat(timespec='minutes')}{second}"


def _offset(zone: str) -> timedelta:
    """How far the zone (`+05`, `+0530`, `-05:30`) is from UTC. Raises `ValueError`."""
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > _FURTHEST_ZONE_H or minutes > 59:
        raise ValueError(f"there is no time zone {zone}")
    return timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)


def _expanded(text: str) -> str:
    """`20251208` and `20251208120000`, as some sources write them, with their separators."""
    if not _COMPACT.match(text):
        return text
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return day if len(text) == 8 else f"{day}T{text[8:10]}:{text[10:12]}:{text[12:]}"


def _time(literal: bytes) -> str:
    text = _string(literal)
    if not _TIME.match(text):
        raise BadValue("is not a time of day (HH:MM:SS)")
    return text.replace(",", ".")


def _time_tz(literal: bytes) -> str:
    text = _string(literal)
    if not _TIME_TZ.match(text):
        raise BadValue("is not a time of day with a zone (HH:MM:SS+00:00)")
    return text.replace(",", ".")


def _uuid(literal: bytes) -> str:
    text = _string(literal)
    if not _UUID.match(text):
        raise BadValue("is not a UUID")
    return text


def _json(literal: bytes) -> str:
    if b"\\u0000" in literal and _NUL_IN_JSON.search(literal):
        raise BadValue("holds a NUL character, which PostgreSQL cannot keep")
    try:
        return literal.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise BadValue("is not valid Unicode") from cause


def _bytes(data_type: str) -> Converter:
    declared = _BYTE_LENGTH.search(data_type)
    length = int(declared[1]) if declared else None

    def convert(literal: bytes) -> str:
        value = _decoded_bytes(_string(literal), length)
        if length is not None and len(value) > length:
            raise BadValue(f"is {len(value)} bytes long, the column holds {length}")
        return "\\x" + value.hex()

    return convert


def _decoded_bytes(text: str, length: int | None) -> bytes:
    """Hex where it reads as hex and fits, else base64, broken into lines or not; `0x` or `\\x` may precede hex.

    Of base64 both alphabets are read, and padding may be left out of the one for URLs, as its writers do.
    """
    for prefix in ("0x", "0X", "\\x"):
        if text.startswith(prefix) and _HEX.match(text[2:]):
            return bytes.fromhex(text[2:])
    if _HEX.match(text) and (length is None or len(text) <= 2 * length):
        return bytes.fromhex(text)
    text = "".join(text.split())
    if _URL_SAFE.match(text):
        text = text.translate(_PLAIN_ALPHABET) + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise BadValue("is neither hexadecimal nor base64") from cause


_BY_TYPE: dict[str, Converter] = {
    "text": _scalar,
    "double precision": _float,
    "real": _float,
    "boolean": _boolean,
    "date": _date,
    "timestamp without time zone": _timestamp,
    "timestamp with time zone": _timestamp_tz,
    "time without time zone": _time,
    "time with time zone": _time_tz,
    "uuid": _uuid,
    "jsonb": _json,
    "json": _json,
}
