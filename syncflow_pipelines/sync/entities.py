"""The entities that SyncFlow knows: kept in `bridge.entities`, in step with the configuration."""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.errors import EntityBusy, UnknownEntity
from syncflow_pipelines.sync.choices import settled
from syncflow_pipelines.sync.model import Column, Entity, EntityChoices, EntitySpec, SchemaChange, Strategy, Table
from syncflow_pipelines.sync.schema.schema_changes import record_change

_SELECT = """
SELECT e.uid, c.name AS connector, e.slug, e.api_name, e.description, e.delta_strategy, e.strategy, e.business_keys,
  e.rowversion_column, e.target_schema, e.target_table, e.columns, e.sync_enabled, e.sync_interval_seconds,
  e.is_present, e.schema_error, e.last_rowversion, e.last_sync_at, e.last_sync_status, e.consecutive_failures,
  e.next_attempt_at, e.live_rows, e.choices
FROM entities e JOIN connectors c ON c.uid = e.connector_uid
"""
_LIST = _SELECT + " WHERE %(connector)s::text IS NULL OR c.name = %(connector)s ORDER BY c.name, e.slug"
_FIND = _SELECT + " WHERE c.name = %s AND e.slug = %s"
_FIND_UID = _SELECT + " WHERE e.uid = %s"
_WAIT_BRIEFLY = "SELECT set_config('lock_timeout', %s, true)"
_LOCK_UID = _FIND_UID + " FOR UPDATE OF e"
_DUE = (
    _SELECT
    + """
WHERE c.is_active AND e.sync_enabled AND e.is_present AND e.schema_error IS NULL
  AND (e.last_sync_at IS NULL OR e.last_sync_at + make_interval(secs => e.sync_interval_seconds) <= now())
  AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= now())
ORDER BY e.last_sync_at NULLS FIRST, c.name, e.slug
"""
)
_REGISTER = """
INSERT INTO connectors AS c (name, base_url, is_active) VALUES (%s, %s, %s)
ON CONFLICT (name) DO UPDATE SET base_url = excluded.base_url, is_active = excluded.is_active, managed_by = 'yaml',
  settings = NULL, auth_token = NULL, revision = c.revision + 1, updated_at = now()
WHERE (c.base_url, c.is_active, c.managed_by) IS DISTINCT FROM (excluded.base_url, excluded.is_active, 'yaml')
"""
_RETIRE = """
UPDATE connectors SET is_active = false, revision = revision + 1, updated_at = now()
WHERE is_active AND managed_by = 'yaml' AND NOT name = ANY (%s)
"""
_RECONFIGURE = """
UPDATE entities e SET sync_enabled = %(enabled)s, sync_interval_seconds = %(interval_s)s, strategy = %(strategy)s,
  updated_at = now()
WHERE e.uid = %(uid)s
"""
_NAMES = "SELECT c.name || '/' || e.slug FROM entities e JOIN connectors c ON c.uid = e.connector_uid"
_CONNECTOR_UID = "SELECT uid FROM connectors WHERE name = %s"
_TABLE_OWNER = """
SELECT c.name, e.slug FROM entities e JOIN connectors c ON c.uid = e.connector_uid
WHERE e.target_schema = %s AND e.target_table = %s
"""
_INSERT = """
INSERT INTO entities (connector_uid, slug, api_name, description, delta_strategy, strategy, business_keys,
  rowversion_column, target_schema, target_table, columns, sync_enabled, sync_interval_seconds, schema_error)
VALUES (%(connector_uid)s, %(slug)s, %(api_name)s, %(description)s, %(delta_strategy)s, %(strategy)s,
  %(business_keys)s, %(rowversion_column)s, %(target_schema)s, %(target_table)s, %(columns)s, %(enabled)s,
  %(interval_s)s, %(schema_error)s)
"""
_UPDATE = """
UPDATE entities SET api_name = %(api_name)s, description = %(description)s, delta_strategy = %(delta_strategy)s,
  strategy = %(strategy)s, business_keys = %(business_keys)s, rowversion_column = %(rowversion_column)s,
  target_schema = %(target_schema)s, target_table = %(target_table)s, columns = %(columns)s,
  sync_enabled = %(enabled)s, sync_interval_seconds = %(interval_s)s, schema_error = %(schema_error)s,
  is_present = true, gone_at = NULL, next_attempt_at = NULL, updated_at = now(),
  last_rowversion = CASE WHEN %(refill)s THEN NULL ELSE last_rowversion END,
  live_rows = CASE WHEN %(refill)s THEN NULL ELSE live_rows END,
  last_sync_at = CASE WHEN %(refill)s THEN NULL ELSE last_sync_at END
WHERE connector_uid = %(connector_uid)s AND slug = %(slug)s
"""
_MARK_REFUSED = """
UPDATE entities SET schema_error = %(reason)s, is_present = true, gone_at = NULL, updated_at = now()
WHERE uid = %(uid)s AND (schema_error IS DISTINCT FROM %(reason)s OR NOT is_present)
"""
_FORGET_CURSOR = "UPDATE entities SET last_rowversion = NULL, live_rows = NULL, updated_at = now() WHERE uid = %s"
_MARK_GONE = "UPDATE entities SET is_present = false, gone_at = now(), updated_at = now() WHERE uid = %s"

