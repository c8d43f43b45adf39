"""The record of a sync that failed: closed whatever state its connection, or PostgreSQL, is in."""

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import DatabaseError, SyncCancelled, SyncError, SyncflowError
from syncflow_pipelines.sync.model import Counts, Entity
from syncflow_pipelines.sync.refusals import as_ours
from syncflow_pipelines.sync.runs import back_off, close_run
from syncflow_pipelines.transport import LatencyCounts

RECORD_LIMIT_S: Final = 10.0
"""How long a run that failed waits for a PostgreSQL that is being started again, to say so there."""
CANCELLED_RECORD_LIMIT_S: Final = 2.0
RECORD_POLL_S: Final = 0.5

_CANCELLED = "UPDATE entities SET last_sync_status = 'failed', last_run_uid = %s, updated_at = now() WHERE uid = %s"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that is to be closed, and what was counted of it."""

    uid: UUID
    entity: Entity
    counts: Counts
    latencies: LatencyCounts
    """Of the requests to its source."""


def record_failure(
    database: Database,
    connection: psycopg.Connection,
    run: FailedRun,
    error: BaseException,
    *,
    application: str,
    is_cancelled: bool,
) -> None:
    """Closes the run's record; where PostgreSQL stays away for long, the next sync does it.

    `application` is the name of another connection, where the sync's own cannot be used any more.
    """
    shown = shown_error(run.entity.key, error)
    deadline = time.monotonic() + (CANCELLED_RECORD_LIMIT_S if is_cancelled else RECORD_LIMIT_S)
    while True:
        try:
            return _close(database, connection, run, shown, application)
        except (psycopg.Error, DatabaseError) as failure:
            if time.monotonic() >= deadline:
                _LOG.warning("%s: its run record stays open for now: %s", run.entity.key, type(failure).__name__)
                return None
        time.sleep(RECORD_POLL_S)


def unexpected(key: str, error: BaseException) -> SyncError:
    """What is said of an error that nobody expects."""
    return SyncError(f"{key}: an unexpected {type(error).__name__} ended the sync; its traceback is in the log")


def shown_error(key: str, error: BaseException) -> SyncflowError:
    """What the run record says of the error."""
    if ours := as_ours(error):
        return ours
    if not isinstance(error, Exception):
        return SyncCancelled(f"{key} was interrupted; nothing of this sync was kept")
    return unexpected(key, error)


def _close(
    database: Database, connection: psycopg.Connection, run: FailedRun, shown: SyncflowError, application: str
) -> None:
    if connection.info.transaction_status != TransactionStatus.IDLE:
        connection.close()  # what it left half-done would be in the way, and ends with it
    with ExitStack() as stack:
        if connection.closed:
            connection = stack.enter_context(database.dedicated(application))
        stack.enter_context(connection.transaction())
        end = run.entity.last_rowversion
        if not close_run(connection, run.uid, run.counts, rowversion_end=end, error=shown, latencies=run.latencies):
            return  # the sync was committed, and only PostgreSQL's answer was lost
        if isinstance(shown, SyncCancelled):
            connection.execute(_CANCELLED, (run.uid, run.entity.uid))
        else:
            back_off(connection, run.entity.uid, run.uid)
