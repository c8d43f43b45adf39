"""Dagster's storage in SyncFlow's database, for `dagster.yaml`:

    storage:
      custom:
        module: syncflow_pipelines.database.dagster_storage
        class: SyncflowStorage
        config: {}

The configuration says nothing of the database: every process asks the settings, and starts the embedded
server if it is the first to come.
"""

from collections.abc import Mapping
from typing import Any, Self

from dagster import Bool, Field
from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.database.pool import database_url
from syncflow_pipelines.database.url import sqlalchemy_url


class SyncflowStorage(DagsterPostgresStorage):
    """Runs, events and schedules of Dagster, in the database that SyncFlow uses."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"should_autocreate_tables": Field(Bool, is_required=False, default_value=True)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        # psycopg2 by name: SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, which dagster-postgres does not speak
        return cls(
            postgres_url=sqlalchemy_url(database_url(load_settings()), "psycopg2"),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )
