"""Threads that read from a database for an event loop, each on a connection that it keeps."""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import psycopg

from syncflow_pipelines.database.pool import Database
from syncflow_pipelines.database.url import describe, one_line
from syncflow_pipelines.errors import DatabaseError

T = TypeVar("T")
Read = Callable[[psycopg.Connection], Any]

READERS: Final = 4
LIMIT_S: Final = 10.0
ANSWER_LIMIT_S: Final = 20.0
"""How long a read is waited for; PostgreSQL itself ends a statement earlier, unless it hangs."""

_READ_ONLY = (
    "SELECT set_config('default_transaction_read_only', 'on', false), set_config('statement_timeout', %s, false)"
)


class Readers:
    """Short reads, for which no connection is made and no transaction begun. To be used from one event loop.

    A connection that was lost is made anew, and what was being read is read again, once. While none can be made, all
    that waited for the attempt are told of its failure, rather than each making one of its own.
    """

    def __init__(self, opened: Callable[[], Database], *, threads: int = READERS, limit_s: float = LIMIT_S) -> None:
        """`opened` gives the database, and is asked before each connection. `limit_s`: of each statement."""
        self._opened, self._limit_s = opened, limit_s
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._waiting: dict[Hashable, _Asked] = {}
        self._found: deque[tuple[_Asked, object, BaseException | None]] = deque()
        self._is_waking = False
        self._failed_at, self._failure = -1.0, ""
        self._threads = [
            threading.Thread(target=self._serve, name=f"syncflow-reader-{n}", daemon=True) for n in range(threads)
        ]
        self._are_running = False

    async def read(self, read: Callable[[psycopg.Connection], T], same: Hashable = None) -> T:
        """What `read` finds. Its connection is in autocommit, and can change nothing.

        Reads that say `same` find the same: while one of them waits for its turn, others are answered by it, too, and
        each of them sees what was committed before it was asked for. Raises what `read` does, and `DatabaseError` in
        the place of what PostgreSQL says.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[T] = loop.create_future()
        timer = loop.call_later(ANSWER_LIMIT_S, _give_up, found)
        if not self._are_running:
            self._start()
        self._ask(read, found, loop, same)
        try:
            return await found
        finally:
            timer.cancel()

    def _ask(self, read: Read, found: asyncio.Future[Any], loop: asyncio.AbstractEventLoop, same: Hashable) -> None:
        waiting = self._waiting.get(same)
        if waiting is not None:
            waiting.found.append(found)
            return
        asked = _Asked(read, time.monotonic(), [found], loop, same)
        if same is not None:
            self._waiting[same] = asked
        self._asked.put(asked)

    def close(self) -> None:
        """Ends the threads once what was asked is answered, and closes their connections."""
        if self._are_running:
            for _ in self._threads:
                self._asked.put(None)
            for thread in self._threads:
                thread.join()

    def _start(self) -> None:
        self._are_running = True
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        kept = _Kept(self)
        try:
            while (asked := self._asked.get()) is not None:
                self._waiting.pop(asked.same, None)  # whoever asks from now on wants to see a later state
                self._tell(asked, *kept.answer(asked))
        finally:
            kept.drop()

    def _tell(self, asked: "_Asked", value: object, error: BaseException | None) -> None:
        """Hands the answer to the loop, which is woken once for all that it has not taken yet."""
        self._found.append((asked, value, error))
        if not self._is_waking:
            self._is_waking = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                asked.loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_waking = False  # before anything is taken: whoever comes now wakes the loop again
        while self._found:
            asked, value, error = self._found.popleft()
            for found in asked.found:
                _hand_over(found, value, error)

    def connect(self, stack: ExitStack, since: float) -> psycopg.Connection:
        """A connection for one thread, which `stack` closes. Raises `DatabaseError`, as attempts after `since` did."""
        if since < self._failed_at:
            raise DatabaseError(self._failure)
        try:
            connection = stack.enter_context(self._opened().dedicated("syncflow api"))
            connection.execute(_READ_ONLY, (f"{round(self._limit_s * 1000)}ms",))
        except (DatabaseError, psycopg.OperationalError) as error:
            self._failure = self.told(error)
            self._failed_at = time.monotonic()
            raise DatabaseError(self._failure) from error
        return connection

    def told(self, error: DatabaseError | psycopg.OperationalError) -> str:
        """The error as a sentence of ours."""
        if isinstance(error, DatabaseError):
            return str(error)
        if isinstance(error, psycopg.errors.QueryCanceled):
            return f"PostgreSQL took longer than {self._limit_s:g} s to answer; ask for less"
        said = error.diag.message_primary or one_line(error)
        return f"{describe(self._opened().url)} did not answer: {said}"


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One read, and who waits for it since when."""

    read: Read
    since: float
    found: list[asyncio.Future[Any]]
    """Of all who asked for the same."""
    loop: asyncio.AbstractEventLoop
    same: Hashable


class _Kept:
    """The connection of one thread, while there is one."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._connection: psycopg.Connection | None = None
        self._stack = ExitStack()

    def answer(self, asked: _Asked) -> tuple[object, BaseException | None]:
        """What was found, or why nothing was."""
        try:
            try:
                return self._read(asked), None
            except psycopg.OperationalError:
                if self._connection is None or not self._connection.closed:
                    raise
                self.drop()
                return self._read(asked), None
        except psycopg.OperationalError as error:
            return None, self._ours(error)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            return None, error

    def drop(self) -> None:
        self._connection = None
        self._stack.close()

    def _read(self, asked: _Asked) -> object:
        if self._connection is None:
            self._connection = self._readers.connect(self._stack, asked.since)
        return asked.read(self._connection)

    def _ours(self, error: psycopg.OperationalError) -> DatabaseError:
        ours = DatabaseError(self._readers.told(error))
        ours.__cause__ = error
        return ours


def _hand_over(found: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if found.done():  # whoever asked has gone
        return
    if error is None:
        found.set_result(value)
    else:
        found.set_exception(error)


def _give_up(found: asyncio.Future[Any]) -> None:
    if not found.done():
        found.set_exception(DatabaseError(f"PostgreSQL did not answer within {ANSWER_LIMIT_S:g} s"))
