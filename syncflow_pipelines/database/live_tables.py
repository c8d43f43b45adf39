"""Tables as they are in a PostgreSQL database, whoever made them: their columns, types and nullability."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from syncflow_pipelines.database.pool import Database
from syncflow_pipelines.database.url import connect_error, describe, one_line
from syncflow_pipelines.errors import DatabaseError

CONNECT_TIMEOUT_S: Final = 10
LOOK_TIMEOUT_S: Final = 10.0
"""For reading through a table."""

_UNREADABLE: Final = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,  # somebody was quicker
    psycopg.errors.UndefinedColumn,
)
_URL_SCHEMES: Final = ("postgresql://", "postgres://")

# A name without a schema is looked up as the role would; a domain counts as what it rests on.
_COLUMNS: Final = """
WITH wanted AS (
  SELECT schema, name, CASE WHEN schema = '' THEN to_regclass(quote_ident(name))
    ELSE to_regclass(quote_ident(schema) || '.' || quote_ident(name)) END AS oid
  FROM unnest(%s::text[], %s::text[]) AS asked(schema, name)
)
SELECT w.schema, w.name, a.attname, format_type(b.oid, CASE WHEN b.oid = t.oid THEN a.atttypmod ELSE t.typtypmod END),
  CASE WHEN b.typcategory = 'A' THEN e.typname ELSE b.typname END, b.typcategory = 'A',
  NOT (a.attnotnull OR t.typnotnull), a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '',
  ARRAY(SELECT l.enumlabel FROM pg_enum l WHERE l.enumtypid IN (b.oid, e.oid) ORDER BY l.enumsortorder)
FROM wanted w
JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
ORDER BY w.schema, w.name, a.attnum
"""
_TIMEOUT: Final = "SELECT set_config('statement_timeout', %s, true)"
_HOLDS_NULL: Final = sql.SQL("bool_or({column} IS NULL)")
_NULLS: Final = sql.SQL("SELECT {looks} FROM {table}")

TableName = tuple[str, str]
"""Schema and name; the schema is empty where the search path says it."""


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """One column as it is."""

    name: str
    pg_type: str
    """As `format_type()` spells it; of a domain, what it rests on."""
    base: str
    """The type's name in `pg_type`, such as `varchar`; of an array, that of its items."""
    is_array: bool
    is_nullable: bool
    is_filled: bool
    """Whether the database makes a value where none is given."""
    labels: Sequence[str] = ()
    """Of an enumerated type."""


@dataclass(frozen=True, slots=True)
class TableLook:
    """Looks at tables, in one transaction that changes nothing."""

    connection: psycopg.Connection

    def columns(self, tables: Sequence[TableName]) -> Mapping[TableName, tuple[LiveColumn, ...]]:
        """The columns of those tables that exist, in order."""
        found: dict[TableName, list[LiveColumn]] = {}
        names = [schema for schema, _ in tables], [name for _, name in tables]
        for schema, name, *column in self.connection.execute(_COLUMNS, names):
            found.setdefault((schema, name), []).append(LiveColumn(*column))
        return {table: tuple(columns) for table, columns in found.items()}

    def with_null(
        self, table: TableName, columns: Collection[str], timeout_s: float = LOOK_TIMEOUT_S
    ) -> frozenset[str] | None:
        """Those of the columns in which some row has NULL; None where the table cannot be read, or not in time."""
        looks = [_HOLDS_NULL.format(column=sql.Identifier(column)) for column in columns]
        query = _NULLS.format(looks=sql.SQL(", ").join(looks), table=sql.Identifier(*filter(None, table)))
        try:
            with self.connection.transaction():
                self.connection.execute(_TIMEOUT, (f"{timeout_s * 1000:.0f}",))
                row = self.connection.execute(query).fetchone()
        except _UNREADABLE:
            return None
        finally:
            self.connection.execute(_TIMEOUT, ("0",))
        assert row is not None
        return frozenset(column for column, holds in zip(columns, row, strict=True) if holds)


@contextmanager
def own_look(database: Database) -> Iterator[TableLook]:
    """At tables of SyncFlow's own database. Raises `DatabaseError`."""
    with database.connection() as connection:
        yield TableLook(connection)


@contextmanager
def foreign_look(url: str) -> Iterator[TableLook]:
    """At tables of another database.

    Raises `DatabaseError` where that is no PostgreSQL, cannot be reached, or does not let itself be looked at.
    """
    if not url.startswith(_URL_SCHEMES):
        raise DatabaseError("the database of the models is no postgresql:// URL; only PostgreSQL can be compared with")
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="syncflow look")
    except psycopg.Error as error:
        raise connect_error(url, error) from error
    with connection:
        connection.read_only = True
        try:
            yield TableLook(connection)
        except psycopg.Error as error:
            raise DatabaseError(f"the tables of {describe(url)} cannot be looked at: {one_line(error)}") from error
