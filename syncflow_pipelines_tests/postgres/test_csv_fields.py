"""What is copied as the source spells it is read by PostgreSQL as what the converter would have made of it."""

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.conversion.csv_fields import NULL, FieldWriter, quoted
from syncflow_pipelines.sync.conversion.values import BadValue, converter, exact
from syncflow_pipelines.sync.model import Column
from syncflow_pipelines_tests.postgres import literals

THOROUGH = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
REFUSED = object()
"""In place of a value that PostgreSQL does not take."""

TYPES = {
    "text": literals.TEXTS,
    "character varying": literals.TEXTS,
    "character varying(3)": literals.TEXTS,
    "smallint": literals.WHOLE_NUMBERS,
    "integer": literals.WHOLE_NUMBERS,
    "bigint": literals.WHOLE_NUMBERS,
    "numeric": literals.NUMBERS,
    "numeric(20,0)": literals.WHOLE_NUMBERS,
    "numeric(10,3)": literals.NUMBERS,
    "numeric(3,5)": literals.NUMBERS,
    "double precision": literals.NUMBERS,
    "real": literals.NUMBERS,
    "boolean": literals.BOOLEANS,
    "date": literals.DATES,
    "time without time zone": literals.TIMES,
    "time with time zone": literals.TIMES,
    "timestamp without time zone": literals.MOMENTS,
    "timestamp with time zone": literals.MOMENTS,
    "uuid": literals.IDENTIFIERS,
    "bytea": literals.BYTES,
    "jsonb": literals.DOCUMENTS,
}


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("test") as opened, opened.transaction(force_rollback=True):
        yield opened


class Reader:
    """Reads fields by COPY into a column of one type."""

    def __init__(self, connection: psycopg.Connection, pg_type: str) -> None:
        self._connection = connection
        connection.execute(sql.SQL("CREATE TEMP TABLE read (at int, value {})").format(sql.SQL(pg_type)))

    def read(self, fields: Sequence[bytes]) -> list[object]:
        """The values as text; those of the refused are found by halving, as in a sync."""
        if not fields:
            return []
        try:
            with self._connection.transaction():
                self._copy(fields)
                return self._values()
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded):
            if len(fields) == 1:
                return [REFUSED]
        middle = len(fields) // 2
        return self.read(fields[:middle]) + self.read(fields[middle:])

    def _copy(self, fields: Sequence[bytes]) -> None:
        self._connection.execute("TRUNCATE read")
        statement = "COPY read FROM STDIN (FORMAT csv, NULL 'null')"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(b"".join(b"%d,%b\n" % line for line in enumerate(fields)))

    def _values(self) -> list[object]:
        return [value for (value,) in self._connection.execute("SELECT value::text FROM read ORDER BY at")]


def converted(column: Column, literal: bytes, *, is_key: bool) -> bytes | None:
    """The field that the converter makes of the literal; None where the row is to be looked at alone."""
    if literal == NULL:
        return NULL if column.is_nullable and not is_key else None
    try:
        return quoted((exact if is_key else converter)(column)(literal))
    except BadValue:
        return None


@pytest.mark.parametrize("pg_type", TYPES)
def test_a_copied_field_is_never_laxer_than_the_converter_and_never_another_value(
    connection: psycopg.Connection, pg_type: str
) -> None:
    reader = Reader(connection, pg_type)

    @THOROUGH
    @given(literals.column_of(TYPES[pg_type]), st.booleans(), st.booleans())
    @example([b'"2025-12-08T24:00:00+00:00"'], True, False)
    @example([b'"9999-12-31T24:00:00+00:00"'], True, False)
    @example([b"1.2345"], True, False)
    @example([b"0e9999999"], True, False)
    def agrees(column: list[bytes], is_nullable: bool, is_key: bool) -> None:
        described = Column("C", "c", "c", "", pg_type, is_nullable, is_key)
        fields, missing = FieldWriter(described, is_key=is_key).fields(column)
        assert missing == {at for at, field in enumerate(fields) if field is None}
        expected = [converted(described, literal, is_key=is_key) for literal in column]
        assert len(fields) == len(column)
        kept = [at for at, field in enumerate(fields) if field is not None]
        values = dict(zip(kept, reader.read([fields[at] or b"" for at in kept]), strict=True))
        good = [at for at, field in enumerate(expected) if field is not None]
        wanted = dict(zip(good, reader.read([expected[at] or b"" for at in good]), strict=True))
        for at, literal in enumerate(column):
            if values.get(at, REFUSED) is not REFUSED:
                assert wanted.get(at, "what the converter refuses") == values[at], literal
            elif at not in values:
                assert at not in wanted, f"{literal!r} is looked at alone for nothing"

    agrees()
