"""A source's type names → PostgreSQL types, and what may become of a column when the source changes its mind.

The table is that of the source contract. Types of any dialect are read, in any letter case, with or
without length, precision and scale; PostgreSQL types are spelled as `format_type()` spells them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Family = Literal[
    "text",
    "integer",
    "numeric",
    "float",
    "boolean",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "bytes",
    "json",
    "uuid",
]


Widening = Literal["same", "widen", "narrow", "incompatible"]


@dataclass(frozen=True, slots=True)
class TypeMapping:
    """What a source's type becomes."""

    pg_type: str
    """As `format_type()` spells it, e.g. `character varying(50)`, `numeric(10,0)`."""
    family: Family
    known: bool = True
    """False where the type is none of the contract's and `text` has to do."""


_VARCHAR_LIMIT = 10_485_760
_PRECISION_LIMIT = 1000

_TIMESTAMP = TypeMapping("timestamp without time zone", "timestamp")
_TIMESTAMPTZ = TypeMapping("timestamp with time zone", "timestamptz")
_UNKNOWN = TypeMapping("text", "text", known=False)
_DECIMAL = TypeMapping("numeric", "numeric")
_BIGGEST_UNSIGNED = TypeMapping("numeric(20,0)", "numeric")


def _named(pg_type: str, family: Family, names: str) -> dict[str, TypeMapping]:
    return {name.strip(): TypeMapping(pg_type, family) for name in names.split(",")}


_LENGTHS = frozenset(
    {"CHAR", "NCHAR", "CHARACTER", "NATIONAL CHAR", "NATIONAL CHARACTER", "BPCHAR"}
    | {"VARCHAR", "VARCHAR2", "NVARCHAR", "NVARCHAR2", "CHAR VARYING", "CHARACTER VARYING"}
    | {"NATIONAL CHAR VARYING", "NATIONAL CHARACTER VARYING", "STRING", "TEXT"}
)
"""Text types whose argument is a length in characters."""

_DECIMALS = frozenset({"NUMBER", "NUMERIC", "DECIMAL", "DEC", "FIXED"})
"""Types whose arguments are precision and scale."""

_PLAIN: dict[str, TypeMapping] = {
    **_named(
        "text",
        "text",
        "CLOB, NCLOB, LONG, LONG VARCHAR, NTEXT, TINYTEXT, MEDIUMTEXT, LONGTEXT, CITEXT, XML, XMLTYPE, SYSNAME, "
        "CHARACTER LARGE OBJECT, NATIONAL CHARACTER LARGE OBJECT, ROWID, UROWID, ENUM",
    ),
    **_named("smallint", "integer", "SMALLINT, INT2, INT16, TINYINT, SMALLSERIAL, BYTEINT, YEAR"),
    **_named("integer", "integer", "INTEGER, INT, INT4, INT32, MEDIUMINT, SERIAL, PLS_INTEGER, BINARY_INTEGER, UINT16"),
    **_named("bigint", "integer", "BIGINT, INT8, INT64, BIGSERIAL, UINT32"),
    **_named("numeric(20,0)", "numeric", "UINT64"),
    **_named("numeric", "numeric", "MONEY, SMALLMONEY, DECFLOAT, BIGNUMERIC, BIGDECIMAL"),
    **_named("double precision", "float", "DOUBLE, DOUBLE PRECISION, BINARY_DOUBLE, FLOAT8, FLOAT64"),
    **_named("real", "float", "REAL, BINARY_FLOAT, FLOAT4, FLOAT32"),
    **_named("boolean", "boolean", "BOOLEAN, BOOL, LOGICAL"),
    **_named("date", "date", "DATE"),
    **_named("time without time zone", "time", "TIME, TIME WITHOUT TIME ZONE"),
    **_named("time with time zone", "time", "TIME WITH TIME ZONE, TIMETZ"),
    **_named(
        "timestamp without time zone",
        "timestamp",
        "TIMESTAMP, TIMESTAMP WITHOUT TIME ZONE, TIMESTAMP_NTZ, DATETIME, DATETIME2, SMALLDATETIME",
    ),
    **_named(
        "timestamp with time zone",
        "timestamptz",
        "TIMESTAMP WITH TIME ZONE, TIMESTAMP WITH LOCAL TIME ZONE, TIMESTAMPTZ, TIMESTAMP_TZ, TIMESTAMP_LTZ, "
        "DATETIMEOFFSET, DATE-TIME",
    ),
    **_named(
        "bytea",
        "bytes",
        "RAW, LONG RAW, BLOB, TINYBLOB, MEDIUMBLOB, LONGBLOB, BINARY, VARBINARY, BINARY VARYING, "
        "BINARY LARGE OBJECT, IMAGE, BYTEA, BYTES, BYTE, BFILE, ROWVERSION",
    ),
    **_named("jsonb", "json", "JSON, JSONB, OBJECT, ARRAY, STRUCT, MAP, VARIANT"),
    **_named("uuid", "uuid", "UUID, GUID, UNIQUEIDENTIFIER"),
}

