"""Entity tables: created, grown with their entity, never dropped.

What a table should become is worked out from the table as it is, so that one altered by hand or left by
an earlier state is taken up where it stands. Users' views, grants and indexes are left alone.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import chain, count

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.identifiers import identifier
from syncflow_pipelines.sync.model import Column, EntitySpec, SchemaChange, Table
from syncflow_pipelines.sync.types import widening

_AUDIT_COLUMNS = sql.SQL(
    "_bridge_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "
    "_bridge_created_at timestamptz NOT NULL DEFAULT now(), "
    "_bridge_updated_at timestamptz NOT NULL DEFAULT now(), "
    "_bridge_hash uuid, "
    "_bridge_deleted boolean NOT NULL DEFAULT false, "
    "_bridge_rowversion text"
)
_CREATE = sql.SQL("CREATE TABLE {table} ({columns}, {audit}, CONSTRAINT {constraint} UNIQUE ({keys}))")
_INDEX = sql.SQL("CREATE INDEX {name} ON {table} ({column})")
_FORGET_HASHES = sql.SQL("UPDATE {table} SET _bridge_hash = NULL WHERE _bridge_hash IS NOT NULL")
_COMMENT_COLUMN = sql.SQL("COMMENT ON COLUMN {table}.{column} IS {text}")
_COMMENT_TABLE = sql.SQL("COMMENT ON TABLE {table} IS {text}")
_ADD = sql.SQL("ALTER TABLE {table} ADD COLUMN {column} {type}")
_WIDEN = sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} TYPE {type} USING {column}::{type}")

_RELAX = sql.SQL("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")

_KIND = """
SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
# Columns that an index only carries along (INCLUDE), and expressions, make nothing unique.
_UNIQUE_KEYS = """
SELECT array_agg(a.attname::text ORDER BY a.attname)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
  AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid
"""
_HAS_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
# IF NOT EXISTS does not keep two from creating one schema at once.
_ONE_SCHEMA_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow schemas', 0))"
_AUDIT_NAMES = {
    "_bridge_id", "_bridge_created_at", "_bridge_updated_at", "_bridge_hash", "_bridge_deleted", "_bridge_rowversion",
}  # fmt: skip


_TABLE_KINDS = ("r", "p")
_OTHER_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "i": "index", "S": "sequence", "c": "type"}


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What has to be done to a table so that it fits its entity."""

    table: Table
    create: bool = False
    add: tuple[Column, ...] = ()
    widen: tuple[tuple[Column, str], ...] = ()
    """Columns to widen, each with its type of before."""
    refused: tuple[SchemaChange, ...] = ()
    blocks: bool = False
    """Whether a refusal is such that rows could not be kept: a sync has to wait for a person."""
    existing: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.add or self.widen)

    @property
    def refills(self) -> bool:
        """Whether rows that did not change have to be read again: for values new, refused so far, or spelled anew."""
        return not self.is_empty


def plan_table(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> TablePlan:
    """Compares the table with the entity; changes nothing.

    Raises `SchemaRefused` where a table of that name exists that is not SyncFlow's.
    """
    kind = connection.execute(_KIND, (table.schema, table.name)).fetchone()
    if kind is None:
        return TablePlan(table, create=True)
    existing = columns_of(connection, table)
    if kind[0] not in _TABLE_KINDS or not existing.keys() >= _AUDIT_NAMES:
        what = "table" if kind[0] in _TABLE_KINDS else _OTHER_KINDS.get(kind[0], "relation")
        raise SchemaRefused(
            f"{what} {table} exists and is not SyncFlow's; rename it, or give the entity another target_table"
        )
    add = tuple(column for column in spec.columns if column.identifier not in existing)
    compared = [
        (column, existing[column.identifier], widening(existing[column.identifier], column.pg_type))
        for column in spec.columns
        if column.identifier in existing
    ]
    refused = [
        _refusal(spec, table, column, before, how)
        for column, before, how in compared
        if how in ("narrow", "incompatible")
    ]
    keys_differ = sorted(spec.business_keys) not in unique_keys(connection, table)
    if keys_differ:
        refused.append(_keys_refusal(spec, table))
    return TablePlan(
        table,
        add=add,
        widen=tuple((column, before) for column, before, how in compared if how == "widen"),
        refused=tuple(refused),
        blocks=keys_differ or any(how == "incompatible" for _, _, how in compared),
        existing=existing,
    )


def apply_plan(connection: psycopg.Connection, spec: EntitySpec, plan: TablePlan) -> tuple[SchemaChange, ...]:
    """Carries the plan out and tells what changed. Raises `SchemaRefused` where PostgreSQL will not have it."""
    if plan.create:
        _create(connection, spec, plan.table)
        return ()
    changes = [_add(connection, spec, plan.table, column) for column in plan.add]
    changes += [_widen(connection, spec, plan.table, column, before) for column, before in plan.widen]
    if changes:
        # A row whose hash is not known is compared column by column when it is read again.
        connection.execute(_FORGET_HASHES.format(table=_name(plan.table)))
    return tuple(changes)


def ensure_table(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> TablePlan:
    """Makes the table fit the entity, inside the caller's transaction; tells what had to be done.

    Raises `SchemaRefused` where rows could not be kept.
    """
    plan = plan_table(connection, spec, table)
    if plan.blocks or any(_would_lose(change) for change in plan.refused):
        raise SchemaRefused("; ".join(change.message for change in plan.refused))
    apply_plan(connection, spec, plan)
    return plan


def _would_lose(refused: SchemaChange) -> bool:
    """Whether the column, as somebody altered it, no longer holds every value of the type that is known of it."""
    types = (refused.after, refused.before)
    return None not in types and widening(str(types[0]), str(types[1])) not in ("same", "widen")


def relax_keys(connection: psycopg.Connection, table: Table, keys: Collection[str]) -> None:
    """Lets columns be null that are part of the business key no more."""
    for key in sorted(columns_of(connection, table).keys() & set(keys)):
        connection.execute(_RELAX.format(table=_name(table), column=sql.Identifier(key)))


def columns_of(connection: psycopg.Connection, table: Table) -> dict[str, str]:
    """The table's columns and their types, as `format_type()` spells them; empty where there is none."""
    return dict(connection.execute(_COLUMNS, (table.schema, table.name)).fetchall())


