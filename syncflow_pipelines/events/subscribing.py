"""Named subscribers to the outbox: each has a thread of its own, and goes on where it was, whoever was killed."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Final, Self

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Connection, Database, database_url, open_database
from syncflow_pipelines.database.outbox import put_in_order
from syncflow_pipelines.database.subscriptions import claim, register
from syncflow_pipelines.database.wakeups import Alarm, Listener
from syncflow_pipelines.errors import ConfigurationError, DatabaseError, SyncCancelled
from syncflow_pipelines.events import flags
from syncflow_pipelines.events.delivery import Delivery
from syncflow_pipelines.events.flags import Flag
from syncflow_pipelines.events.handling import Caller, Handler, Retry
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish

POLL_S: Final = 3.0
"""How long a lost notification can go unnoticed."""
SHORTEST_WAIT_S: Final = 0.02
STANDBY_S: Final = 1.0
"""How often somebody who waits for another process of the same subscriber to end looks again."""
LONGEST_RECONNECT_S: Final = 15.0
LONGEST_NAME: Final = 100

_LOG = logging.getLogger(__name__)


class DurableEventBus:
    """Events across processes: published into PostgreSQL, delivered at least once, in order for each subject.

    Opens the database as the settings say. Close it, or use it as a context manager: subscriptions end then, after the
    event that each is at.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = open_database(settings)
        self._subscriptions: list[Subscription] = []

    def publish(self, *events: Event) -> None:
        """Publishes the events in a transaction of their own. Raises `DatabaseError`."""
        with self._database.connection() as connection:
            publish(connection, events)

    def subscribe(
        self,
        name: str,
        types: Collection[str],
        handler: Handler,
        *,
        from_beginning: bool = False,
        retry: Retry = Retry(),  # noqa: B008 - it is frozen
        acknowledge_every: int = 1,
        is_enabled: Callable[[], bool] | None = None,
    ) -> "Subscription":
        """Has the handler called for every event of the types, or of all with none, in a thread of its own.

        The first subscription of a name begins now, or `from_beginning` with what is kept; later ones go on where the
        name was. Of several under one name, in whatever processes, one works and the others wait for it to end. An
        event counts as delivered once the handler has returned and that is written down, after each event or after
        `acknowledge_every`: so many may come again to a process that was killed. While `is_enabled()` says no, nothing
        is delivered; without it, the flag `events` says so.

        Raises `ConfigurationError` for a name that is empty or too long, and `DatabaseError`.
        """
        if not 0 < len(name) <= LONGEST_NAME:
            raise ConfigurationError(f"a subscriber needs a name of 1 to {LONGEST_NAME} characters, not {name!r}")
        types = (types,) if isinstance(types, str) else tuple(types)
        is_enabled = is_enabled or partial(flags.is_enabled, Flag.EVENTS, self._settings)
        with self._database.dedicated("syncflow events") as connection:
            put_in_order(connection)
            register(connection, name, types, from_beginning=from_beginning)
        subscription = Subscription(self._settings, name, types, handler, retry, acknowledge_every, is_enabled)
        self._subscriptions.append(subscription)
        return subscription

    def end(self) -> None:
        """Asks the subscriptions to end, each after the event that it is at; returns at once."""
        for subscription in self._subscriptions:
            subscription.end()

    def close(self) -> None:
        """Ends the subscriptions, and returns once they have."""
        self.end()
        for subscription in self._subscriptions:
            subscription.join()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Subscription:
    """A subscriber's thread: connects, waits for its turn, delivers; and again, whatever becomes of PostgreSQL."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        types: tuple[str, ...],
        handler: Handler,
        retry: Retry,
        acknowledge_every: int,
        is_enabled: Callable[[], bool],
    ) -> None:
        self.name = name
        self._settings, self._types, self._handler = settings, types, handler
        self._retry, self._acknowledge_every, self._is_enabled = retry, acknowledge_every, is_enabled
        self._alarm = Alarm()
        self._thread = threading.Thread(target=self._run, name=f"syncflow-events-{name}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Delivers nothing more after the event that it is at; returns at once."""
        self._alarm.ring()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits until the thread has ended; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._alarm, Caller() as caller:
            failures = 0
            while not self._alarm.has_rung:
                try:
                    with self._connected() as connection:
                        failures = 0
                        self._consume(connection, caller)
                except SyncCancelled:
                    return  # the event that it was at comes again
                except DatabaseError as error:
                    _LOG.warning("subscriber %s waits for PostgreSQL: %s", self.name, error)
                except Exception:  # noqa: BLE001 - the thread's entry point; whatever it is, deliveries go on
                    _LOG.exception("subscriber %s", self.name)
                failures += 1
                self._alarm.wait(min(0.2 * 2.0 ** min(failures, 10), LONGEST_RECONNECT_S))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        # an embedded server that was killed is started again here
        database = Database(database_url(self._settings), self._settings.schema)
        with database.dedicated(f"syncflow events {self.name}"[:63]) as connection:
            yield connection

    def _consume(self, connection: Connection, caller: Caller) -> None:
        """Delivers until the alarm rings. Raises `DatabaseError` where the connection is lost."""
        while not claim(connection, self.name):
            if self._alarm.wait(STANDBY_S):
                return
        listener = Listener(connection)
        delivery = Delivery(
            connection,
            self.name,
            self._types,
            lambda event: caller.call(self._handler, event),
            lambda: self._alarm.has_rung,
            self._is_enabled,
            register(connection, self.name, self._types, from_beginning=False),
            self._retry,
            self._acknowledge_every,
        )
        while not self._alarm.has_rung:
            listener.clear()
            due_s = delivery.run()
            if self._is_enabled():
                listener.wait(self._alarm, POLL_S if due_s is None else min(max(due_s, SHORTEST_WAIT_S), POLL_S))
            else:
                self._alarm.wait(POLL_S)
