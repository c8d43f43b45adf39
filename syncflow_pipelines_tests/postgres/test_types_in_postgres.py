"""What `types.py` says of PostgreSQL's types, PostgreSQL says too."""

from collections.abc import Iterator
from itertools import product

import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.schema.types import postgres_type, widening

DATA_TYPES = (
    "VARCHAR2(50)|CLOB|SMALLINT|INTEGER|BIGINT|NUMBER(19)|NUMBER(*,0)|NUMBER(10,3)|NUMBER(3,5)|NUMBER|FLOAT|REAL|BOOLEAN"
    "|DATE|date|TIMESTAMP WITH TIME ZONE|TIME|TIMETZ|RAW(16)|JSON|UUID|DECIMAL(1000,1000)|VARCHAR(10485760)"
)

EXTREMES = {
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "numeric(4,0)": ("-9999", "9999"),
    "numeric(10,2)": ("-99999999.99", "0.01"),
    "numeric(3,5)": ("-0.00999", "0.00001"),
    "numeric(19,0)": ("-9999999999999999999",),
    "numeric(24,4)": ("-99999999999999999999.9999",),
    "numeric": ("12345678901234567890.123",),
    "real": ("3.4028235e+38", "1.17549435e-38"),
    "double precision": ("1.7976931348623157e+308", "0.1"),
    "boolean": ("true", "false"),
    "uuid": ("00000000-0000-0000-0000-000000000000",),
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp without time zone": ("2025-12-08 12:00:00.123456",),
    "timestamp with time zone": ("2025-12-08 12:00:00.123456+00",),
    "character varying(5)": ("äbcde", ""),
    "character varying(12)": ("abcdefghijkl",),
    "text": ("x" * 100,),
}


SPELLED = """
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'spelled'::regclass AND attnum > 0
ORDER BY attnum
"""


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("test") as connection:
        yield connection


def test_types_are_spelled_as_postgresql_spells_them(connection: psycopg.Connection) -> None:
    pg_types = [postgres_type(data_type).pg_type for data_type in DATA_TYPES.split("|")]
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(f"c{number}"), sql.SQL(pg_type))
        for number, pg_type in enumerate(pg_types)
    ]
    connection.execute(sql.SQL("CREATE TEMP TABLE spelled ({})").format(sql.SQL(", ").join(columns)))
    assert [row[0] for row in connection.execute(SPELLED)] == pg_types


def test_column_that_may_widen_keeps_every_value(connection: psycopg.Connection) -> None:
    for before, after in product(EXTREMES, repeat=2):
        if widening(before, after) == "widen":
            _widen(connection, before, after)


def _widen(connection: psycopg.Connection, before: str, after: str) -> None:
    names = {"before": sql.SQL(before), "after": sql.SQL(after)}
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("CREATE TEMP TABLE widened (old {before}, new {before})").format(**names))
        for value in EXTREMES[before]:
            insert = sql.SQL("INSERT INTO widened SELECT v, v FROM CAST({value} AS {before}) AS v")
            connection.execute(insert.format(value=sql.Literal(value), **names))
        connection.execute(sql.SQL("ALTER TABLE widened ALTER COLUMN new TYPE {after}").format(**names))
        back = sql.SQL("SELECT count(*) FROM widened WHERE CAST(new AS {before}) IS DISTINCT FROM old")
        assert connection.execute(back.format(**names)).fetchone() == (0,), (before, after)
