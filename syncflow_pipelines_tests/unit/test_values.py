"""What becomes of one JSON literal in a column of each type, and which literals are refused."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.conversion.values import BadValue, converter
from syncflow_pipelines.sync.model import Column
from syncflow_pipelines.sync.schema.types import postgres_type

SMALL = settings(max_examples=120, derandomize=True, deadline=None)


def convert(data_type: str, literal: str | bytes) -> str:
    """The text that the literal becomes in a column of the source's type."""
    column = Column("C", "c", "c", data_type, postgres_type(data_type).pg_type, True, False)
    return converter(column)(literal if isinstance(literal, bytes) else literal.encode())


def refusal(data_type: str, literal: str | bytes) -> str:
    with pytest.raises(BadValue) as caught:
        convert(data_type, literal)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data_type", "literal", "kept"),
    [
        ("text", '"a"', "a"),
        ("text", '""', ""),
        ("text", r'"\t\r\n\\N \u0008 \\."', "\t\r\n" + r"\N " + "\b" + r" \."),
        ("text", '"null"', "null"),
        ("text", "1.50", "1.50"),
        ("text", "true", "true"),
        ("text", '"\\ud83d\\ude00"', "\U0001f600"),
        ("VARCHAR2(3)", '"äöü"', "äöü"),
        ("VARCHAR2(3)", "123", "123"),
        ("CHAR(3)", '"a  "', "a  "),
        ("NUMBER(10)", "1e3", "1000"),
        ("NUMBER(10)", '" -12.000 "', "-12"),
        ("NUMBER(10)", '"+7"', "7"),
        ("SMALLINT", "-32768", "-32768"),
        ("INTEGER", "0e999999", "0"),
        ("BIGINT", "9223372036854775807", "9223372036854775807"),
        ("NUMBER", "12345678901234567890.123", "12345678901234567890.123"),
        ("NUMBER(10,3)", "1234567.890000", "1234567.890000"),
        ("NUMBER(10,3)", '"1.5e3"', "1.5e3"),
        ("NUMBER(3,5)", "0.00123", "0.00123"),
        ("NUMBER(3,5)", "0", "0"),
        ("NUMBER(3,5)", "999e-5", "999e-5"),
        ("FLOAT", "1.5", "1.5"),
        ("FLOAT", '"-0"', "-0"),
        ("BOOLEAN", "true", "t"),
        ("BIT", "0", "f"),
        ("BOOLEAN", '" Yes "', "t"),
        ("date", '"2025-12-08"', "2025-12-08"),
        ("date", '"20251208"', "2025-12-08"),
        ("date", '"2025-12-08T00:00:00.000Z"', "2025-12-08"),
        ("DATE", '"2025-12-08T11:12:13"', "2025-12-08T11:12:13"),
        ("DATE", '"20251208111213"', "2025-12-08T11:12:13"),
        ("TIMESTAMP", '"2025-12-08 11:12"', "2025-12-08 11:12"),
        ("TIMESTAMP", '"2025-12-08T11:12:13,5"', "2025-12-08T11:12:13.5"),
        ("TIMESTAMP", '"2025-12-08T11:12:13.123456789z"', "2025-12-08T11:12:13.123456789"),
        ("TIMESTAMP", '"2025-12-08T23:12:13.1234567 -05:30"', "2025-12-09T04:42:13.1234567"),
        ("TIMESTAMP", '"0999-01-01T00:00+01"', "0998-12-31T23:00"),
        ("TIMESTAMP WITH TIME ZONE", '"2025-12-08T11:12:13,5+0100"', "2025-12-08T11:12:13.5+0100"),
        ("TIME", '"11:12:13,25"', "11:12:13.25"),
        ("TIME WITH TIME ZONE", '"11:12Z"', "11:12Z"),
        ("UUID", '" {12345678-1234-1234-1234-123456789ABC} "', "{12345678-1234-1234-1234-123456789ABC}"),
        ("RAW(16)", '"0xDEADbeef"', r"\xdeadbeef"),
        ("RAW(16)", r'"\\xDEADbeef"', r"\xdeadbeef"),
        ("RAW(16)", '"deadbeef"', r"\xdeadbeef"),
        ("RAW(4)", '"3q2+7w=="', r"\xdeadbeef"),
        ("BLOB", r'"3q2+\r\n7w=="', r"\xdeadbeef"),
        ("BLOB(1G)", '"deadbeef"', r"\xdeadbeef"),
        ("VARBINARY(MAX)", '""', r"\x"),
        ("JSON", r'{"a": ["\t", 1.10, null]}', r'{"a": ["\t", 1.10, null]}'),
        ("JSON", r'"\\u0000"', r'"\\u0000"'),
        ("JSON", '"text"', '"text"'),
    ],
)
def test_a_literal_is_kept_as_it_was_written(data_type: str, literal: str, kept: str) -> None:
    assert convert(data_type, literal) == kept


