"""All connectors, of the configuration and of the table; and those of the table, as the admin API manages them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg

from syncflow_pipelines.config import ConnectorConfig, Settings, load_connectors
from syncflow_pipelines.config.connectors import default_schema
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.connector_state import ManagedRow, read_connector_state, usable, write_connector_state

_MANAGED: Final = """
SELECT uid::text, name, base_url, is_active, settings, auth_token FROM connectors
WHERE managed_by = 'api' AND settings IS NOT NULL ORDER BY name
"""

_LOG = logging.getLogger(__name__)


def follow_connectors(database: Database, settings: Settings) -> tuple[ConnectorConfig, ...]:
    """Every connector, those that are managed over the API with their secrets; the state on disk is in step then.

    Raises `ConfigurationError` with the mistakes of connectors.yaml, and `DatabaseError`.
    """
    with database.connection() as connection:
        return connectors_now(connection, settings)


def connectors_now(connection: psycopg.Connection, settings: Settings) -> tuple[ConnectorConfig, ...]:
    """The same, in the caller's transaction."""
    configured = load_connectors(settings)
    return together(configured, managed_connectors(connection, settings))


def managed_connectors(connection: psycopg.Connection, settings: Settings) -> tuple[ConnectorConfig, ...]:
    """The connectors of the table that are managed over the API, with their secrets; brings the state in step."""
    found = connection.execute(_MANAGED).fetchall()
    rows = tuple(ManagedRow(*row[:5]) for row in found)
    _keep(settings.home, rows)
    return usable(rows, settings, {row[0]: row[5] for row in found})


def known_connectors(settings: Settings) -> tuple[ConnectorConfig, ...]:
    """Every connector as it can be told without a database: those of the table as they were when it was read last."""
    return together(load_connectors(settings), read_connector_state(settings))


def together(configured: Sequence[ConnectorConfig], managed: Sequence[ConnectorConfig]) -> tuple[ConnectorConfig, ...]:
    """Both; a name that both have is that of the configuration."""
    taken = {default_schema(one.name) for one in configured}
    return (*configured, *(one for one in managed if default_schema(one.name) not in taken))


def _keep(home: Path, rows: tuple[ManagedRow, ...]) -> None:
    try:
        write_connector_state(home, rows)
    except ConfigurationError as error:
        # A face that only reads goes on; Dagster writes it for itself.
        _LOG.warning("%s", error)
