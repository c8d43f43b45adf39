"""Following the registry in PostgreSQL from a thread: what others change, and what waits to be changed."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Connection, Database, open_database
from syncflow_pipelines.database.gateway_endpoints import (
    CHANNEL,
    RegistryState,
    changing_registry,
    read_registry,
    registry_revision,
    write_registry,
)
from syncflow_pipelines.database.wakeups import Alarm, Listener
from syncflow_pipelines.errors import DatabaseError

POLL_S: Final = 1.0
"""How long a lost notification can go unnoticed."""
LONGEST_RECONNECT_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)

Change = Callable[[RegistryState], RegistryState]


def change_registry(database: Database, change: Change) -> tuple[RegistryState, RegistryState]:
    """The registry before the change and after it, in one transaction; what is the same is not written.

    Raises `DatabaseError`, and whatever the change raises.
    """
    with changing_registry(database) as (connection, before):
        after = change(before)
        if after != before:
            write_registry(connection, before, after)
    return before, after


class Follower:
    """A thread that tells what the registry is, from one change to the next, whatever becomes of PostgreSQL.

    `take` is called in that thread with each state, and with whether that may be older than the last one, because the
    connection is new. `tell` is called with why PostgreSQL is not there, and with None once it is. `waiting` is asked
    for a change that is to be made before the registry is read, and `settled` is told of it and what it made.
    """

    def __init__(
        self,
        settings: Settings,
        take: Callable[[RegistryState, bool], None],
        tell: Callable[[str | None], None],
        waiting: Callable[[], Change | None],
        settled: Callable[[Change, RegistryState], None],
    ) -> None:
        self._settings, self._take, self._tell = settings, take, tell
        self._waiting, self._settled = waiting, settled
        self._alarm = Alarm()
        self._thread = threading.Thread(target=self._run, name="syncflow-gateway-registry", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def end(self) -> None:
        """Returns at once; nothing is told once the thread has ended."""
        self._alarm.ring()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits until the thread has ended; whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with self._alarm:
            failures = 0
            while not self._alarm.has_rung:
                try:
                    # an embedded server that was killed is started again here
                    with (
                        open_database(self._settings) as database,
                        database.dedicated("syncflow gateway registry") as connection,
                    ):
                        failures = 0
                        self._follow(database, connection)
                except DatabaseError as error:
                    self._note(failures, str(error))
                except Exception as error:  # noqa: BLE001 - the thread's entry point; whatever it is, it goes on
                    _LOG.exception("the registry of the gateway")
                    self._note(failures, f"a fault of SyncFlow itself: {type(error).__name__}")
                failures += 1
                self._alarm.wait(min(0.2 * 2.0 ** min(failures, 10), LONGEST_RECONNECT_S))

    def _follow(self, database: Database, connection: Connection) -> None:
        """Tells of changes until the alarm rings. Raises `DatabaseError` where the connection is lost."""
        listener = Listener(connection, CHANNEL)
        known: int | None = None
        problem: str | None = ""  # as long as nothing was told
        while not self._alarm.has_rung:
            listener.clear()
            before, problem = problem, self._change_what_waits(database)
            if registry_revision(connection) != known:
                state = read_registry(connection)
                self._take(state, known is None)
                known = state.revision
            if problem != before:
                self._tell(problem)
            listener.wait(self._alarm, POLL_S)

    def _change_what_waits(self, database: Database) -> str | None:
        """Makes the change; why it could not be made, which keeps nobody from reading the registry."""
        change = self._waiting()
        if change is None:
            return None
        try:
            _, after = change_registry(database, change)
        except DatabaseError as error:
            return str(error)
        self._settled(change, after)
        return None

    def _note(self, failures: int, reason: str) -> None:
        if not failures:
            _LOG.warning("the gateway goes on with the endpoints that it knows, and waits for PostgreSQL: %s", reason)
        self._tell(reason)