@pytest.mark.parametrize(
    ("data_type", "literal", "reason"),
    [
        ("text", "{}", "object or array"),
        ("text", "[1]", "object or array"),
        ("text", r'"a\u0000b"', "NUL character"),
        ("text", b'"a\xff"', "not valid Unicode"),
        ("text", '"\\ud800"', "not valid Unicode"),
        ("text", '"\\udc00\\ud800"', "not valid Unicode"),
        ("VARCHAR2(3)", '"abcd"', "is 4 characters long, the column holds 3"),
        ("VARCHAR2(3)", '"abc "', "is 4 characters long, the column holds 3"),
        ("VARCHAR2(3)", "false", "is 5 characters long, the column holds 3"),
        ("INTEGER", "true", "not a number"),
        ("INTEGER", '""', "not a number"),
        ("INTEGER", '"NaN"', "not a number"),
        ("INTEGER", '"1,000"', "not a number"),
        ("INTEGER", '"1_000"', "not a number"),
        ("INTEGER", '"\u0661"', "not a number"),
        ("INTEGER", '"0x10"', "not a number"),
        ("INTEGER", "{}", "object or array"),
        ("INTEGER", "1.5", "not a whole number"),
        ("INTEGER", "1e-999999", "not a whole number"),
        ("INTEGER", "2147483648", "out of range"),
        ("INTEGER", "1e999999", "out of range"),
        ("INTEGER", "9" * 5000, "out of range"),
        ("SMALLINT", "-32769", "holds -32768 to 32767"),
        ("NUMBER(10,3)", "12345678", "has 8 digits before the point, the column holds 7"),
        ("NUMBER(10,3)", "1.2345", "has 4 decimals, the column holds 3"),
        ("NUMBER(10,3)", "1e999999", "digits before the point"),
        ("NUMBER(10,3)", "1e-999999", "decimals"),
        ("NUMBER(3,5)", "0.01", "out of range"),
        ("NUMBER(38,30)", "1.2345678901234567890123456789012345e0", "has 34 decimals, the column holds 30"),
        ("NUMBER", '"Infinity"', "not a number"),
        ("FLOAT", "1e309", "out of range"),
        ("FLOAT", '"NaN"', "not a number"),
        ("BOOLEAN", "2", "not true or false"),
        ("BOOLEAN", '"maybe"', "not true or false"),
        ("date", "20251208", "not a string"),
        ("date", '"2025-12-08T11:12:13"', "without a time of day"),
        ("date", '"08.12.2025"', "not a date"),
        ("date", '"today"', "not a date"),
        ("DATE", '"infinity"', "not a time stamp"),
        ("TIMESTAMP", '"2025-12-08T11:12:13 Europe/Berlin"', "not a time stamp"),
        ("TIMESTAMP", '"2025-02-30T11:12:13+01:00"', "no moment of the calendar"),
        ("TIMESTAMP", '"2025-02-28T11:12:13+16:00"', "no moment of the calendar"),
        ("TIMESTAMP", '"2025-02-28T11:12:13+01:60"', "no moment of the calendar"),
        ("TIMESTAMP", '"0001-01-01T00:00:00+01:00"', "no moment of the calendar"),
        ("TIMESTAMP", '"9999-12-31T23:59:59-01:00"', "no moment of the calendar"),
        ("TIMESTAMP WITH TIME ZONE", "1733655600", "not a string"),
        ("TIME", '"noon"', "not a time of day"),
        ("TIME", '"11:12:13Z"', "not a time of day"),
        ("TIME WITH TIME ZONE", '"11"', "not a time of day"),
        ("UUID", '"12345678"', "not a UUID"),
        ("RAW(2)", '"3q2+7w=="', "is 4 bytes long, the column holds 2"),
        ("RAW(4)", '"deadbeef0011"', "is 9 bytes long, the column holds 4"),
        ("RAW(4)", '"0xdeadbeef00"', "is 5 bytes long, the column holds 4"),
        ("RAW(4)", '"zz!"', "neither hexadecimal nor base64"),
        ("RAW(4)", "17", "not a string"),
        ("JSON", r'{"a\u0000": 1}', "NUL character"),
        ("JSON", r'"\\\u0000"', "NUL character"),
        ("JSON", b'"\xff"', "not valid Unicode"),
    ],
)
def test_a_literal_that_would_be_changed_is_refused(data_type: str, literal: str | bytes, reason: str) -> None:
    assert reason in refusal(data_type, literal)


