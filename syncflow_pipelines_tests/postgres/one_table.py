"""One entity's table, planned and changed as discovery does."""

from dataclasses import replace
from typing import Any, LiteralString

import psycopg

from syncflow_pipelines.sync.model import Column, EntitySpec, SchemaChange, Table
from syncflow_pipelines.sync.schema.table_plans import plan_table
from syncflow_pipelines.sync.schema.tables import apply_plan

ITEMS = Table("erp", "items")
AUDIT = {
    "_bridge_id": "uuid",
    "_bridge_created_at": "timestamp with time zone",
    "_bridge_updated_at": "timestamp with time zone",
    "_bridge_hash": "uuid",
    "_bridge_deleted": "boolean",
    "_bridge_rowversion": "text",
}


def column(name: str, pg_type: str = "text", *, key: bool = False, description: str | None = None) -> Column:
    return Column(name.upper(), name, name, pg_type, pg_type, not key, key, description)


def entity(*columns: Column, **more: Any) -> EntitySpec:
    keys = tuple(column.identifier for column in columns if column.is_business_key)
    spec = EntitySpec("items", "Items", None, "rowversion", keys, None, columns)
    return replace(spec, **more)


SITE, NUMBER = column("site", key=True), column("number", "integer", key=True)
SPEC = entity(SITE, NUMBER, column("label", "character varying(10)"), column("qty", "numeric(10,2)"))


def ensure(connection: psycopg.Connection, spec: EntitySpec = SPEC, table: Table = ITEMS) -> tuple[SchemaChange, ...]:
    """Plans and applies, as discovery does."""
    with connection.transaction():
        plan = plan_table(connection, spec, table)
        altered = apply_plan(connection, spec, plan)
        return (*altered.changes, *plan.refused, *altered.refused)


def with_type(name: str, pg_type: str) -> EntitySpec:
    columns = [replace(c, pg_type=pg_type) if c.identifier == name else c for c in SPEC.columns]
    return replace(SPEC, columns=tuple(columns))


def ask(connection: psycopg.Connection, statement: LiteralString, *values: Any) -> Any:
    row = connection.execute(statement, values).fetchone()
    return row[0] if row else None


def fill(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO erp.items (site, number, label, qty) VALUES ('A', 1, 'x', 1.50)")
