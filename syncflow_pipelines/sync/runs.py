"""Run history: one row in `sync_runs` for every sync that began, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from syncflow_pipelines.config import Settings
from syncflow_pipelines.errors import SyncCancelled, UnknownEntity
from syncflow_pipelines.events.happenings import sync_finished
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.sync.model import Claimed, Counts, Strategy
from syncflow_pipelines.sync.totals import count_run
from syncflow_pipelines.transport import LatencyCounts

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('syncflow entity ' || %s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('syncflow entity ' || %s, 0))"
_OPEN = """
INSERT INTO sync_runs
  (uid, entity_uid, started_at, status, strategy, is_full_refresh, trigger, dagster_run_id, rowversion_start)
VALUES (%s, %s, now(), 'running', %s, %s, %s, %s, %s)
"""
_TAKE_OVER = """
UPDATE sync_runs SET started_at = now(), status = 'running', strategy = %s, dagster_run_id = %s, rowversion_start = %s
WHERE uid = %s AND claim = %s AND status = 'queued'
"""
_TOLD = """
r.uid, r.trigger, c.name || '/' || e.slug AS entity, jsonb_build_object('run', r.uid, 'status', r.status,
  'strategy', r.strategy, 'is_full_refresh', r.is_full_refresh, 'trigger', r.trigger, 'started_at', r.started_at,
  'completed_at', r.completed_at, 'fetched', r.records_fetched, 'inserted', r.records_inserted,
  'updated', r.records_updated, 'unchanged', r.records_unchanged, 'deleted', r.records_deleted,
  'rejected', r.records_rejected, 'missing', r.records_missing, 'rowversion_end', r.rowversion_end,
  'error', r.error_message, 'error_type', r.error_details ->> 'type') AS told
"""
"""What the event says of a run."""
_CLOSE = f"""
UPDATE sync_runs r SET completed_at = clock_timestamp(), status = %(status)s, rowversion_end = %(rowversion_end)s,
  records_fetched = %(fetched)s, records_inserted = %(inserted)s, records_updated = %(updated)s,
  records_unchanged = %(unchanged)s, records_deleted = %(deleted)s, records_rejected = %(rejected)s,
  records_missing = %(missing)s, error_message = %(error)s, error_details = %(error_details)s, details = %(details)s,
  progress = NULL
FROM entities e JOIN connectors c ON c.uid = e.connector_uid
WHERE r.uid = %(uid)s AND r.status = 'running' AND e.uid = r.entity_uid RETURNING {_TOLD}
"""  # noqa: S608 - of constants
_REFUSE = f"""
UPDATE sync_runs r SET completed_at = now(), status = 'failed', error_message = %s, error_details = %s
FROM entities e JOIN connectors c ON c.uid = e.connector_uid
WHERE r.uid = %s AND r.claim IS NOT DISTINCT FROM %s AND r.status = 'queued' AND e.uid = r.entity_uid RETURNING {_TOLD}
"""  # noqa: S608 - of constants
_IS_OPEN = "SELECT 1 FROM sync_runs WHERE entity_uid = %s AND status = 'running' LIMIT 1"
_DEAD = f"""
UPDATE sync_runs r SET completed_at = now(), status = 'failed', error_message = %s,
  error_details = '{{"type": "ProcessEnded"}}', progress = NULL
FROM entities e JOIN connectors c ON c.uid = e.connector_uid
WHERE r.entity_uid = %s AND r.status = 'running' AND e.uid = r.entity_uid RETURNING {_TOLD}
"""  # noqa: S608 - of constants
RETRY = "retry"
"""The trigger of a run that tries rejected rows again, and asks the source for nothing."""

# The wait doubles with every failure in a row, from the entity's interval up to an hour or the interval.
_BACK_OFF = """
UPDATE entities SET last_sync_status = 'failed', last_run_uid = %s, updated_at = now(),
  consecutive_failures = consecutive_failures + 1,
  next_attempt_at = now() + make_interval(secs => least(
    sync_interval_seconds * power(2, least(consecutive_failures, 12)), greatest(sync_interval_seconds, 3600)))
