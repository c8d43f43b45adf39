"""Connectors that are managed over the API, in a project of Dagster's."""

from typing import Any
from uuid import UUID

from syncflow_pipelines.config.managed_connectors import ManagedConnector
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.managed import add_connector


def register(database: Database, settings: Settings, **said: Any) -> UUID:
    """Registers a connector as the API does, but tells nobody of it."""
    with database.connection() as connection:
        uid = add_connector(connection, ManagedConnector.model_validate(said), (), settings)
    assert isinstance(uid, UUID)
    return uid
