"""What somebody altered by hand, mended ahead of a sync.

In a short transaction of its own: within the sync's, the table would be locked against everybody for as long as the
source takes to be read. Should that sync fail, the next one fills what was mended: its cursor is forgotten with it.
"""

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.entities import find_entity, forget_cursor
from syncflow_pipelines.sync.model import Entity, Table
from syncflow_pipelines.sync.schema.schema_changes import record_change
from syncflow_pipelines.sync.schema.tables import mend_table, plan_known_table

_ANY = sql.SQL("SELECT 1 FROM {table} LIMIT 1")


def repaired(connection: psycopg.Connection, entity: Entity) -> Entity:
    """The entity, whose table fits it now; without its cursor, where the table does not hold what that says.

    The caller holds the entity's lock, and the connection is in autocommit. Raises `SchemaRefused` where rows could
    not be kept, and `TableInUse`; then everything is as it was.
    """
    plan = plan_known_table(connection, entity.spec, entity.table)
    if not (plan.refills or _lost_its_rows(connection, entity)):
        return entity
    with connection.transaction():
        for change in mend_table(connection, entity.spec, plan):
            record_change(connection, entity.connector, change)
        forget_cursor(connection, entity.uid)
    return find_entity(connection, entity.connector, entity.spec.slug)


def _lost_its_rows(connection: psycopg.Connection, entity: Entity) -> bool:
    return bool(entity.live_rows) and not _has_rows(connection, entity.table)


def _has_rows(connection: psycopg.Connection, table: Table) -> bool:
    statement = _ANY.format(table=sql.Identifier(table.schema, table.name))
    return connection.execute(statement).fetchone() is not None