WHERE uid = %s
"""
_RUNNING = "SELECT DISTINCT entity_uid FROM sync_runs WHERE status = 'running'"
_PURGE = """
DELETE FROM sync_runs r WHERE r.completed_at < now() - make_interval(days => %s)
AND r.uid NOT IN (SELECT last_run_uid FROM entities WHERE last_run_uid IS NOT NULL)
"""
_SELECT = """
SELECT r.uid, c.name || '/' || e.slug AS entity, r.status, r.strategy, r.is_full_refresh, r.trigger, r.dagster_run_id,
  r.started_at, r.completed_at, r.records_fetched AS fetched, r.records_inserted AS inserted,
  r.records_updated AS updated, r.records_unchanged AS unchanged, r.records_deleted AS deleted,
  r.records_rejected AS rejected, r.records_missing AS missing, r.rowversion_start, r.rowversion_end,
  r.error_message, r.error_details, r.details, r.created_at AS requested_at, r.cancel_requested_at, r.progress
FROM sync_runs r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid
"""
_LIST = (
    _SELECT
    + """
WHERE (%(entity)s::text IS NULL OR c.name || '/' || e.slug = %(entity)s)
  AND (%(status)s::text IS NULL OR r.status = %(status)s)
ORDER BY r.started_at DESC, r.uid LIMIT %(limit)s
"""
)
_FIND = _SELECT + "WHERE r.uid = %s"
_BEGIN_SO = "SELECT uid FROM sync_runs WHERE starts_with(uid::text, %s) LIMIT 2"

PROCESS_ENDED = "the process ended before the sync did; nothing of it was kept, and the next sync goes on from before"


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One row of the history."""

    uid: UUID
    entity: str
    """`connector/slug`."""
    status: str
    strategy: Strategy
    is_full_refresh: bool
    trigger: str
    dagster_run_id: str | None
    started_at: datetime
    completed_at: datetime | None
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    missing: int
    rowversion_start: str | None
    rowversion_end: str | None
    error_message: str | None
    error_details: dict[str, Any] | None
    details: dict[str, Any] | None
    requested_at: datetime | None = None
    """When its record was made: of a queued run, when it was asked for."""
    cancel_requested_at: datetime | None = None
    progress: dict[str, Any] | None = None
    """Of a run that takes longer than a second: `phase`, `rows`, `total` and `at`, about a second old."""

    @property
    def seconds(self) -> float | None:
        return (self.completed_at - self.started_at).total_seconds() if self.completed_at else None


def try_lock(connection: psycopg.Connection, entity_uid: UUID) -> bool:
    """Takes the entity's lock for this connection, unless somebody has it."""
    row = connection.execute(_TRY_LOCK, (str(entity_uid),)).fetchone()
    return bool(row and row[0])


def unlock(connection: psycopg.Connection, entity_uid: UUID) -> None:
    """Gives the entity's lock back."""
    connection.execute(_UNLOCK, (str(entity_uid),))


def open_run(
    connection: psycopg.Connection,
    entity_uid: UUID,
    *,
    strategy: Strategy,
    full_refresh: bool,
    trigger: str,
    dagster_run_id: str | None,
    rowversion_start: str | None,
    queued: Claimed | None = None,
) -> UUID:
    """Records that a sync began. The caller holds the entity's lock, so any older run that is open is dead.

    `queued` is the record that it goes into instead of a new one. Raises `SyncCancelled` where that is not to be begun
    any more, or not with this claim.
    """
    _bury(connection, entity_uid)
    if queued:
        taking = (strategy, dagster_run_id, rowversion_start, queued.run_uid, queued.claim)
        if not connection.execute(_TAKE_OVER, taking).rowcount:
            raise SyncCancelled(f"run {queued.run_uid} was not begun: it was cancelled, or is begun by somebody else")
        return queued.run_uid
    uid = uuid4()
    connection.execute(_OPEN, (uid, entity_uid, strategy, full_refresh, trigger, dagster_run_id, rowversion_start))
    return uid


