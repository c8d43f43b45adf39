"""Runs while they run: the database is told how far each of a process's syncs is, and asked which are to end.

A thread does it once a second, in one statement for all of them, on a connection of its own; what a sync has written
is not to be seen before its end. A sync that takes less than a second costs nothing.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import psycopg

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import DatabaseError

EVERY_S: Final = 1.0
PATIENCE_S: Final = 3.0
"""How long the end waits for a look that is under way."""
_APPLICATION: Final = "syncflow watch"

# A row that its sync is closing just now is left alone: nobody waits for anybody.
_TELL = """
WITH told AS (
  SELECT * FROM unnest(%(uids)s::uuid[], %(phases)s::text[], %(rows)s::bigint[], %(totals)s::bigint[])
    AS told(uid, phase, rows, total)
), free AS (
  SELECT r.uid FROM sync_runs r JOIN told USING (uid) WHERE r.status = 'running' FOR NO KEY UPDATE OF r SKIP LOCKED
)
UPDATE sync_runs r
SET progress = jsonb_build_object('phase', t.phase, 'rows', t.rows, 'total', t.total, 'at', now())
FROM told t JOIN free USING (uid) WHERE r.uid = t.uid
"""
_GO_ON = """
SELECT uid FROM sync_runs
WHERE uid = ANY(%s) AND cancel_requested_at IS NULL AND status IN ('queued', 'running', 'success')
"""
_LIMIT = "SET statement_timeout = '5s'"

Told = tuple[str, int, int | None]
"""Phase, rows, and of how many where that is known."""


class RunWatch:
    """The runs of one process that have not ended; to be left (`with`) when they have. Threads may share it."""

    def __init__(self, database: Database, *, every_s: float = EVERY_S) -> None:
        self._database, self._every_s = database, every_s
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._runs: set[UUID] = set()
        self._told: dict[UUID, Told] = {}
        self._ending: set[UUID] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)

    def add(self, run: UUID) -> None:
        """Begins to watch a run, whose row is committed."""
        with self._lock:
            self._runs.add(run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="syncflow-watch", daemon=True)
                self._thread.start()

    def remove(self, run: UUID) -> None:
        """Ends it."""
        with self._lock:
            self._runs.discard(run)
            self._told.pop(run, None)
            self._ending.discard(run)

    def tell(self, run: UUID, phase: str, rows: int, total: int | None) -> None:
        """How far the run is; the newest that was said is written."""
        with self._lock:
            self._told[run] = (phase, rows, total)

    def is_to_end(self, run: UUID) -> bool:
        """Whether somebody wants the run's end, or has deleted it; known within `EVERY_S`."""
        return run in self._ending

    def _work(self) -> None:
        with ExitStack() as stack:
            look: Callable[[], None] | None = None
            while not self._over.wait(self._every_s):
                # A database that is away is the sync's own trouble; it is asked again.
                with suppress(psycopg.Error, DatabaseError):
                    if look is None:
                        look = self._opened(stack)
                    look()
                    continue
                stack.close()
                look = None

    def _opened(self, stack: ExitStack) -> Callable[[], None]:
        connection = stack.enter_context(self._database.dedicated(_APPLICATION))
        connection.execute(_LIMIT)
        return lambda: self._look(connection)

    def _look(self, connection: psycopg.Connection) -> None:
        with self._lock:
            runs = list(self._runs)
            told, self._told = self._told, {}
        if told:
            connection.execute(_TELL, _columns(told))
        if runs:
            going_on = {uid for (uid,) in connection.execute(_GO_ON, (runs,))}
            with self._lock:
                self._ending |= self._runs.intersection(runs) - going_on


def _columns(told: dict[UUID, Told]) -> dict[str, list[Any]]:
    phases, rows, totals = zip(*told.values(), strict=True)
    return {"uids": list(told), "phases": list(phases), "rows": list(rows), "totals": list(totals)}
