"""Waiting for what others commit: a notification says that there may be something, and a caller may end the wait."""

import selectors
import socket
from contextlib import suppress
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql

from syncflow_pipelines.database.outbox import CHANNEL


class Alarm:
    """Ends waits, from any thread and for good."""

    def __init__(self) -> None:
        self._ringing, self._waiting = socket.socketpair()
        self._ringing.setblocking(False)
        self._rung = False

    def ring(self) -> None:
        """Ends the wait that is going on, and every later one at once."""
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # nobody waits any more
                self._ringing.send(b"!")

    @property
    def has_rung(self) -> bool:
        return self._rung

    def wait(self, timeout_s: float, other: int | None = None) -> bool:
        """Waits until the alarm rings or something can be read from the other descriptor; whether it is the alarm."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._waiting, selectors.EVENT_READ)
            if other is not None:
                selector.register(other, selectors.EVENT_READ)
            selector.select(max(timeout_s, 0))
        return self._rung

    def close(self) -> None:
        """Nobody waits any more."""
        self._ringing.close()
        self._waiting.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Listener:
    """Hears on one connection that something was committed. A notification may be lost: look at the table, too.

    `channel` is SQL, that of events by default.
    """

    def __init__(self, connection: psycopg.Connection, channel: LiteralString = CHANNEL) -> None:
        self._connection = connection
        self._heard = False
        # also called for what arrives while a statement runs
        connection.add_notify_handler(self._hear)
        row = connection.execute(f"SELECT {channel}").fetchone()
        assert row is not None
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(row[0])))

    def clear(self) -> None:
        """Forgets what was heard; to be called before the table is looked at."""
        self._heard = False

    def wait(self, alarm: Alarm, timeout_s: float) -> None:
        """Returns once something was heard since `clear`, the alarm has rung, or time is over."""
        if not self._heard and not alarm.wait(timeout_s, self._connection.fileno()):
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                self._heard = True

    def _hear(self, _notification: psycopg.Notify) -> None:
        self._heard = True
