"""Connections kept open between requests, never more than the source is meant to see."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from syncflow_pipelines.errors import SyncCancelled
from syncflow_pipelines.transport.wire import POLL_S, Connection


class Pool:
    """At most `size` connections, in use and idle together. Thread-safe."""

    def __init__(self, size: int, cancelled: Callable[[], bool]) -> None:
        self._slots = threading.BoundedSemaphore(size)
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def slot(self) -> Iterator[None]:
        """The right to use one connection; waits for it. Raises `SyncCancelled`."""
        while not self._slots.acquire(timeout=POLL_S):
            self._check_cancelled()
        try:
            self._check_cancelled()
            yield
        finally:
            self._slots.release()

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise SyncCancelled("stopped while waiting for a connection to the source")

    def take(self) -> Connection | None:
        """An idle connection that is still good, the last used first. To be called within a slot."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_reusable():
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Keeps the connection for the next request. To be called within a slot."""
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Closes what is idle now, and what is given back later."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
