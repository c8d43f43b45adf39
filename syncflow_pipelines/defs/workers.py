"""Runs whose process has died: Dagster's own launcher never notices them, and they would block the next ones.

The process of a run holds a PostgreSQL lock as long as it works. PostgreSQL gives the lock back when the process
dies, however it died; a run that says it is running and holds none is dead.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from syncflow_pipelines.database import Database

WORKER_TAG = "syncflow/worker"
"""Machine and process of the run, while it holds the lock; `-` once it has given it back."""
NOBODY = "-"
GRACE_S = 60.0
"""A run lives without the lock for moments before and after its work."""
POLL_S = 3.0

# Shared, since two steps of one run may work at once in two processes.
_HOLD = "SELECT pg_advisory_lock_shared(hashtextextended('syncflow dagster run ' || %s, 0))"
_FREE = """
SELECT run_id FROM unnest(%s::text[]) run_id
WHERE pg_try_advisory_xact_lock(hashtextextended('syncflow dagster run ' || run_id, 0))
"""

_ENDED = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


@contextmanager
def working(
    database: Database, instance: dg.DagsterInstance, run_id: str, *, poll_s: float = POLL_S
) -> Iterator[Callable[[], bool]]:
    """Shows that the run's process lives; gives a question to ask from any thread: should the work stop?"""
    with database.dedicated("syncflow run") as connection:
        connection.execute(_HOLD, (run_id,))
        instance.add_run_tags(run_id, {WORKER_TAG: f"{socket.gethostname()}:{os.getpid()}"})
        try:
            yield _Watch(instance, run_id, poll_s).is_over
        finally:
            instance.add_run_tags(run_id, {WORKER_TAG: NOBODY})


class _Watch:
    """Whether somebody ended the run: asked often, by many threads, looked up seldom."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, poll_s: float) -> None:
        self._instance, self._run_id, self._poll_s = instance, run_id, poll_s
        self._lock = threading.Lock()
        self._next_look = time.monotonic() + poll_s
        self._over = False

    def is_over(self) -> bool:
        with self._lock:
            if not self._over and time.monotonic() >= self._next_look:
                run = self._instance.get_run_by_id(self._run_id)
                self._over = run is None or run.status in _ENDED
                self._next_look = time.monotonic() + self._poll_s
            return self._over


def end_dead_runs(
    database: Database,
    instance: dg.DagsterInstance,
    job_names: Collection[str],
    suspects: Mapping[str, float],
    now: float,
) -> dict[str, float]:
    """Marks as failed every run that has been without a living process for `GRACE_S`.

    Looks at runs of `job_names`, whose steps all hold the lock, and at any other run while it says that it holds it.
    `suspects` is what the last call returned: run id to the time, in seconds, when it was first seen without.
    """
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    watched = [run for run in started if run.job_name in job_names or run.tags.get(WORKER_TAG, NOBODY) != NOBODY]
    free = _free(database, [run.run_id for run in watched])
    seen = {run.run_id: suspects.get(run.run_id, now) for run in watched if run.run_id in free}
    for run in watched:
        if run.run_id in seen and now - seen[run.run_id] >= GRACE_S:
            worker = run.tags.get(WORKER_TAG, NOBODY)
            instance.report_run_failed(run, f"The process of the run ({worker}) has died; nothing half-done was kept.")
            del seen[run.run_id]
    return seen


def _free(database: Database, run_ids: list[str]) -> set[str]:
    if not run_ids:
        return set()
    with database.connection() as connection:
        return {run_id for (run_id,) in connection.execute(_FREE, (run_ids,))}
