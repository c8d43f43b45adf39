"""What PostgreSQL itself says of an entity's table."""

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.sync.model import Table

_TABLE = """
SELECT c.oid, obj_description(c.oid, 'pg_class'), NULLIF(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS pg_type, NOT a.attnotnull AS is_nullable,
  col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT i.relname AS name, x.indisunique AS is_unique, x.indisprimary AS is_primary,
  pg_get_indexdef(x.indexrelid) AS definition
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = %s AND x.indisvalid ORDER BY i.relname
"""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column as it is, whoever made it."""

    name: str
    pg_type: str
    is_nullable: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class TableIndex:
    """One index that can be used."""

    name: str
    is_unique: bool
    is_primary: bool
    definition: str


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table as it is."""

    comment: str | None
    estimated_rows: int | None
    """By PostgreSQL's statistics, deleted rows included; None where nobody counted yet."""
    total_bytes: int
    """With its indexes and whatever is stored beside it."""
    columns: tuple[TableColumn, ...]
    indexes: tuple[TableIndex, ...]


def describe_table(connection: psycopg.Connection, table: Table) -> TableDescription | None:
    """The table with its columns in order; None where there is none of that name."""
    found = connection.execute(_TABLE, (table.schema, table.name)).fetchone()
    if found is None:
        return None
    oid, comment, estimated_rows, total_bytes = found
    with connection.cursor(row_factory=class_row(TableColumn)) as cursor:
        columns = tuple(cursor.execute(_COLUMNS, (oid,)))
    with connection.cursor(row_factory=class_row(TableIndex)) as cursor:
        indexes = tuple(cursor.execute(_INDEXES, (oid,)))
    return TableDescription(comment, estimated_rows, total_bytes, columns, indexes)
