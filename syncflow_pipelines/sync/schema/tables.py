"""Entity tables: created, grown with their entity, never dropped. Users' views, grants and indexes are left alone.

Whatever alters a table waits for it as `table_locks` says, and holds it no longer than the change takes.
"""

from dataclasses import dataclass
from itertools import chain, count

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.model import Column, EntitySpec, SchemaChange, Table
from syncflow_pipelines.sync.refusals import may_pass, said_by
from syncflow_pipelines.sync.schema.identifiers import identifier
from syncflow_pipelines.sync.schema.schema_changes import FILLED_NEXT
from syncflow_pipelines.sync.schema.table_locks import locked_table
from syncflow_pipelines.sync.schema.table_plans import TablePlan, not_widened, plan_table
from syncflow_pipelines.sync.schema.types import widening

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
# What a deferred trigger of somebody's has still to do would keep PostgreSQL from altering the table.
_FIRE_TRIGGERS = "SET CONSTRAINTS ALL IMMEDIATE"
_COMMENT_COLUMN = sql.SQL("COMMENT ON COLUMN {table}.{column} IS {text}")
_COMMENT_TABLE = sql.SQL("COMMENT ON TABLE {table} IS {text}")
_ALTER = sql.SQL("ALTER TABLE {table} {actions}")
_ADD = sql.SQL("ADD COLUMN {column} {type}")
_WIDEN = sql.SQL("ALTER COLUMN {column} TYPE {type}{collation} USING {column}::{type}")
_RELAX = sql.SQL("ALTER COLUMN {column} DROP NOT NULL")
# Altering a type sets the collation back to the type's own, if none is named.
_COLLATIONS = """
SELECT a.attname, s.nspname, l.collname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid JOIN pg_collation l ON l.oid = a.attcollation
JOIN pg_namespace s ON s.oid = l.collnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attcollation <> t.typcollation
"""
_IS_NAMED = (
    "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
)
_HAS_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
# IF NOT EXISTS does not keep two from creating one schema at once.
_ONE_SCHEMA_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow schemas', 0))"


@dataclass(frozen=True, slots=True)
class Altered:
    """What became of a plan."""

    changes: tuple[SchemaChange, ...] = ()
    refused: tuple[SchemaChange, ...] = ()
    """Columns that were to grow, and that PostgreSQL keeps as they are for the sake of something else."""


def apply_plan(connection: psycopg.Connection, spec: EntitySpec, plan: TablePlan) -> Altered:
    """Carries the plan out, inside the caller's transaction.

    Raises `TableInUse`, and then nothing was altered.
    """
    if plan.create:
        _create(connection, spec, plan.table)
        return Altered()
    if plan.is_empty:
        return Altered()
    if plan.add or plan.widen:
        # Also where the columns are such that rows hash otherwise from now on: they may have been so before, and a row
        # that somebody has altered since would pass for what it was then. Ahead of the lock, as it takes a while.
        _forget_hashes(connection, plan.table)
    with locked_table(connection, plan.table):
        _change(connection, plan.table, [_addition(column) for column in plan.add])
        _change(connection, plan.table, [_RELAX.format(column=sql.Identifier(name)) for name in plan.relax])
        altered = _widen(connection, spec, plan)
    for column in plan.add:
        _comment_column(connection, plan.table, column)
    return Altered((*changes_of(spec, TablePlan(plan.table, add=plan.add)), *altered.changes), altered.refused)


def changes_of(spec: EntitySpec, plan: TablePlan) -> tuple[SchemaChange, ...]:
    """What there is to tell of the plan once it has been carried out."""
    added = [
        SchemaChange("column_added", spec.slug, column.identifier, None, column.pg_type, message=FILLED_NEXT)
        for column in plan.add
    ]
    widened = [
        SchemaChange("column_widened", spec.slug, column.identifier, was, column.pg_type, message=FILLED_NEXT)
        for column, was in plan.widen
    ]
    return (*added, *widened)


