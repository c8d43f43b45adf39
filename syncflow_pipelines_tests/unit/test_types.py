"""A source's types become PostgreSQL's, by the contract's table."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.sync.schema.types import Family, postgres_type, widening

TABLE: dict[tuple[str, Family], str] = {
    ("text", "text"): (
        "CLOB|NCLOB|string|text|VARCHAR|VARCHAR2|CHAR|NVARCHAR(MAX)|varchar(max)|LONG|NTEXT|XMLTYPE|longtext|VARCHAR2(0)"
        "|VARCHAR(10485761)|VARCHAR(99999999999)|character large object|ENUM"
    ),
    ("character varying(50)", "text"): (
        "VARCHAR2(50)|varchar2 ( 50 )|VARCHAR2(50 CHAR)|VARCHAR2(50 BYTE)|NVARCHAR(50)|NVARCHAR2(50)|CHAR(50)|NCHAR(50)"
        "|character varying(50)|CHARACTER(50)|string(50)|bpchar(50)|National Character Varying (050)"
    ),
    ("character varying(10485760)", "text"): "varchar(10485760)",
    ("smallint", "integer"): "SMALLINT|int2|tinyint|NUMBER(4)|NUMBER(1,0)|DECIMAL(4)|numeric(2,-2)|YEAR",
    ("integer", "integer"): "INTEGER|integer|int|INT4|int(11)|NUMBER(9)|number( 5 , 0 )|smallint unsigned|serial",
    ("bigint", "integer"): "BIGINT|int8|bigint(20)|NUMBER(10)|NUMBER(10,0)|NUMBER(18)|int unsigned|int64",
    ("numeric(19,0)", "numeric"): "NUMBER(19)|decimal(19,0)|numeric(10,-9)",
    ("numeric(20,0)", "numeric"): "NUMBER(20)|bigint unsigned|uint64",
    ("numeric(38,0)", "numeric"): "NUMBER(38)|NUMBER(*,0)",
    ("numeric(10,3)", "numeric"): "NUMBER(10,3)|number(10, 3)|DECIMAL(10,3)|numeric(10,3)|DEC(10,3)",
    ("numeric(3,5)", "numeric"): "NUMBER(3,5)",
    ("numeric(38,2)", "numeric"): "NUMBER(*,2)",
    (
        "numeric",
        "numeric",
    ): "NUMBER|number|NUMERIC|decimal|MONEY|smallmoney|NUMBER(*)|NUMBER(1001)|NUMBER(0,2)|NUMBER(x)",
    ("double precision", "float"): "FLOAT|BINARY_DOUBLE|double|Double Precision|float8|FLOAT(53)|FLOAT(126)",
    ("real", "float"): "REAL|BINARY_FLOAT|float4|FLOAT(24)|float(1)",
    ("boolean", "boolean"): "BOOLEAN|BIT|bit(1)|bool|Boolean",
    ("timestamp without time zone", "timestamp"): (
        "DATE|TIMESTAMP|TIMESTAMP(6)|timestamp (6) without time zone|DATETIME|DATETIME2|datetime2(7)|SmallDateTime"
    ),
    ("timestamp with time zone", "timestamptz"): (
        "TIMESTAMP WITH TIME ZONE|TIMESTAMP(6) WITH TIME ZONE|timestamp(9) with local time zone|timestamptz|date-time"
        "|DATETIMEOFFSET(7)|TIMESTAMPTZ(3)"
    ),
    ("date", "date"): "date|Date",
    ("time without time zone", "time"): "TIME|time(7)|time without time zone",
    ("time with time zone", "time"): "timetz|TIME(6) WITH TIME ZONE",
    ("bytea", "bytes"): "RAW(16)|BLOB|VARBINARY(8)|varbinary(max)|LONG RAW|binary(4)|bytea|IMAGE|byte",
    ("jsonb", "json"): "JSON|jsonb|object|array|text[]|integer[]",
    ("uuid", "uuid"): "UUID|GUID|uniqueidentifier",
}
EXAMPLES = [(given, *made) for made, types in TABLE.items() for given in types.split("|")]


@pytest.mark.parametrize(("data_type", "pg_type", "family"), EXAMPLES)
def test_type_of_the_contract(data_type: str, pg_type: str, family: Family) -> None:
    assert postgres_type(data_type) == (mapping := postgres_type(f" {data_type}\t"))
    assert (mapping.pg_type, mapping.family, mapping.known) == (pg_type, family, True)


@pytest.mark.parametrize(
    "data_type",
    ["", "SDO_GEOMETRY", "INTERVAL DAY(2) TO SECOND(6)", "bit(8)", "VARCHAR2(50", "text); DROP TABLE x; --", "ANYDATA"],
)
def test_unknown_type_is_text_and_says_so(data_type: str) -> None:
    mapping = postgres_type(data_type)
    assert (mapping.pg_type, mapping.family, mapping.known) == ("text", "text", False)


@given(st.sampled_from([given for given, *_ in EXAMPLES if given.upper() != "DATE"]), st.randoms())
def test_letter_case_does_not_matter_but_for_date(data_type: str, chance: object) -> None:
    mixed = "".join(chance.choice((char.lower(), char.upper())) for char in data_type)  # type: ignore[attr-defined]
    assert postgres_type(mixed) == postgres_type(data_type)


PG_TYPE = re.compile(
    r"text|character varying\(\d+\)|smallint|integer|bigint|numeric(\(\d+,\d+\))?|double precision|real|boolean|date"
    r"|timestamp with(out)? time zone|time with(out)? time zone|bytea|jsonb|uuid"
)


@given(
    st.text(max_size=40)
    | st.builds(
        "{}({})".format,
        st.sampled_from(["NUMBER", "VARCHAR2", "FLOAT", "BIT", "TIMESTAMP", "RAW"]),
        st.text(alphabet="0123456789-*, ", max_size=14),
    )
)
def test_whatever_comes_becomes_a_type_of_postgresql(data_type: str) -> None:
    assert PG_TYPE.fullmatch(postgres_type(data_type).pg_type)


@given(st.integers(1, 1000), st.integers(-60, 1000))
def test_every_precision_and_scale_becomes_a_type_that_holds_its_values(precision: int, scale: int) -> None:
    pg_type = postgres_type(f"NUMBER({precision},{scale})").pg_type
    assert widening(f"numeric({precision},{scale})", pg_type) in ("same", "widen")


WIDER = [
    ("smallint", "integer"),
    ("integer", "bigint"),
    ("smallint", "numeric(5,0)"),
    ("integer", "numeric(12,2)"),
    ("bigint", "numeric(19,0)"),
    ("bigint", "numeric"),
    ("numeric(4,0)", "smallint"),
    ("numeric(18,0)", "bigint"),
    ("numeric(10,2)", "numeric(12,4)"),
    ("numeric(10,2)", "numeric(11,3)"),
    ("numeric(10,2)", "numeric"),
    ("smallint", "real"),
    ("integer", "double precision"),
    ("real", "double precision"),
    ("character varying(10)", "character varying(11)"),
    ("character varying(10)", "text"),
    ("character varying", "text"),
    ("text", "character varying"),
    ("date", "timestamp without time zone"),
    ("smallint", "character varying(6)"),
    ("numeric(10,2)", "character varying(12)"),
    ("numeric(3,5)", "character varying(8)"),
    ("boolean", "character varying(5)"),
    ("uuid", "character varying(36)"),
    *((before, "text") for before in ("bigint", "numeric", "double precision", "boolean", "date", "uuid")),
    *((before, "text") for before in ("timestamp with time zone", "time without time zone")),
]
NARROWER = [
    ("numeric(5,0)", "smallint"),
    ("numeric(10,0)", "integer"),
    ("numeric(10,2)", "bigint"),
    ("numeric", "numeric(38,10)"),
    ("numeric", "bigint"),
    ("numeric(10,2)", "numeric(10,3)"),
    ("numeric(10,2)", "numeric(12,1)"),
    ("integer", "numeric(9,0)"),
    ("bigint", "double precision"),
    ("integer", "real"),
    ("double precision", "bigint"),
    ("text", "character varying(10)"),
    ("integer", "character varying(10)"),
    ("numeric(10,2)", "character varying(11)"),
    ("double precision", "character varying(50)"),
    ("timestamp without time zone", "date"),
]
INCOMPATIBLE = [
    ("text", "integer"),
    ("character varying(10)", "date"),
    ("numeric(10,2)", "double precision"),
    ("double precision", "numeric"),
    ("jsonb", "text"),
    ("bytea", "text"),
    ("text", "jsonb"),
    ("boolean", "integer"),
    ("integer", "boolean"),
    ("uuid", "bytea"),
    ("date", "timestamp with time zone"),
    ("timestamp without time zone", "timestamp with time zone"),
    ("timestamp with time zone", "timestamp without time zone"),
    ("time without time zone", "time with time zone"),
    ("interval", "integer"),
    ("character(10)", "integer"),
]


@pytest.mark.parametrize(("before", "after"), WIDER)
def test_wider(before: str, after: str) -> None:
    assert widening(before, after) == "widen"


@pytest.mark.parametrize(("before", "after"), NARROWER)
def test_narrower(before: str, after: str) -> None:
    assert widening(before, after) == "narrow"


@pytest.mark.parametrize(("before", "after"), INCOMPATIBLE)
def test_incompatible(before: str, after: str) -> None:
    assert widening(before, after) == "incompatible"


KNOWN = sorted({pg_type for pair in (*WIDER, *NARROWER, *INCOMPATIBLE) for pg_type in pair})


@pytest.mark.parametrize("pg_type", KNOWN)
def test_type_is_the_same_as_itself(pg_type: str) -> None:
    assert widening(pg_type, pg_type) == "same"


def test_widening_goes_one_way() -> None:
    both_ways = {
        frozenset((before, after))
        for before, after in product(KNOWN, repeat=2)
        if widening(before, after) == widening(after, before) == "widen"
    }
    assert both_ways == {frozenset(("text", "character varying"))}


def test_widening_twice_is_widening_once_unless_it_goes_from_decimals_to_floats() -> None:
    for first, second, third in product(KNOWN, repeat=3):
        if widening(first, second) == widening(second, third) == "widen" and first != third:
            expected = (
                "incompatible" if first.startswith("numeric") and third in ("real", "double precision") else "widen"
            )
            assert widening(first, third) == expected