@SMALL
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_is_kept_unchanged_however_it_is_escaped(text: str) -> None:
    for literal in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert convert("CLOB", literal) == text


NUMBERS = st.tuples(st.integers(-(10**20), 10**20), st.integers(-25, 25)).map(
    lambda made: f"{made[0]}e{made[1]}" if made[1] % 2 else format(Decimal(made[0]).scaleb(made[1]), "f")
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(NUMBERS, st.integers(1, 25), st.integers(0, 25))
def test_a_decimal_is_kept_exactly_where_it_fits_and_refused_where_it_does_not(
    text: str, precision: int, scale: int
) -> None:
    column = Column("C", "c", "c", "", f"numeric({precision},{scale})", True, False)
    units = abs(Fraction(text)) * 10**scale
    try:
        kept = converter(column)(text.encode())
    except BadValue:
        assert units.denominator != 1 or units >= 10**precision
    else:
        assert (kept, units.denominator) == (text, 1)
        assert units < 10**precision


@SMALL
@given(NUMBERS, st.sampled_from(["SMALLINT", "INTEGER", "BIGINT"]))
def test_a_whole_number_is_kept_exactly_where_it_fits(text: str, data_type: str) -> None:
    limit = {"SMALLINT": 2**15, "INTEGER": 2**31, "BIGINT": 2**63}[data_type]
    try:
        kept = convert(data_type, text)
    except BadValue:
        assert Fraction(text).denominator != 1 or not -limit <= Fraction(text) < limit
    else:
        assert int(kept) == Fraction(text)
        assert -limit <= int(kept) < limit


@SMALL
@given(st.integers(-60_000_000_000, 250_000_000_000), st.integers(0, 999_999), st.integers(-15 * 60, 15 * 60))
def test_a_time_stamp_with_a_zone_is_turned_into_utc(second: int, micros: int, offset_min: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second, microseconds=micros)
    told = moment.astimezone(timezone(timedelta(minutes=offset_min)))
    kept = convert("TIMESTAMP", json.dumps(told.isoformat()))
    assert datetime.fromisoformat(kept).replace(tzinfo=UTC) == moment


@SMALL
@given(st.binary(max_size=40))
def test_bytes_are_the_same_whether_they_come_as_hex_or_as_base64(value: bytes) -> None:
    kept = "\\x" + value.hex()
    assert convert("BLOB", json.dumps("0x" + value.hex())) == kept
    assert convert("BLOB", json.dumps(value.hex().upper())) == kept
    text = base64.b64encode(value).decode()
    if set(text.lower()) - set("0123456789abcdef"):
        assert convert("BLOB", json.dumps(text)) == kept


TYPES = [
    "text",
    "VARCHAR2(3)",
    "INTEGER",
    "NUMBER(10,3)",
    "NUMBER",
    "FLOAT",
    "REAL",
    "BOOLEAN",
    "date",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "TIME",
    "TIME WITH TIME ZONE",
    "UUID",
    "RAW(4)",
    "JSON",
    "nonsense",
]


@SMALL
@given(
    st.sampled_from(TYPES),
    st.one_of(
        st.text(max_size=12).map(lambda text: json.dumps(text).encode()),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: json.dumps(number).encode()),
        st.sampled_from([b"true", b"false", b"{}", b"[]", b'"\xff\xfe"', b'"\\ud800"', b'"\\x"']),
        st.text("0123456789-:.+TZz ,eE{}", max_size=30).map(lambda text: json.dumps(text).encode()),
    ),
)
def test_no_literal_does_anything_but_become_a_text_or_be_refused(data_type: str, literal: bytes) -> None:
    try:
        kept = convert(data_type, literal)
    except BadValue:
        return
    assert "\0" not in kept
    kept.encode()  # PostgreSQL takes nothing that has no spelling in UTF-8