def close_run(
    connection: psycopg.Connection,
    uid: UUID,
    counts: Counts,
    *,
    rowversion_end: str | None = None,
    error: Exception | None = None,
    details: dict[str, Any] | None = None,
    latencies: LatencyCounts | None = None,
) -> bool:
    """Records how a sync ended, well or with the error, counts and publishes that, in the caller's transaction.

    `latencies`: of the requests that the source was sent. False where the record was closed before.
    """
    closed = connection.execute(
        _CLOSE,
        {
            "uid": uid,
            "status": "failed" if error else "success",
            "fetched": counts.fetched,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "deleted": counts.deleted,
            "rejected": counts.rejected,
            "missing": counts.missing,
            "rowversion_end": rowversion_end,
            "error": str(error) if error else None,
            "error_details": Jsonb({"type": type(error).__name__}) if error else None,
            "details": Jsonb(details) if details else None,
        },
    ).fetchone()
    if closed is None:
        return False
    _, _, entity, told = closed
    count_run(connection, uid, latencies)
    publish(connection, [sync_finished(entity, told)])
    return True


def refuse_claimed(connection: psycopg.Connection, queued: Claimed, error: Exception) -> bool:
    """Records, and publishes, that a queued run will not be begun; False where the claim does not hold any more."""
    return refuse_queued(connection, queued.run_uid, queued.claim, error)


def refuse_queued(connection: psycopg.Connection, uid: UUID, claim: UUID | None, error: Exception) -> bool:
    """The same for a run that nobody may have claimed."""
    details = Jsonb({"type": type(error).__name__})
    refused = connection.execute(_REFUSE, (str(error), details, uid, claim)).fetchone()
    if refused is None:
        return False
    _, _, entity, told = refused
    publish(connection, [sync_finished(entity, told)])
    return True


def back_off(connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID) -> None:
    """Notes that the entity's sync failed, and when the next may be tried."""
    connection.execute(_BACK_OFF, (run_uid, entity_uid))


def close_dead_runs(connection: psycopg.Connection) -> int:
    """Marks as failed every open run whose process is gone; returns how many.

    A run's process holds its entity's lock as long as it lives; PostgreSQL gives the lock back when it dies.
    The connection must be in autocommit, or the caller commits.
    """
    closed = 0
    for (entity_uid,) in connection.execute(_RUNNING).fetchall():
        if try_lock(connection, entity_uid):
            closed += _bury(connection, entity_uid)
            unlock(connection, entity_uid)
    return closed


def _bury(connection: psycopg.Connection, entity_uid: UUID) -> int:
    """Closes the entity's open runs, whose lock is held here; returns how many."""
    if not connection.execute(_IS_OPEN, (entity_uid,)).fetchone():
        return 0
    with connection.transaction():
        closed = connection.execute(_DEAD, (PROCESS_ENDED, entity_uid)).fetchall()
        publish(connection, [sync_finished(entity, told) for _, _, entity, told in closed])
        for run_uid, trigger, _, _ in closed:
            count_run(connection, run_uid)
            if trigger != RETRY:  # which says nothing of the source
                back_off(connection, entity_uid, run_uid)
    return len(closed)


def dagster_url(run: SyncRun, settings: Settings) -> str | None:
    """The address of the run's run in Dagster's UI; None where Dagster does not run it."""
    return f"{settings.dagster_url}/runs/{run.dagster_run_id}" if run.dagster_run_id else None


def list_runs(
    connection: psycopg.Connection, *, entity: str | None = None, status: str | None = None, limit: int = 50
) -> tuple[SyncRun, ...]:
    """The newest runs first; `entity` is `connector/slug`."""
    with connection.cursor(row_factory=class_row(SyncRun)) as cursor:
        return tuple(cursor.execute(_LIST, {"entity": entity, "status": status, "limit": limit}).fetchall())


def find_run(connection: psycopg.Connection, uid: UUID) -> SyncRun:
    """The run of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=class_row(SyncRun)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no run {uid} is known; `syncflow runs` lists them")
    return found


def run_beginning(connection: psycopg.Connection, beginning: str) -> UUID:
    """The uid of the only run whose uid begins so. Raises `UnknownEntity`."""
    found = connection.execute(_BEGIN_SO, (beginning,)).fetchall()
    if not found:
        raise UnknownEntity(f"no run {beginning} is known; `syncflow runs` lists them")
    if len(found) > 1:
        raise UnknownEntity(f"several runs begin with {beginning}; write more of it, as `syncflow runs` lists them")
    return UUID(str(found[0][0]))


def purge_runs(connection: psycopg.Connection, older_than_days: int) -> int:
    """Deletes the runs that ended longer ago, but each entity's last; returns how many."""
    return connection.execute(_PURGE, (older_than_days,)).rowcount
