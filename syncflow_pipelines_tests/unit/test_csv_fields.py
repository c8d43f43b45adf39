"""Which columns of literals are CSV fields as they stand, and which are converted one by one."""

from collections.abc import Sequence

import pytest

from syncflow_pipelines.sync.conversion.csv_fields import Fields, FieldWriter, quoted
from syncflow_pipelines.sync.model import Column


def fields(pg_type: str, *literals: bytes, nullable: bool = True, key: bool = False) -> Fields:
    column = Column("C", "c", "c", "", pg_type, nullable, key)
    return FieldWriter(column, is_key=key).fields(literals)[0]


@pytest.mark.parametrize(
    ("pg_type", "literals"),
    [
        ("text", [b'"a"', b"null", b"1.50", b"true", b'""', b'"null"', b'"a,b"', '"äö"'.encode()]),
        ("character varying(3)", [b'"abc"', b"null", b"true"]),
        ("smallint", [b"1", b"-32768", b"null", b"99999"]),
        ("bigint", [b"-0", b"99999999999999999999"]),
        ("numeric", [b"1.5e3", b"-0.5", b"1E+2", b"null"]),
        ("numeric(10,3)", [b"1.123", b"-17", b"null", b"123456789"]),
        ("numeric(20,0)", [b"18446744073709551615", b"0"]),
        ("double precision", [b"1e-7", b"null"]),
        ("real", [b"1e39"]),
        ("boolean", [b"true", b"false", b"null"]),
        ("date", [b'"2025-12-08"', b'"2025-02-30"', b"null"]),
        ("time without time zone", [b'"11:12:13"', b'"11:12:13.123456"', b"null"]),
        ("timestamp without time zone", [b'"2025-12-08T11:12:13Z"', b'"2025-12-08 11:12:13.5+00:00"', b"null"]),
        ("timestamp with time zone", [b'"2025-12-08T11:12:13+05:30"', b'"2025-12-08 11:12:13-01:00"', b"null"]),
        ("uuid", [b'"12345678-1234-1234-1234-123456789aBC"', b"null"]),
    ],
)
def test_a_column_of_plain_literals_is_copied_as_it_stands(pg_type: str, literals: Sequence[bytes]) -> None:
    assert list(fields(pg_type, *literals)) == literals


@pytest.mark.parametrize(
    ("pg_type", "literals", "written"),
    [
        ("text", [rb'"a\tb"', b'"c"', b"null"], [b'"a\tb"', b'"c"', b"null"]),
        ("text", [rb'"\"x\\"', rb'"null\n"'], [b'"""x\\"', b'"null\n"']),
        ("text", [rb'"a\nb"', b"17"], [b'"a\nb"', b'"17"']),
        ("character varying(3)", ['"äöü€"'.encode(), b'"a"'], [None, b'"a"']),
        ("character varying(3)", [rb'"a\tb"', rb'"a\tbc"'], [b'"a\tb"', None]),
        ("integer", [b"1e3", b"2", b'"3"'], [b'"1000"', b'"2"', b'"3"']),
        ("numeric(10,3)", [b"1.5000", b"1.0001", b"2"], [b'"1.5000"', None, b'"2"']),
        ("boolean", [b"1", b"true", b'"no"'], [b'"t"', b'"t"', b'"f"']),
        ("date", [b'"20251208"', b'"2025-12-08T00:00"'], [b'"2025-12-08"', b'"2025-12-08"']),
        ("timestamp without time zone", [b'"2025-12-08T11:12:13+01:00"'], [b'"2025-12-08T10:12:13"']),
        ("bytea", [b'"0xff"', b"null"], [b'"\\xff"', b"null"]),
        ("uuid", [b'"{12345678-1234-1234-1234-123456789abc}"'], [b'"{12345678-1234-1234-1234-123456789abc}"']),
        ("jsonb", [b'{"a": "b"}', b"null", b"[1,\n2]"], [b'"{""a"": ""b""}"', b"null", b'"[1,\n2]"']),
        ("jsonb", [rb'"\u0000"', rb'"\\u0000"'], [None, rb'"""\\u0000"""']),
    ],
)
def test_a_literal_of_another_kind_has_its_column_converted_one_by_one(
    pg_type: str, literals: Sequence[bytes], written: Sequence[bytes | None]
) -> None:
    assert list(fields(pg_type, *literals)) == written


@pytest.mark.parametrize(
    ("pg_type", "literal"),
    [
        ("text", b"{}"),
        ("text", b"[\n1]"),
        ("text", rb'"\u0000"'),
        ("integer", b'"x"'),
        ("integer", b"true"),
        ("integer", b"1.5"),
        ("numeric(10,3)", b"1e-4"),
        ("numeric", b"0e9999999"),
        ("double precision", b"0E+9999999"),
        ("date", b"20251208"),
        ("timestamp without time zone", b'"9999-12-31T24:00:00+00:00"'),
        ("timestamp without time zone", b'"2025-02-30T11:12:13+01:00"'),
        ("uuid", b'"1234567812341234-1234-1234-123456789abc-"'),
    ],
)
def test_a_refused_literal_leaves_its_row_alone_and_the_others_as_they_are(pg_type: str, literal: bytes) -> None:
    assert list(fields(pg_type, b"null", literal, b"null")) == [b"null", None, b"null"]


@pytest.mark.parametrize("pg_type", ["text", "integer", "jsonb", "bytea", "date"])
@pytest.mark.parametrize("kind", [{"nullable": False}, {"key": True}, {"nullable": False, "key": True}])
def test_null_is_no_field_of_a_key_nor_of_a_column_that_is_not_nullable(pg_type: str, kind: dict[str, bool]) -> None:
    good = {"text": b'"null"', "integer": b"1", "jsonb": b"1", "bytea": b'"00"', "date": b'"2025-12-08"'}[pg_type]
    first, null, last = fields(pg_type, good, b"null", good, **kind)
    assert null is None
    assert first == last
    assert first is not None


def test_a_key_is_not_rounded() -> None:
    stamp = b'"2025-12-08T11:12:13.1234567"'
    assert fields("timestamp without time zone", stamp, nullable=True) == [stamp]
    assert fields("timestamp without time zone", stamp, key=True) == [None]


def test_an_object_of_several_lines_moves_no_other_value() -> None:
    assert fields("text", b'"a"', b'{"x":\n1}', b'"b"', b"[\n\n]") == [b'"a"', None, b'"b"', None]


def test_a_text_is_quoted_and_none_is_not() -> None:
    assert (quoted(None), quoted("null"), quoted('a"b'), quoted("")) == (b"null", b'"null"', b'"a""b"', b'""')
