"""What a table has to become so that it fits its entity, worked out from the table as it is; nothing is changed.

A table altered by hand or left by an earlier state is thus taken up where it stands.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.model import Column, EntitySpec, SchemaChange, Table
from syncflow_pipelines.sync.schema.types import Widening, widening

_RELATION = """
SELECT c.oid, c.relkind::text AS kind, c.relpersistence = 'u' AS is_unlogged,
  EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_children,
  (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS used
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS pg_type, a.attnotnull,
  a.attgenerated <> '' OR a.attidentity = 'a' AS is_generated
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
"""
# Columns that an index only carries along (INCLUDE), and expressions, make nothing unique.
_UNIQUE_KEYS = """
SELECT array_agg(a.attname::text ORDER BY a.attname) AS names
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
  AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid
"""
# In one statement, because every sync asks, and of a small one most of the time is statements.
_SHAPE = sql.SQL(
    "SELECT r.*, (SELECT json_agg(json_build_array(attname, pg_type, attnotnull, is_generated)) FROM ({columns}) c), "
    "(SELECT json_agg(names) FROM ({keys}) k) FROM ({relation}) r"
).format(columns=sql.SQL(_COLUMNS), keys=sql.SQL(_UNIQUE_KEYS), relation=sql.SQL(_RELATION))
# What PostgreSQL rebuilds by itself when a column's type changes (indexes, constraints, statistics) is not among it.
_DEPENDANTS = """
SELECT a.attname, string_agg(DISTINCT CASE WHEN v.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
  ELSE CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass END, ', ')
FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND a.attname = ANY (%s) AND (d.classid IN
  ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_proc'::regclass,
   'pg_publication_rel'::regclass)
  OR EXISTS (SELECT FROM pg_attrdef f WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
             AND (f.adrelid, f.adnum::int) <> (d.refobjid, d.refobjsubid)))
GROUP BY a.attname
"""
_HAS_VALUES = sql.SQL("SELECT 1 FROM {table} WHERE {column} IS NOT NULL LIMIT 1")

MAX_COLUMNS = 1600
"""PostgreSQL's limit of columns that a table has and had: dropped ones keep their place."""

_AUDIT_NAMES = {
    "_bridge_id", "_bridge_created_at", "_bridge_updated_at", "_bridge_hash", "_bridge_deleted", "_bridge_rowversion",
}  # fmt: skip
_OTHER_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "i": "index", "S": "sequence", "c": "type"}


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What has to be done to a table so that it fits its entity."""

    table: Table
    create: bool = False
    add: tuple[Column, ...] = ()
    widen: tuple[tuple[Column, str], ...] = ()
    """Columns to widen, each with its type of before."""
    relax: tuple[str, ...] = ()
    """Columns to let be null that are part of the business key no more."""
    refused: tuple[SchemaChange, ...] = ()
    blocks: bool = False
    """Whether a refusal is such that rows could not be kept: a sync has to wait for a person."""
    existing: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.create or self.add or self.widen or self.relax)

    @property
    def refills(self) -> bool:
        """Whether rows that did not change have to be read again: for values new, refused so far, or spelled anew."""
        return self.create or bool(self.add or self.widen)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A column that both the table and the entity have."""

    column: Column
    before: str
    how: Widening
    obstacle: str | None = None
    """What keeps the column from taking the source's values at all, as the rest of a sentence."""
    dependants: str | None = None
    """What of somebody's stands on the column, so that PostgreSQL will not let it grow."""

    @property
    def blocks(self) -> bool:
        return self.obstacle is not None or self.how == "incompatible"

    @property
    def grows(self) -> bool:
        return self.how == "widen" and not self.obstacle and not self.dependants


def plan_table(
    connection: psycopg.Connection,
    spec: EntitySpec,
    table: Table,
    *,
    before: EntitySpec | None = None,
    earlier: Collection[str] = (),
) -> TablePlan:
    """Compares the table with the entity; changes nothing.

    `before` is what was known of the entity so far, and `earlier` names further columns that the source had at some
    time: any other column of the table is somebody's own. Without `before` all that the table has is taken up.

    Raises `SchemaRefused` where what has that name cannot be the entity's table.
    """
    shape = connection.execute(_SHAPE, 3 * (table.schema, table.name)).fetchone()
    if shape is None:
        return TablePlan(table, create=True)
    oid, kind, is_unlogged, has_children, used, found, keys = shape
    found = found or []
    existing = {name: pg_type for name, pg_type, _, _ in found}
    _check_relation(table, kind, existing, is_unlogged, has_children)
    add = tuple(column for column in spec.columns if column.identifier not in existing)
    _check_room(table, used, len(existing), len(add))
    generated = {name for name, _, _, is_generated in found if is_generated}
    ours = None if before is None else {column.identifier for column in before.columns} | set(earlier)
    compared = [
        _compare(connection, table, column, existing[column.identifier], ours, generated)
        for column in spec.columns
        if column.identifier in existing
    ]
    compared = _with_dependants(connection, oid, compared)
    refused = [refusal for one in compared if (refusal := _refusal(spec, table, one)) is not None]
    keys_differ = sorted(spec.business_keys) not in (keys or ())
    if keys_differ:
        refused.append(_keys_refusal(spec, table, add))
    no_keys_now = set(before.business_keys if before else ()) - set(spec.business_keys)
    return TablePlan(
        table,
        add=add,
        widen=tuple((one.column, one.before) for one in compared if one.grows),
        relax=tuple(sorted(name for name, _, not_null, _ in found if not_null and name in no_keys_now)),
        refused=tuple(refused),
        blocks=keys_differ or any(one.blocks for one in compared),
        existing=existing,
    )