def ensure_table(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> TablePlan:
    """Makes the table fit the entity, inside the caller's transaction; tells what had to be done.

    Raises `SchemaRefused` where rows could not be kept, and `TableInUse`.
    """
    plan = plan_known_table(connection, spec, table)
    mend_table(connection, spec, plan)
    return plan


def mend_table(connection: psycopg.Connection, spec: EntitySpec, plan: TablePlan) -> tuple[SchemaChange, ...]:
    """Carries out the plan of `plan_known_table` and tells what changed. Raises `SchemaRefused` and `TableInUse`."""
    altered = apply_plan(connection, spec, plan)
    if altered.refused:
        raise SchemaRefused("; ".join(change.message for change in altered.refused))
    return altered.changes


def plan_known_table(connection: psycopg.Connection, spec: EntitySpec, table: Table) -> TablePlan:
    """The plan for the table of an entity that has not changed: what somebody altered by hand.

    Raises `SchemaRefused` where rows could not be kept.
    """
    plan = plan_table(connection, spec, table, before=spec)
    if plan.blocks or any(_would_lose(change) for change in plan.refused):
        raise SchemaRefused("; ".join(change.message for change in plan.refused))
    return plan


def _would_lose(refused: SchemaChange) -> bool:
    """Whether the column, as somebody altered it, no longer holds every value of the type that is known of it."""
    types = (refused.after, refused.before)
    return None not in types and widening(str(types[0]), str(types[1])) not in ("same", "widen")


def _forget_hashes(connection: psycopg.Connection, table: Table) -> None:
    """Lets every row be compared column by column when it is read again."""
    connection.execute(_FORGET_HASHES.format(table=_name(table)))
    connection.execute(_FIRE_TRIGGERS)


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
    free = (name for name in map(identifier, names) if not connection.execute(_IS_NAMED, (schema, name)).fetchone())
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


def _change(connection: psycopg.Connection, table: Table, actions: list[sql.Composed]) -> None:
    if actions:
        connection.execute(_ALTER.format(table=_name(table), actions=sql.SQL(", ").join(actions)))


def _addition(column: Column) -> sql.Composed:
    return _ADD.format(column=sql.Identifier(column.identifier), type=sql.SQL(column.pg_type))


def _widen(connection: psycopg.Connection, spec: EntitySpec, plan: TablePlan) -> Altered:
    """Widens the columns at once, so that the table is written anew once; one that cannot be widened stays as it is."""
    if not plan.widen:
        return Altered()
    try:
        with connection.transaction():
            _change(connection, plan.table, _widenings(connection, plan))
    except psycopg.Error as refusal:
        if may_pass(refusal):
            raise
        if len(plan.widen) == 1:
            ((column, was),) = plan.widen
            return Altered(
                refused=(not_widened(spec, plan.table, column, was, f"PostgreSQL says: {said_by(refusal)}"),)
            )
        parts = [_widen(connection, spec, TablePlan(plan.table, widen=(one,))) for one in plan.widen]
        changes = chain.from_iterable(part.changes for part in parts)
        return Altered(tuple(changes), tuple(chain.from_iterable(part.refused for part in parts)))
    return Altered(changes_of(spec, TablePlan(plan.table, widen=plan.widen)))


def _widenings(connection: psycopg.Connection, plan: TablePlan) -> list[sql.Composed]:
    found = connection.execute(_COLLATIONS, (plan.table.schema, plan.table.name)).fetchall()
    collations = {name: sql.SQL(" COLLATE {}").format(sql.Identifier(schema, named)) for name, schema, named in found}
    return [
        _WIDEN.format(
            column=sql.Identifier(column.identifier),
            type=sql.SQL(column.pg_type),
            collation=collations.get(column.identifier, sql.SQL("")),
        )
        for column, _ in plan.widen
    ]


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