def unique_keys(connection: psycopg.Connection, table: Table) -> list[list[str]]:
    """The columns of each unique index of the table, sorted by name."""
    return [names for (names,) in connection.execute(_UNIQUE_KEYS, (table.schema, table.name))]


def _create(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
    _create_schema(connection, table.schema)
    connection.execute(
        _CREATE.format(
            table=_name(table),
            columns=sql.SQL(", ").join(_definition(column) for column in spec.columns),
            audit=_AUDIT_COLUMNS,
            constraint=_free_name(connection, table.schema, f"{table.name}_business_key"),
            keys=sql.SQL(", ").join(sql.Identifier(key) for key in spec.business_keys),
        )
    )
    _index_row_version(connection, spec, table)
    _comment(connection, spec, table)


def _create_schema(connection: psycopg.Connection, schema: str) -> None:
    """Creates the schema unless it is there; one that is needs no right to create any."""
    if connection.execute(_HAS_SCHEMA, (schema,)).fetchone():
        return
    connection.execute(_ONE_SCHEMA_AT_A_TIME)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))


def _free_name(connection: psycopg.Connection, schema: str, wanted: str) -> sql.Identifier:
    """The wanted name, or one like it: a table that was renamed away keeps the names of its indexes."""
    names = chain([wanted], (f"{wanted}_{number}" for number in count(2)))
    free = (name for name in map(identifier, names) if not connection.execute(_KIND, (schema, name)).fetchone())
    return sql.Identifier(next(free))


def _definition(column: Column) -> sql.Composed:
    # A type's name comes from `types.py`, never from the source.
    type_ = sql.SQL(column.pg_type)
    not_null = sql.SQL(" NOT NULL") if column.is_business_key else sql.SQL("")
    return sql.SQL("{} {}{}").format(sql.Identifier(column.identifier), type_, not_null)


def _index_row_version(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
    if spec.strategy != "rowversion" and spec.rowversion_column is None:
        return
    column = spec.rowversion_column or "_bridge_rowversion"
    name = _free_name(connection, table.schema, f"idx_{table.name}_rowversion")
    connection.execute(_INDEX.format(name=name, table=_name(table), column=sql.Identifier(column)))


def _comment(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
    text = sql.Literal(spec.description or spec.name)
    connection.execute(_COMMENT_TABLE.format(table=_name(table), text=text))
    for column in spec.columns:
        _comment_column(connection, table, column)


def _comment_column(connection: psycopg.Connection, table: Table, column: Column) -> None:
    if column.description:
        parts = {"table": _name(table), "column": sql.Identifier(column.identifier)}
        connection.execute(_COMMENT_COLUMN.format(**parts, text=sql.Literal(column.description)))


def _add(connection: psycopg.Connection, spec: EntitySpec, table: Table, column: Column) -> SchemaChange:
    type_ = sql.SQL(column.pg_type)
    connection.execute(_ADD.format(table=_name(table), column=sql.Identifier(column.identifier), type=type_))
    _comment_column(connection, table, column)
    return SchemaChange("column_added", spec.slug, column.identifier, None, column.pg_type)


def _widen(connection: psycopg.Connection, spec: EntitySpec, table: Table, column: Column, before: str) -> SchemaChange:
    type_ = sql.SQL(column.pg_type)
    try:
        connection.execute(_WIDEN.format(table=_name(table), column=sql.Identifier(column.identifier), type=type_))
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist) as cause:
        raise SchemaRefused(
            f"column {column.identifier} of {table} cannot grow from {before} to {column.pg_type}: "
            f"{cause.diag.message_detail or cause.diag.message_primary}; drop what depends on it, discover again, "
            "and create it anew"
        ) from cause
    return SchemaChange("column_widened", spec.slug, column.identifier, before, column.pg_type)


def _refusal(spec: EntitySpec, table: Table, column: Column, before: str, how: str) -> SchemaChange:
    what = "would narrow" if how == "narrow" else "would change incompatibly"
    consequence = "the column stays as it is" if how == "narrow" else "the entity is not synced until this is settled"
    return SchemaChange(
        "column_refused",
        spec.slug,
        column.identifier,
        before,
        column.pg_type,
        applied=False,
        message=(
            f"column {column.identifier} of {table} {what} from {before} to {column.pg_type}, so {consequence}; "
            "to follow the source, alter the column's type yourself, or rename it away to have it filled anew, "
            "and discover again"
        ),
    )


def _keys_refusal(spec: EntitySpec, table: Table) -> SchemaChange:
    keys = ", ".join(spec.business_keys)
    return SchemaChange(
        "keys_refused",
        spec.slug,
        after=keys,
        applied=False,
        message=(
            f"table {table} has no unique constraint on the business key ({keys}) that the source now names; "
            "rename the table away to have it filled anew, or put the constraint in the place of the old one yourself, "
            "and discover again"
        ),
    )


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