LOCK_LIMIT_S = 5.0
"""How long a change of an entity waits for another one."""


def list_entities(connection: psycopg.Connection, *, connector: str | None = None) -> tuple[Entity, ...]:
    """Every known entity, those that have gone from their source included, by connector and slug."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(_entity(row) for row in cursor.execute(_LIST, {"connector": connector}))


def find_entity(connection: psycopg.Connection, connector: str, slug: str) -> Entity:
    """The entity of that name. Raises `UnknownEntity`, which names the nearest known ones."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_FIND, (connector, slug)).fetchone()
    if row is None:
        raise UnknownEntity(_unknown(connection, f"{connector}/{slug}"))
    return _entity(row)


def entity_by_uid(connection: psycopg.Connection, uid: UUID, *, lock: bool = False) -> Entity:
    """The entity of that uid; with `lock`, nobody else writes it until the transaction ends.

    Raises `UnknownEntity`, and `EntityBusy` where somebody else is writing it for too long.
    """
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            if lock:
                cursor.execute(_WAIT_BRIEFLY, (f"{LOCK_LIMIT_S:g}s",))
            row = cursor.execute(_LOCK_UID if lock else _FIND_UID, (uid,)).fetchone()
    except psycopg.errors.LockNotAvailable as error:
        raise EntityBusy(f"entity {uid} is being written just now; try again in a moment") from error
    if row is None:
        raise UnknownEntity(f"no entity {uid} is known; GET /api/v1/entities lists them")
    return _entity(row)


def due_entities(connection: psycopg.Connection) -> tuple[Entity, ...]:
    """The entities whose interval has passed and that are not backing off, longest waiting first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(_entity(row) for row in cursor.execute(_DUE))


def register_connectors(connection: psycopg.Connection, connectors: Sequence[ConnectorConfig]) -> None:
    """Brings connectors, and what the configuration says of their entities, in step with the configuration.

    Writes only what differs. Connectors that it no longer names are retired, never deleted. Those that are managed over
    the API stay as they are, but where the configuration has the same name: then it has the say.
    """
    for connector in connectors:
        register_connector(connection, connector)
    connection.execute(_RETIRE, ([one.name for one in connectors if one.managed_by == "yaml"],))


def register_connector(connection: psycopg.Connection, connector: ConnectorConfig) -> tuple[SchemaChange, ...]:
    """The same for one connector; records the strategies that the configuration changed, and tells them."""
    if connector.managed_by == "yaml":
        connection.execute(_REGISTER, (connector.name, connector.base_url, connector.enabled))
    entities = list_entities(connection, connector=connector.name)
    for entity in entities:
        _reconfigure(connection, entity, configured(connector, entity))
    changes = overridden(connector, entities)
    for change in changes:
        record_change(connection, connector.name, change)
    return changes


def configured(connector: ConnectorConfig, entity: Entity) -> Entity:
    """The entity as the configuration has it now."""
    wanted = settled(connector, entity.spec, entity.choices)
    return replace(entity, enabled=wanted.enabled, interval_s=wanted.interval_s, strategy=wanted.strategy)


def overridden(connector: ConnectorConfig, entities: Sequence[Entity]) -> tuple[SchemaChange, ...]:
    """The strategies that the configuration changes."""
    pairs = ((entity, configured(connector, entity)) for entity in entities)
    return tuple(
        SchemaChange(
            "strategy_changed", old.spec.slug, before=old.strategy, after=new.strategy, message="by the configuration"
        )
        for old, new in pairs
        if old.strategy != new.strategy
    )


def _reconfigure(connection: psycopg.Connection, before: Entity, after: Entity) -> None:
    if before != after:
        values = {"enabled": after.enabled, "interval_s": after.interval_s, "strategy": after.strategy}
        connection.execute(_RECONFIGURE, {"uid": after.uid, **values})


def connector_uid(connection: psycopg.Connection, name: str) -> UUID:
    """The uid of a registered connector. Raises `UnknownEntity`."""
    row = connection.execute(_CONNECTOR_UID, (name,)).fetchone()
    if row is None:
        raise UnknownEntity(f"no connector {name} is known; add it to connectors.yaml and discover it")
    return UUID(str(row[0]))


def table_owner(connection: psycopg.Connection, table: Table) -> tuple[str, str] | None:
    """Connector and slug of the entity that keeps its rows in the table."""
    row = connection.execute(_TABLE_OWNER, (table.schema, table.name)).fetchone()
    return (row[0], row[1]) if row else None


@dataclass(frozen=True, slots=True)
class EntityRecord:
    """What discovery writes of one entity."""

    spec: EntitySpec
    table: Table
    strategy: Strategy
    enabled: bool
    interval_s: int
    schema_error: str | None = None
    refill: bool = False
    """Forget the cursor, so that the next sync reads every row."""


def save_entity(connection: psycopg.Connection, owner: UUID, record: EntityRecord, *, is_new: bool) -> None:
    """Writes the entity, in the caller's transaction."""
    spec = record.spec
    connection.execute(
        _INSERT if is_new else _UPDATE,
        {
            "connector_uid": owner,
            "slug": spec.slug,
            "api_name": spec.name,
            "description": spec.description,
            "delta_strategy": spec.strategy,
            "strategy": record.strategy,
            "business_keys": Jsonb(list(spec.business_keys)),
            "rowversion_column": spec.rowversion_column,
            "target_schema": record.table.schema,
            "target_table": record.table.name,
            "columns": Jsonb([asdict(column) for column in spec.columns]),
            "enabled": record.enabled,
            "interval_s": record.interval_s,
            "schema_error": record.schema_error,
            "refill": record.refill,
        },
    )


def mark_refused(connection: psycopg.Connection, uid: UUID, reason: str) -> None:
    """Notes that the entity's columns cannot follow the source; everything else of it stays as it was."""
    connection.execute(_MARK_REFUSED, {"reason": reason, "uid": uid})


def forget_cursor(connection: psycopg.Connection, uid: UUID) -> None:
    """Lets the entity's next sync read every row."""
    connection.execute(_FORGET_CURSOR, (uid,))


def mark_gone(connection: psycopg.Connection, uid: UUID) -> None:
    """Notes that the source no longer offers the entity; its table and history stay."""
    connection.execute(_MARK_GONE, (uid,))


def _unknown(connection: psycopg.Connection, name: str) -> str:
    known = [found for (found,) in connection.execute(_NAMES)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "`syncflow discover` looks for new ones"
    return f"no entity {name} is known; {hint}"


def _entity(row: DictRow) -> Entity:
    return Entity(
        uid=row["uid"],
        connector=row["connector"],
        spec=_spec(row),
        table=Table(row["target_schema"], row["target_table"]),
        strategy=row["strategy"],
        enabled=row["sync_enabled"],
        interval_s=row["sync_interval_seconds"],
        is_present=row["is_present"],
        schema_error=row["schema_error"],
        last_rowversion=row["last_rowversion"],
        last_sync_at=row["last_sync_at"],
        last_sync_status=row["last_sync_status"],
        consecutive_failures=row["consecutive_failures"],
        next_attempt_at=row["next_attempt_at"],
        live_rows=row["live_rows"],
        choices=EntityChoices(**row["choices"]),
    )


def _spec(row: dict[str, Any]) -> EntitySpec:
    return EntitySpec(
        slug=row["slug"],
        name=row["api_name"],
        description=row["description"],
        strategy=row["delta_strategy"],
        business_keys=tuple(row["business_keys"]),
        rowversion_column=row["rowversion_column"],
        columns=tuple(Column(**column) for column in row["columns"]),
    )
