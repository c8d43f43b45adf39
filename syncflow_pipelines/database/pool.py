"""Connections to SyncFlow's database."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import migrate as migrations
from syncflow_pipelines.database.url import describe, url_parts
from syncflow_pipelines.errors import DatabaseError

OLDEST_VERSION = 16
CONNECT_TIMEOUT_S = 10

_SESSION = "SELECT set_config('search_path', quote_ident(%s), false), set_config('TimeZone', 'UTC', false)"


def database_url(settings: Settings) -> str:
    """The libpq URL of the database; without one in the settings, that of the embedded server.

    The embedded server is started if need be, and runs at least until this process ends.
    Raises `DatabaseError`.
    """
    if settings.database_url is not None:
        return settings.database_url
    from syncflow_pipelines.database.embedded import lease

    return lease(settings.home)


def open_database(settings: Settings, *, migrate: bool = True, max_connections: int = 10) -> "Database":
    """The database, its metadata tables brought up to date unless `migrate` is false.

    Raises `DatabaseError` where it cannot be reached, is too old, or is newer than this SyncFlow.
    """
    database = Database(database_url(settings), settings.schema, max_connections=max_connections)
    with database.dedicated("syncflow open") as connection:
        _refuse_old_server(connection, database.url)
        if migrate:
            migrations.migrate(connection, database.url, database.schema)
    return database


class Database:
    """A database and a bounded pool of connections to it; safe to share between threads.

    Unqualified names are the metadata tables: `search_path` is their schema, and nothing else.
    """

    def __init__(self, url: str, schema: str, *, max_connections: int = 10, timeout_s: float = 30.0) -> None:
        self.url = url
        self.schema = schema
        self.max_connections = max_connections
        self.timeout_s = timeout_s
        self._guard = threading.Lock()
        self._pool: ConnectionPool | None = None
        self._pid = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        return f"Database({describe(self.url)}, schema {self.schema!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection of the pool, in one transaction: committed at the end, rolled back on an error.

        Raises `DatabaseError` where none is free or can be made within `timeout_s`.
        """
        pool = self._open_pool()
        try:
            connection = pool.getconn()
        except PoolTimeout as error:
            raise self._starved(pool) from error
        try:
            with connection:
                yield connection
        finally:
            pool.putconn(connection)

    @contextmanager
    def dedicated(self, application_name: str) -> Iterator[psycopg.Connection]:
        """A connection of its own, in autocommit, outside the pool; for session locks and long work."""
        connection = self._connect(application_name)
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Closes the pool; the database can not be used any more."""
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    def _open_pool(self) -> ConnectionPool:
        with self._guard:
            if self._closed:
                raise DatabaseError(f"{describe(self.url)} was closed already.")
            if self._pool is None or self._pid != os.getpid():
                self._pool = self._make_pool()
                self._pid = os.getpid()
            return self._pool

    def _make_pool(self) -> ConnectionPool:
        return ConnectionPool(
            self.url,
            kwargs=self._arguments("syncflow"),
            min_size=0,
            max_size=self.max_connections,
            timeout=self.timeout_s,
            configure=self._prepare,
            check=ConnectionPool.check_connection,
            num_workers=1,
            name="syncflow",
            open=True,
        )

    def _arguments(self, application_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"application_name": application_name, "autocommit": False}
        if "connect_timeout" not in url_parts(self.url):
            arguments["connect_timeout"] = CONNECT_TIMEOUT_S
        return arguments

    def _connect(self, application_name: str) -> psycopg.Connection:
        try:
            connection = psycopg.connect(self.url, **self._arguments(application_name))
        except psycopg.OperationalError as error:
            raise DatabaseError(f"Cannot connect to {describe(self.url)}: {_one_line(error)}") from error
        self._prepare(connection)
        connection.autocommit = True
        return connection

    def _prepare(self, connection: psycopg.Connection) -> None:
        connection.execute(_SESSION, (self.schema,))
        connection.commit()

    def _starved(self, pool: ConnectionPool) -> DatabaseError:
        return DatabaseError(
            f"No connection to {describe(self.url)} within {self.timeout_s:g} s: "
            f"{pool.get_stats().get('pool_size', 0)} of {self.max_connections} are in use."
        )


def _refuse_old_server(connection: psycopg.Connection, url: str) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_VERSION:
        raise DatabaseError(f"{describe(url)} is version {major}; SyncFlow needs {OLDEST_VERSION} or later.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
