"""How an entity is synced, changed by somebody over the API."""

from dataclasses import asdict, replace

import psycopg
from psycopg.types.json import Jsonb

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.entities import configured, list_entities
from syncflow_pipelines.sync.model import Entity, EntityChoices, SchemaChange
from syncflow_pipelines.sync.schema.schema_changes import record_change
from syncflow_pipelines.sync.state import not_servable, write_catalogue_state

_CHOOSE = """
UPDATE entities SET choices = %(choices)s, sync_enabled = %(enabled)s, sync_interval_seconds = %(interval_s)s,
  strategy = %(strategy)s, updated_at = now() WHERE uid = %(uid)s
"""


def choose(
    connection: psycopg.Connection, connector: ConnectorConfig, entity: Entity, choices: EntityChoices
) -> Entity:
    """The entity as it is synced from now on; written in the caller's transaction, which locked it.

    What the configuration says of the entity itself still counts first. Raises `SchemaRefused` where the source does
    not give what the strategy needs.
    """
    wanted = configured(connector, replace(entity, choices=choices))
    if not entity.spec.can_be_synced_by(wanted.strategy):
        raise SchemaRefused(not_servable(entity.key))
    connection.execute(
        _CHOOSE,
        {
            "choices": Jsonb({name: value for name, value in asdict(choices).items() if value is not None}),
            "enabled": wanted.enabled,
            "interval_s": wanted.interval_s,
            "strategy": wanted.strategy,
            "uid": entity.uid,
        },
    )
    if wanted.strategy != entity.strategy:
        change = SchemaChange(
            "strategy_changed", entity.spec.slug, before=entity.strategy, after=wanted.strategy, message="over the API"
        )
        record_change(connection, entity.connector, change)
    return wanted


def renew_catalogue_state(database: Database, settings: Settings, connector: str) -> None:
    """Lets Dagster see what was chosen, when it loads its assets the next time."""
    with database.connection() as connection:
        entities = list_entities(connection, connector=connector)
    write_catalogue_state(settings.home, connector, entities)
