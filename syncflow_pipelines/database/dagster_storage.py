"""Dagster's storage in SyncFlow's database, for `dagster.yaml`:

    storage:
      custom:
        module: syncflow_pipelines.database.dagster_storage
        class: SyncflowStorage
        config: {}

The configuration says nothing of the database: every process asks the settings of its working folder, or
of `folder` where the configuration names one, and starts the embedded server if it is the first to come.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from dagster import Bool, Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.engine import Dialect

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.database.pool import database_url
from syncflow_pipelines.database.url import sqlalchemy_url

_STORAGES: Final = {
    "runs": RunStorageSqlMetadata,
    "event_logs": SqlEventLogStorageMetadata,
    "jobs": ScheduleStorageSqlMetadata,
}
"""By the table that Dagster looks for, all that belong to a storage."""
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_IS_EMPTY: Final = sql.SQL("SELECT NOT EXISTS (SELECT FROM {})")
_DROP: Final = sql.SQL("DROP TABLE {} CASCADE")

IDLE_CONNECTIONS = 1
CONNECTIONS_AT_ONCE = 20


class SyncflowStorage(DagsterPostgresStorage):
    """Runs, events and schedules of Dagster, in the database that SyncFlow uses."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        revive: Callable[[], object] | None = None,
    ) -> None:
        """`revive` starts a server again that was killed; it is called when no connection can be made."""
        with _one_at_a_time(postgres_url) as connection:
            if should_autocreate_tables:
                _begin_anew_where_interrupted(connection)
            super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._keep_a_connection(revive)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {
            "folder": Field(StringSource, is_required=False),
            "should_autocreate_tables": Field(Bool, is_required=False, default_value=True),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        folder = config_value.get("folder")
        settings = load_settings(cwd=Path(folder) if folder else None)
        return cls(
            # a bare postgresql:// means psycopg 3 to SQLAlchemy 2.1, and dagster-postgres fails with that
            postgres_url=sqlalchemy_url(database_url(settings), "psycopg2", application_name="dagster"),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            revive=None if settings.database_url else lambda: database_url(settings),
        )

    def _keep_a_connection(self, revive: Callable[[], object] | None) -> None:
        """Lets the three storages share one engine that keeps a connection.

        Dagster's own connect anew for each event, which takes longer than the event: a run of 300 assets
        takes 4 s instead of 8 s this way.
        """
        engine = create_pg_engine(
            self.postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=IDLE_CONNECTIONS,
            max_overflow=CONNECTIONS_AT_ONCE - IDLE_CONNECTIONS,
            pool_pre_ping=True,
        )
        if revive is not None:
            event.listen(engine, "do_connect", _reviving(revive))
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine


@contextmanager
def _one_at_a_time(url: str) -> Iterator[psycopg.Connection]:
    """Lets one process make Dagster's tables while the others wait: two that make one at once both fail."""
    with psycopg.connect(url.replace("postgresql+psycopg2://", "postgresql://", 1), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('syncflow dagster tables', 0))")
        yield connection


def _begin_anew_where_interrupted(connection: psycopg.Connection) -> None:
    """Drops the main table of each storage that some tables are missing of, if it is empty.

    A process that is killed while Dagster makes its tables leaves some. Dagster looks for the main one alone, and would
    never make the others.
    """
    there = {name for (name,) in connection.execute(_TABLES)}
    for main, metadata in _STORAGES.items():
        if main in there and not there.issuperset(metadata.tables):
            table = sql.Identifier(main)
            if connection.execute(_IS_EMPTY.format(table)).fetchone() == (True,):
                connection.execute(_DROP.format(table))


def _reviving(revive: Callable[[], object]) -> Callable[..., Any]:
    """Connects as SQLAlchemy does, and once more after `revive` where that fails."""

    def connect(dialect: Dialect, _: object, arguments: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*arguments, **parameters)
        except dialect.loaded_dbapi.OperationalError:
            revive()
            return dialect.connect(*arguments, **parameters)

    return connect