_SHAPE = re.compile(r"(?P<head>[^()]+)(?:\((?P<arguments>[^()]*)\)(?P<tail>[^()]*))?")
_LENGTH = re.compile(r"(\d{1,10})(?: (?:CHAR|CHARS|BYTE|BYTES))?", re.ASCII)
_PRECISION = re.compile(r"(\d{1,4}|\*)(?: ?, ?(-?\d{1,4}))?", re.ASCII)


@lru_cache(maxsize=8192)
def postgres_type(data_type: str) -> TypeMapping:
    """The PostgreSQL type that holds every value of the source's type.

    `DATE` in capitals is taken for Oracle's, which holds a time of day, and becomes a timestamp; in any
    other spelling it is a date. A type that is not known becomes `text` with `known` false.
    """
    if data_type.strip() == "DATE":
        return _TIMESTAMP
    text = " ".join(data_type.upper().split())
    if text.endswith("[]"):
        return _PLAIN["ARRAY"]
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return _UNKNOWN
    name = f"{shape['head'].strip()} {(shape['tail'] or '').strip()}".strip()
    return _of_name(name, (shape["arguments"] or "").strip())


def _of_name(name: str, arguments: str) -> TypeMapping:
    if name in _LENGTHS:
        return _text(arguments)
    if name in _DECIMALS:
        return _decimal(arguments)
    if name == "FLOAT":
        return _PLAIN["REAL"] if arguments.isdecimal() and int(arguments) <= 24 else _PLAIN["DOUBLE"]
    if name == "BIT":
        return _PLAIN["BOOLEAN"] if arguments in ("", "1") else _UNKNOWN
    if name.endswith(" UNSIGNED"):
        return _unsigned(_of_name(name.removesuffix(" UNSIGNED"), arguments))
    return _PLAIN.get(name, _UNKNOWN)


def _text(arguments: str) -> TypeMapping:
    length = _LENGTH.fullmatch(arguments)
    if length is None or not 0 < int(length[1]) <= _VARCHAR_LIMIT:
        return TypeMapping("text", "text")
    return TypeMapping(f"character varying({int(length[1])})", "text")


def _decimal(arguments: str) -> TypeMapping:
    given = _PRECISION.fullmatch(arguments)
    if given is None or arguments == "*":
        return _DECIMAL
    precision = 38 if given[1] == "*" else int(given[1])
    scale = int(given[2] or 0)
    if scale <= 0:
        return _whole(precision - scale)
    if not 1 <= precision <= _PRECISION_LIMIT or scale > _PRECISION_LIMIT:
        return _DECIMAL
    return TypeMapping(f"numeric({precision},{scale})", "numeric")


def _whole(digits: int) -> TypeMapping:
    """The smallest type that holds every whole number of that many digits."""
    for limit, pg_type in ((4, "smallint"), (9, "integer"), (18, "bigint")):
        if 0 < digits <= limit:
            return TypeMapping(pg_type, "integer")
    return TypeMapping(f"numeric({digits},0)", "numeric") if 0 < digits <= _PRECISION_LIMIT else _DECIMAL