def columns_of(connection: psycopg.Connection, table: Table) -> dict[str, str]:
    """The table's columns and their types, as `format_type()` spells them; empty where there is none."""
    found = connection.execute(_COLUMNS, (table.schema, table.name)).fetchall()
    return {name: pg_type for name, pg_type, _, _ in found}


def unique_keys(connection: psycopg.Connection, table: Table) -> list[list[str]]:
    """The columns of each unique index of the table, sorted by name."""
    return [names for (names,) in connection.execute(_UNIQUE_KEYS, (table.schema, table.name))]


def not_widened(spec: EntitySpec, table: Table, column: Column, before: str, why: str) -> SchemaChange:
    """The refusal of a column that stays as it is because of something else that stands on it."""
    return _column_refused(
        spec,
        column,
        before,
        f"column {column.identifier} of {table} stays {before} and does not grow to {column.pg_type}, because {why}; "
        "values that do not fit are rejected until then: drop what depends on it, discover again, and create it anew",
    )


def _check_relation(table: Table, kind: str, existing: Collection[str], is_unlogged: bool, has_children: bool) -> None:
    remedy = "rename it, or give the entity another target_table"
    if kind not in ("r", "p") or not set(existing) >= _AUDIT_NAMES:
        what = _OTHER_KINDS.get(kind, "relation") if kind not in ("r", "p") else "table"
        raise SchemaRefused(f"{what} {table} exists and is not SyncFlow's; {remedy}")
    if kind == "p" or has_children:
        what = "is partitioned" if kind == "p" else "has tables that inherit from it"
        raise SchemaRefused(f"table {table} {what}, and SyncFlow keeps rows in plain tables only; {remedy}")
    if is_unlogged:
        raise SchemaRefused(
            f"table {table} is unlogged, so a crash would empty it behind SyncFlow's back; "
            "ALTER TABLE … SET LOGGED, and discover again"
        )


def _check_room(table: Table, used: int, existing: int, added: int) -> None:
    if used + added > MAX_COLUMNS:
        raise SchemaRefused(
            f"table {table} has {existing} columns and had {used - existing} more that were dropped, so that {added} "
            f"new ones are too many for PostgreSQL, which takes {MAX_COLUMNS} columns in all; rename the table away to "
            "have it filled anew, and discover again"
        )


def _compare(
    connection: psycopg.Connection,
    table: Table,
    column: Column,
    before: str,
    ours: Collection[str] | None,
    generated: Collection[str],
) -> _Compared:
    name, obstacle = column.identifier, None
    if name in generated:
        obstacle = "is generated by PostgreSQL"
    elif ours is not None and name not in ours and _has_values(connection, table, name):
        obstacle = "holds values of somebody's own"
    return _Compared(column, before, widening(before, column.pg_type), obstacle)


def _has_values(connection: psycopg.Connection, table: Table, column: str) -> bool:
    names = {"table": sql.Identifier(table.schema, table.name), "column": sql.Identifier(column)}
    return connection.execute(_HAS_VALUES.format(**names)).fetchone() is not None


def _with_dependants(connection: psycopg.Connection, oid: int, compared: list[_Compared]) -> list[_Compared]:
    growing = [one.column.identifier for one in compared if one.grows]
    if not growing:
        return compared
    found: dict[str, str] = dict(connection.execute(_DEPENDANTS, (oid, growing)).fetchall())
    return [
        _Compared(one.column, one.before, one.how, one.obstacle, found.get(one.column.identifier)) for one in compared
    ]


def _refusal(spec: EntitySpec, table: Table, one: _Compared) -> SchemaChange | None:
    column = one.column
    if one.obstacle:
        return _column_refused(
            spec,
            column,
            one.before,
            f"column {column.identifier} of {table} {one.obstacle}, and the source has a column of that name now, so "
            "the entity is not synced until this is settled; rename or drop yours, and discover again",
        )
    if one.how == "widen" and one.dependants:
        return not_widened(spec, table, column, one.before, f"it is used by {one.dependants}")
    return _change_of_mind(spec, table, one) if one.how in ("narrow", "incompatible") else None


def _change_of_mind(spec: EntitySpec, table: Table, one: _Compared) -> SchemaChange:
    narrows, name = one.how == "narrow", one.column.identifier
    what = "would narrow" if narrows else "would change incompatibly"
    consequence = "the column stays as it is" if narrows else "the entity is not synced until this is settled"
    return _column_refused(
        spec,
        one.column,
        one.before,
        f"column {name} of {table} {what} from {one.before} to {one.column.pg_type}, so {consequence}; "
        "to follow the source, alter the column's type yourself, or rename it away to have it filled anew, "
        "and discover again",
    )


def _column_refused(spec: EntitySpec, column: Column, before: str, message: str) -> SchemaChange:
    return SchemaChange(
        "column_refused", spec.slug, column.identifier, before, column.pg_type, applied=False, message=message
    )


def _keys_refusal(spec: EntitySpec, table: Table, add: Collection[Column]) -> SchemaChange:
    keys = ", ".join(spec.business_keys)
    absent = [f"{column.identifier} {column.pg_type}" for column in add if column.identifier in spec.business_keys]
    first = f"add the column {', '.join(absent)} and " if absent else ""
    return SchemaChange(
        "keys_refused",
        spec.slug,
        after=keys,
        applied=False,
        message=(
            f"table {table} has no unique constraint on the business key ({keys}) that the source now names; "
            f"rename the table away to have it filled anew, or {first}put the constraint in the place of the old one "
            "yourself, and discover again"
        ),
    )
