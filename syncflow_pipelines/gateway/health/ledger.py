"""The thread of each process that keeps what is known of the endpoints' health in PostgreSQL."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Final

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.gateway import HealthConfig
from syncflow_pipelines.database import Connection, open_database
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.health.session import Declared, Recording, Session, Turn
from syncflow_pipelines.gateway.model import Registered

TURN_S: Final = 1.0
"""Between two looks at the tables, two tries to become the process that checks, and two words on breakers."""
GATHERED_S: Final = 0.1
"""For how long checks are gathered that are recorded together."""
_LONGEST_RECONNECT_S: Final = 5.0

_LOG = logging.getLogger(__name__)

_Waiting = tuple[Recording, "Future[None]"]


class Ledger:
    """Records checks, reads what other processes recorded, and tries to become the process that checks.

    `told` is called from the thread: with what the tables say about each second, and with None where PostgreSQL
    cannot be reached. State changes are published in the transaction that records them.
    """

    def __init__(self, settings: Settings, process: str, told: Callable[[Turn | None], None]) -> None:
        self._settings, self._process, self._told = settings, process, told
        self._guard = threading.Lock()
        self._has_work = threading.Event()
        self._ended = threading.Event()
        self._waiting: list[_Waiting] = []
        self._declared: Declared | None = None
        self._breakers: Mapping[str, BreakerSnapshot] = {}
        self._thread = threading.Thread(target=self._run, name="syncflow-gateway-health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def declare(self, endpoints: Iterable[Registered], config: HealthConfig) -> None:
        """What is registered from now on."""
        self._declared = Declared(tuple(endpoints), config)
        self._has_work.set()

    def record(self, recording: Recording) -> "Future[None]":
        """Done once the check is recorded, and `told` has heard of it; `DatabaseError` where it cannot be."""
        done: Future[None] = Future()
        with self._guard:
            self._waiting.append((recording, done))
        self._has_work.set()
        return done

    def note_breakers(self, breakers: Mapping[str, BreakerSnapshot]) -> None:
        """How the breakers of this process stand, by key."""
        self._breakers = breakers

    def stop(self) -> None:
        """Records what was handed over, and ends; another process may check from then on."""
        self._ended.set()
        self._has_work.set()
        self._thread.join(timeout=2 * _LONGEST_RECONNECT_S)
        self._refuse_waiting()

    def _run(self) -> None:
        failures = 0
        while not self._ended.is_set():
            try:
                with (
                    open_database(self._settings, max_connections=1) as database,
                    database.dedicated("syncflow gateway health") as connection,
                ):
                    failures = 0
                    self._keep(connection)
            except DatabaseError as error:
                _LOG.warning("this process checks the gateway's endpoints for itself: %s", error)
            except Exception:  # noqa: BLE001 - the thread's entry point; the gateway goes on without the tables
                _LOG.exception("the health of the gateway's endpoints is not recorded")
            if not self._ended.is_set():
                self._told(None)
                self._refuse_waiting()
                failures += 1
                self._ended.wait(min(0.2 * 2.0 ** min(failures, 5), _LONGEST_RECONNECT_S))

    def _keep(self, connection: Connection) -> None:
        session = Session(connection, self._process)
        is_last = False
        while not is_last:
            is_last = self._ended.is_set()
            self._has_work.clear()
            self._turn(session)
            if not is_last and self._has_work.wait(TURN_S):
                time.sleep(GATHERED_S)
        session.leave()

    def _turn(self, session: Session) -> None:
        waiting = self._take_waiting()
        try:
            turn = session.turn(self._declared, [recording for recording, _ in waiting], self._breakers)
        except BaseException:
            _refuse(waiting)
            raise
        self._told(turn)
        for _, done in waiting:
            done.set_result(None)

    def _take_waiting(self) -> list[_Waiting]:
        """What nobody has given up."""
        with self._guard:
            waiting, self._waiting = self._waiting, []
        return [(recording, done) for recording, done in waiting if done.set_running_or_notify_cancel()]

    def _refuse_waiting(self) -> None:
        """What came after the connection was lost waits for none."""
        _refuse(self._take_waiting())


def _refuse(waiting: Iterable[_Waiting]) -> None:
    for _, done in waiting:
        done.set_exception(DatabaseError("the check was not recorded, because PostgreSQL cannot be reached"))
