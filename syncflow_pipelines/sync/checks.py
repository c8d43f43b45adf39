"""Questions about an entity's table that its asset checks ask; nothing is changed."""

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.schema.table_plans import columns_of, plan_table, unique_keys

_DUPLICATES = sql.SQL(
    "SELECT count(*) FROM (SELECT FROM {table} WHERE NOT _bridge_deleted GROUP BY {keys} HAVING count(*) > 1) repeated"
)


def drift(connection: psycopg.Connection, entity: Entity) -> tuple[str, ...]:
    """One sentence for every way in which the table does not fit what is known of its entity."""
    if entity.schema_error:
        return (entity.schema_error,)
    try:
        plan = plan_table(connection, entity.spec, entity.table)
    except SchemaRefused as refusal:
        return (str(refusal),)
    if plan.create:
        return (f"table {entity.table} does not exist",)
    added = [f"column {column.identifier} is not in {entity.table}" for column in plan.add]
    grown = [f"column {column.identifier} of {entity.table} is still {before}" for column, before in plan.widen]
    return (*added, *grown, *(change.message for change in plan.refused))


def duplicate_keys(connection: psycopg.Connection, entity: Entity) -> int:
    """How many business keys stand in more than one live row.

    Where the table still has its unique constraint that is none, and the rows are not read; a table or column
    that is gone repeats nothing.
    """
    if not columns_of(connection, entity.table).keys() >= {*entity.spec.business_keys, "_bridge_deleted"}:
        return 0
    if sorted(entity.spec.business_keys) in unique_keys(connection, entity.table):
        return 0
    table = sql.Identifier(entity.table.schema, entity.table.name)
    columns = sql.SQL(", ").join(sql.Identifier(key) for key in entity.spec.business_keys)
    row = connection.execute(_DUPLICATES.format(table=table, keys=columns)).fetchone()
    return int(row[0]) if row else 0
