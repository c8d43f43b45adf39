"""The record of how tables and their sources came apart and together: `bridge.schema_changes`."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.events.happenings import entity_discovered, schema_changed
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.sync.model import Entity, SchemaChange

FILLED_NEXT = "the next sync reads every row for it"
"""What is said of a change after which rows come out otherwise, though they did not change at the source."""

_RECORD = """
INSERT INTO schema_changes (connector_uid, slug, kind, column_name, before_type, after_type, applied, message)
VALUES ((SELECT uid FROM connectors WHERE name = %s), %s, %s, %s, %s, %s, %s, %s)
"""
_KNOWN_REFUSAL = """
SELECT 1 FROM schema_changes WHERE connector_uid = (SELECT uid FROM connectors WHERE name = %s) AND slug = %s
AND kind = %s AND column_name IS NOT DISTINCT FROM %s AND after_type IS NOT DISTINCT FROM %s AND NOT applied LIMIT 1
"""
_DROPPED = """
SELECT DISTINCT column_name FROM schema_changes
WHERE connector_uid = (SELECT uid FROM connectors WHERE name = %s) AND slug = %s AND kind = 'column_dropped'
"""
# Nothing is changed while a sync runs: both hold the entity's lock.
_SINCE_LAST_SUCCESS = """
SELECT s.kind, s.column_name FROM schema_changes s
JOIN connectors c ON c.uid = s.connector_uid AND c.name = %s
WHERE s.slug = %s AND s.applied AND s.kind IN ('column_added', 'column_widened', 'entity_returned')
  AND s.happened_at > (SELECT max(r.started_at) FROM sync_runs r WHERE r.entity_uid = %s AND r.status = 'success')
ORDER BY s.happened_at, s.kind, s.column_name
"""
_LIST = """
SELECT s.happened_at, c.name || '/' || s.slug AS entity, s.kind, s.column_name, s.before_type, s.after_type, s.applied,
  s.message
FROM schema_changes s JOIN connectors c ON c.uid = s.connector_uid
WHERE (%(connector)s::text IS NULL OR c.name = %(connector)s) AND (%(slug)s::text IS NULL OR s.slug = %(slug)s)
ORDER BY s.happened_at DESC, s.uid LIMIT %(limit)s
"""
_SHOWN = 10
"""Columns that a note names."""


@dataclass(frozen=True, slots=True)
class RecordedSchemaChange:
    """One line of the record."""

    happened_at: datetime
    entity: str
    """`connector/slug`."""
    kind: str
    column_name: str | None
    before_type: str | None
    after_type: str | None
    applied: bool
    """False where it was refused."""
    message: str | None


def list_schema_changes(
    connection: psycopg.Connection, *, connector: str | None = None, slug: str | None = None, limit: int = 50
) -> tuple[RecordedSchemaChange, ...]:
    """The newest changes first."""
    with connection.cursor(row_factory=class_row(RecordedSchemaChange)) as cursor:
        return tuple(cursor.execute(_LIST, {"connector": connector, "slug": slug, "limit": limit}))


def record_change(connection: psycopg.Connection, connector: str, change: SchemaChange) -> None:
    """Records and publishes the change, in the caller's transaction or in one of its own."""
    values = (change.entity, change.kind, change.column, change.before, change.after, change.applied)
    with connection.transaction():
        connection.execute(_RECORD, (connector, *values, change.message or None))
        publish(connection, [_event(connector, change)])


def record_refusal(connection: psycopg.Connection, connector: str, change: SchemaChange) -> None:
    """Records the refusal, unless the same one stands there from an earlier discovery."""
    if not _is_recorded(connection, connector, change):
        record_change(connection, connector, change)


def _event(connector: str, change: SchemaChange) -> Event:
    if change.kind == "entity_added":
        return entity_discovered(connector, change.entity, change.after)
    return schema_changed(
        connector,
        change.entity,
        change.kind,
        column=change.column,
        before=change.before,
        after=change.after,
        applied=change.applied,
        message=change.message or None,
    )


def _is_recorded(connection: psycopg.Connection, connector: str, refusal: SchemaChange) -> bool:
    """Whether the same refusal was recorded before."""
    key = (connector, refusal.entity, refusal.kind, refusal.column, refusal.after)
    return connection.execute(_KNOWN_REFUSAL, key).fetchone() is not None


def dropped_columns(connection: psycopg.Connection, connector: str, slug: str) -> set[str]:
    """Columns that the source had at some time; the table still has them, unless somebody dropped them."""
    return {name for (name,) in connection.execute(_DROPPED, (connector, slug))}


def refill_reason(connection: psycopg.Connection, entity: Entity) -> str | None:
    """Why a sync has every row to fill or to compare, as a note.

    None where nothing changed since the last good sync, and before the first one, of which nothing is to be explained.
    """
    found = connection.execute(_SINCE_LAST_SUCCESS, (entity.connector, entity.spec.slug, entity.uid)).fetchall()
    kinds = {kind for kind, _ in found}
    said = [
        f"{_named([name for kind, name in found if kind == wanted])} {word}"
        for wanted, word in (("column_added", "added"), ("column_widened", "widened"))
        if wanted in kinds
    ]
    if "entity_returned" in kinds:
        said.append("the entity returned to its source")
    return f"every row was read and compared, because {' and '.join(said)}" if said else None


def _named(columns: list[str]) -> str:
    names = list(dict.fromkeys(columns))
    shown = ", ".join(names[:_SHOWN])
    if len(names) == 1:
        return f"column {shown} was"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"columns {shown}{more} were"
