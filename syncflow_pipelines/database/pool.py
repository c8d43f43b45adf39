"""Connections to SyncFlow's database."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import migrate as migrations
from syncflow_pipelines.database.embedded import lease
from syncflow_pipelines.database.pool_usage import note_exhaustion, watched
from syncflow_pipelines.database.url import connect_error, describe, one_line, url_parts
from syncflow_pipelines.errors import DatabaseError

Connection: TypeAlias = psycopg.Connection
"""For those who hand connections on, and know nothing of psycopg."""

OLDEST_VERSION = 16
CONNECT_TIMEOUT_S = 10

_SESSION = """
SELECT set_config('search_path', quote_ident(%s), false),
       set_config('TimeZone', 'UTC', false),
       -- whatever the server or the role has for defaults: in these forms values are written and read
       set_config('DateStyle', 'ISO, YMD', false),
       set_config('bytea_output', 'hex', false),
       set_config('extra_float_digits', '1', false),
       set_config('client_encoding', 'UTF8', false),
       -- a slow source is no reason to end a transaction
       set_config('idle_in_transaction_session_timeout', '0', false),
       -- a machine that vanished must not hold its locks for the two hours that systems allow by default
       set_config('tcp_keepalives_idle', '60', false),
       set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '6', false)
"""


def database_url(settings: Settings) -> str:
    """The libpq URL of the database; without one in the settings, that of the embedded server.

    The embedded server is started if need be, and runs at least until this process ends.
    Raises `DatabaseError`.
    """
    if settings.database_url is not None:
        return settings.database_url
    return lease(settings.home)


def open_database(settings: Settings, *, migrate: bool = True, max_connections: int = 10) -> "Database":
    """The database, its metadata tables brought up to date unless `migrate` is false.

    Raises `DatabaseError` where it cannot be reached, is too old, or is of a newer SyncFlow.
    """
    database = Database(database_url(settings), settings.schema, max_connections=max_connections)
    with database.dedicated("syncflow open") as connection:
        _refuse_old_server(connection, database.url)
        if migrate:
            migrations.migrate(connection, database.url, database.schema)
    return database


class Database:
    """A database and a bounded pool of connections to it; threads may share one, and forked children too.

    On every connection `search_path` is the schema of the metadata tables and nothing else: they are
    named without their schema, all other tables with it. Times are UTC.
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

        Raises `DatabaseError` where none is free or can be made within `timeout_s`, and where it was lost
        on the way.
        """
        pool = self._open_pool()
        connection = self._borrow(pool)
        try:
            with self._loss_told(connection), connection:
                yield connection
        finally:
            pool.putconn(connection)

    @contextmanager
    def dedicated(self, application_name: str) -> Iterator[psycopg.Connection]:
        """A connection of its own, in autocommit, outside the pool; for session locks and long work.

        Raises `DatabaseError` where it cannot be made, and where it was lost on the way.
        """
        connection = self._connect(application_name)
        try:
            with self._loss_told(connection):
                yield connection
        finally:
            connection.close()

    def lane(self, application_name: str) -> "Lane":
        """A dedicated connection for one piece of work after the other; close it, or use it as a context manager."""
        return Lane(self, application_name)

    def revision(self) -> str | None:
        """The revision of the metadata tables; None where there are none."""
        with self.dedicated("syncflow revision") as connection:
            return migrations.revision(connection, self.schema)

    def close(self) -> None:
        """Closes the pool; the database cannot be used any more."""
        self._forget_parents_pool()
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _open_pool(self) -> ConnectionPool:
        self._forget_parents_pool()
        with self._guard:
            if self._closed:
                raise DatabaseError(f"The connection to {describe(self.url)} was closed already.")
            if self._pool is None:
                self._pool = self._make_pool()
            return self._pool

    def _forget_parents_pool(self) -> None:
        """In a forked child, leaves the parent its connections: both would talk on one socket."""
        if self._pid != os.getpid():
            self._guard, self._pool, self._pid = threading.Lock(), None, os.getpid()

    def _make_pool(self) -> ConnectionPool:
        pool = ConnectionPool(
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
        return watched(pool)

    def _borrow(self, pool: ConnectionPool) -> psycopg.Connection:
        try:
            return pool.getconn()
        except PoolTimeout as error:
            # says so itself where the server cannot be reached
            with closing(self._connect("syncflow")) as connection:
                note_exhaustion(connection, self.max_connections)
            raise DatabaseError(
                f"No connection to {describe(self.url)} came free within {self.timeout_s:g} s: all "
                f"{self.max_connections} that one process may have are in use."
            ) from error

    def _arguments(self, application_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"application_name": application_name}
        if "connect_timeout" not in url_parts(self.url):
            arguments["connect_timeout"] = CONNECT_TIMEOUT_S
        return arguments

    def _connect(self, application_name: str) -> psycopg.Connection:
        arguments = self._arguments(application_name)
        try:
            connection = psycopg.connect(self.url, autocommit=True, **arguments)
        except psycopg.OperationalError as error:
            raise connect_error(self.url, error) from error
        try:
            self._prepare(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, psycopg.OperationalError):
                raise connect_error(self.url, error) from error
            raise
        return connection

    def _prepare(self, connection: psycopg.Connection) -> None:
        connection.execute(_SESSION, (self.schema,))
        if not connection.autocommit:
            connection.commit()

    @contextmanager
    def _loss_told(self, connection: psycopg.Connection) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:
            if not connection.closed:
                raise
            # without the context that PostgreSQL adds: where it was in the middle of a COPY, that quotes the row
            told = error.diag.message_primary or one_line(error)
            raise DatabaseError(f"The connection to {describe(self.url)} was lost: {told}") from error


class Lane:
    """A connection of its own that goes from one piece of work to the next, for as long as each ends well.

    Most of what a short piece of work costs is the connection. To be used by one thread at a time.
    """

    def __init__(self, database: Database, application_name: str) -> None:
        self._database, self._application_name = database, application_name
        self._kept: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """The connection, in autocommit, its session as new; see `Database.dedicated`."""
        with ExitStack() as stack:
            connection = self._take() or self._database._connect(self._application_name)
            stack.callback(connection.close)
            with self._database._loss_told(connection):
                yield connection
            if self._kept is None and connection.info.transaction_status == TransactionStatus.IDLE:
                stack.pop_all()
                self._kept = connection

    def close(self) -> None:
        """Closes the connection that is kept, if one is."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _take(self) -> psycopg.Connection | None:
        """The connection that is kept, unless it was lost meanwhile."""
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                self._database._prepare(kept)
            except psycopg.Error:
                kept.close()
                return None
        return kept


def _refuse_old_server(connection: psycopg.Connection, url: str) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_VERSION:
        raise DatabaseError(
            f"{describe(url)} is of version {major}, and SyncFlow needs {OLDEST_VERSION} or later; "
            "upgrade the server, or set SYNCFLOW_DATABASE_URL to another."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        raise DatabaseError(
            f"{describe(url)} is encoded in {encoding}, which cannot hold every text; create a database in UTF8."
        )
