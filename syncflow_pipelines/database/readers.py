"""Threads that read from a database, each on a connection that it keeps."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import psycopg

from syncflow_pipelines.database.pool import Database
from syncflow_pipelines.database.url import describe, one_line
from syncflow_pipelines.errors import DatabaseError

T = TypeVar("T")

READERS = 4
LIMIT_S = 10.0

_READ_ONLY = (
    "SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', %s, false)"
)


class Readers:
    """Short reads for an event loop: no connection is made for them, and no transaction begun.

    A connection that was lost is made anew, and what was being read is read again, once. While none can be made, all
    that waited for the attempt are told of its failure, rather than each making one of its own.
    """

    def __init__(
        self, opened: Callable[[], Database], *, threads: int = READERS, limit_s: float = LIMIT_S, name: str = "api"
    ) -> None:
        """`opened` gives the database, and is asked before each connection. `limit_s`: of each statement."""
        self._opened, self._limit_s, self._name = opened, limit_s, name
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"syncflow-{name}")
        self._own = threading.local()
        self._guard = threading.Lock()
        self._kept: list[_Kept] = []
        self._failed_at, self._failure = -1.0, ""

    def submit(self, read: Callable[[psycopg.Connection], T]) -> Future[T]:
        """What `read` finds, in time. Its connection is in autocommit, and can change nothing.

        The future raises what `read` does, and `DatabaseError` in the place of what PostgreSQL says.
        """
        return self._threads.submit(self._read, read, time.monotonic())

    def close(self) -> None:
        """Ends what waits, and closes the connections."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._guard:
            kept, self._kept = self._kept, []
        for one in kept:
            one.drop()

    def _read(self, read: Callable[[psycopg.Connection], T], since: float) -> T:
        own = self._own_connection()
        for attempt in (1, 2):
            connection = own.connection or self._connect(own, since)
            try:
                return read(connection)
            except psycopg.errors.QueryCanceled as error:
                raise DatabaseError(
                    f"PostgreSQL took longer than {self._limit_s:g} s to answer; ask for less"
                ) from error
            except psycopg.OperationalError as error:
                if not connection.closed:
                    raise DatabaseError(f"PostgreSQL refused a read: {_said(error)}") from error
                own.drop()
                if attempt == 2:
                    raise DatabaseError(f"The connection to {self._where()} was lost: {_said(error)}") from error
        raise AssertionError("unreachable")

    def _own_connection(self) -> "_Kept":
        own: _Kept | None = getattr(self._own, "kept", None)
        if own is None:
            own = self._own.kept = _Kept()
            with self._guard:
                self._kept.append(own)
        return own

    def _connect(self, own: "_Kept", since: float) -> psycopg.Connection:
        if since < self._failed_at:
            raise DatabaseError(self._failure)
        try:
            return own.connect(self._opened(), f"syncflow {self._name}", self._limit_s)
        except DatabaseError as error:
            self._failure, self._failed_at = str(error), time.monotonic()
            raise
        except psycopg.OperationalError as error:
            self._failure, self._failed_at = f"{self._where()} cannot be used: {_said(error)}", time.monotonic()
            raise DatabaseError(self._failure) from error

    def _where(self) -> str:
        return describe(self._opened().url)


class _Kept:
    """The connection of one thread, while there is one."""

    def __init__(self) -> None:
        self.connection: psycopg.Connection | None = None
        self._stack = ExitStack()

    def connect(self, database: Database, application_name: str, limit_s: float) -> psycopg.Connection:
        connection = self._stack.enter_context(database.dedicated(application_name))
        connection.execute(_READ_ONLY, (f"{round(limit_s * 1000)}ms",))
        self.connection = connection
        return connection

    def drop(self) -> None:
        self.connection = None
        self._stack.close()


def _said(error: psycopg.OperationalError) -> str:
    return error.diag.message_primary or one_line(error)