def _unsigned(signed: TypeMapping) -> TypeMapping:
    wider = {"smallint": _PLAIN["INT"], "integer": _PLAIN["BIGINT"], "bigint": _BIGGEST_UNSIGNED}
    return wider.get(signed.pg_type, signed)


_INTEGERS = ("smallint", "integer", "bigint")
_INTEGER_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
"""Digits of the longest value."""
_EXACT_IN_FLOAT = {("smallint", "real"), ("smallint", "double precision"), ("integer", "double precision")}
_WIDER = {("real", "double precision"), ("date", "timestamp without time zone")}
_TEXT_LENGTH = {"boolean": 5, "smallint": 6, "integer": 11, "bigint": 20, "uuid": 36}
"""Characters of the longest value, for types that are written in one way only."""
_OTHER_AS_TEXT = frozenset({"jsonb", "bytea"})
"""Types whose text in PostgreSQL is not what the source writes."""

_TYPE = re.compile(r"(?P<base>[a-z ]+?)(?:\((?P<first>\d+)(?:,(?P<second>-?\d+))?\))?")


def widening(before: str, after: str) -> Widening:
    """What it means for a column of type `before` to become `after`, both as `format_type()` spells them.

    `widen`: every value there can be keeps its meaning. `narrow`: the same kind of value, but some would
    not fit. `incompatible`: another kind of value.
    """
    if before == after:
        return "same"
    old, new = _Type(before), _Type(after)
    if new.is_text:
        return _to_text(old, new)
    if old.is_text:
        return "incompatible"
    if old.is_exact and new.is_exact:
        return "widen" if _digits_fit(old, new) else "narrow"
    return _between_others(old.base, new.base)


class _Type:
    """A PostgreSQL type's name, taken apart."""

    def __init__(self, spelled: str) -> None:
        parts = _TYPE.fullmatch(spelled)
        self.base = parts["base"] if parts else spelled
        self.first = int(parts["first"]) if parts and parts["first"] else None
        self.second = int(parts["second"]) if parts and parts["second"] else 0
        self.is_text = self.base in ("text", "character varying")
        self.is_exact = self.base in _INTEGERS or self.base == "numeric"

    @property
    def length(self) -> float:
        """Characters that a text may have."""
        return float("inf") if self.first is None else self.first


def _to_text(old: _Type, new: _Type) -> Widening:
    if old.is_text:
        return "widen" if new.length >= old.length else "narrow"
    if old.base in _OTHER_AS_TEXT:
        return "incompatible"
    return "widen" if new.length >= _written_length(old) else "narrow"


def _written_length(old: _Type) -> float:
    if old.base == "numeric" and old.first is not None:
        whole, point = max(old.first - old.second, 1), 1 if old.second > 0 else 0
        return 1 + whole + point + max(old.second, 0)
    return _TEXT_LENGTH.get(old.base, float("inf"))


def _digits_fit(old: _Type, new: _Type) -> bool:
    if new.base in _INTEGERS:
        return _fits_integer(old, new.base)
    if new.first is None:
        return True
    if old.base == "numeric" and old.first is None:
        return False
    whole = _INTEGER_DIGITS[old.base] if old.first is None else old.first - old.second
    return new.first - new.second >= whole and new.second >= old.second


def _fits_integer(old: _Type, base: str) -> bool:
    if old.base in _INTEGERS:
        return _INTEGERS.index(old.base) <= _INTEGERS.index(base)
    # One digit less than the longest value: 99999 is no smallint.
    return old.first is not None and old.second <= 0 and old.first - old.second < _INTEGER_DIGITS[base]


def _between_others(old: str, new: str) -> Widening:
    if (old, new) in _EXACT_IN_FLOAT or (old, new) in _WIDER:
        return "widen"
    narrower = (new, old) in _WIDER or (new in _INTEGERS and old in ("real", "double precision"))
    return "narrow" if narrower or (old in _INTEGERS and new in ("real", "double precision")) else "incompatible"
