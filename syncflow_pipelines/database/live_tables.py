"""Tables as they are in a PostgreSQL database, whoever made them: their columns, types and nullability."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from syncflow_pipelines.database.url import connect_error
from syncflow_pipelines.errors import DatabaseError

CONNECT_TIMEOUT_S: Final = 10
LOOK_TIMEOUT_S: Final = 10.0
"""For reading through a table."""

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
    labels: tuple[str, ...] = ()
    """Of an enumerated type."""


def live_columns(
    connection: psycopg.Connection, tables: Sequence[TableName]
) -> Mapping[TableName, tuple[LiveColumn, ...]]:
    """The columns of those tables that exist, in order."""
    found: dict[TableName, list[LiveColumn]] = {}
    names = [schema for schema, _ in tables], [name for _, name in tables]
    for schema, name, column, pg_type, base, is_array, is_nullable, is_filled, labels in connection.execute(
        _COLUMNS, names
    ):
        found.setdefault((schema, name), []).append(
            LiveColumn(column, pg_type, base, is_array, is_nullable, is_filled, tuple(labels))
        )
    return {table: tuple(columns) for table, columns in found.items()}


def columns_with_null(
    connection: psycopg.Connection, table: TableName, columns: Collection[str], timeout_s: float = LOOK_TIMEOUT_S
) -> frozenset[str] | None:
    """Those of the columns in which some row has NULL; `None` where the table could not be read through in time.

    The transaction of the connection goes on in either case.
    """
    schema, name = table
    looks = [_HOLDS_NULL.format(column=sql.Identifier(column)) for column in columns]
    query = _NULLS.format(
        looks=sql.SQL(", ").join(looks), table=sql.Identifier(*([schema, name] if schema else [name]))
    )
    try:
        with connection.transaction():
            connection.execute(_TIMEOUT, (f"{timeout_s * 1000:.0f}",))
            row = connection.execute(query).fetchone()
            connection.execute(_TIMEOUT, ("0",))
    except (psycopg.errors.QueryCanceled, psycopg.errors.InsufficientPrivilege):
        return None
    assert row is not None
    return frozenset(column for column, holds in zip(columns, row, strict=True) if holds)


@contextmanager
def foreign_connection(url: str) -> Iterator[psycopg.Connection]:
    """A connection to another database than SyncFlow's own, that changes nothing there.

    Raises `DatabaseError` where it is no PostgreSQL, or cannot be reached.
    """
    if not url.startswith(_URL_SCHEMES):
        raise DatabaseError("the database of the models is no postgresql:// URL; only PostgreSQL can be compared with")
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="syncflow look")
    except psycopg.Error as error:
        raise connect_error(url, error) from error
    try:
        connection.read_only = True
        with connection:
            yield connection
    finally:
        connection.close()
