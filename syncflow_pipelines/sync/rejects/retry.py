"""Rejected rows tried again: decoded by today's columns, staged and applied as a sync does, without asking the source.

All of it is one transaction under the entity's lock: rows, what became of the rejects, and the run record. The cursor
stays where it is, and nothing that the table holds of a later time is overwritten.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import psycopg

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SchemaRefused, SyncCancelled, SyncError, SyncflowError
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.history.recording import History
from syncflow_pipelines.sync.locking import locked
from syncflow_pipelines.sync.model import Counts, Entity, SyncOutcome
from syncflow_pipelines.sync.refusals import as_ours, translated
from syncflow_pipelines.sync.rejects.record import close_rejects, count_rejects
from syncflow_pipelines.sync.rejects.restaging import Restaged, Restaging, TriedRow, find_tried
from syncflow_pipelines.sync.runs import RETRY, close_run, open_run

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """The rejected rows of one entity to try again."""

    connector: str
    slug: str
    by: str
    """Who asks for it."""
    uids: tuple[UUID, ...] | None = None
    """These alone, where they are still open; None: every open one."""
    history: bool = False
    """Whether changes of the entity's rows are kept on record."""
    wait_s: float = 0.0
    dry_run: bool = False
    """Do it all and undo it, without a run record."""


@dataclass(frozen=True, slots=True)
class RetryOutcome:
    """What a retry came to."""

    sync: SyncOutcome
    tried: int = 0
    resolved: int = 0
    """Rejects that are none any more."""
    superseded: int = 0
    """The part of them whose row was left out, because the table holds a later one."""

    def as_json(self) -> dict[str, Any]:
        """The object that `syncflow rejects retry --json` prints for an entity."""
        counts = self.sync.counts
        return {
            "entity": self.sync.entity,
            "status": self.sync.status,
            "tried": self.tried,
            "resolved": self.resolved,
            "superseded": self.superseded,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "deleted": counts.deleted,
            "rejected": counts.rejected,
            "open": self.sync.open_rejects,
            "seconds": round(self.sync.seconds, 3),
            "error": self.sync.error,
            "run": str(self.sync.run_uid) if self.sync.run_uid else None,
        }


def retry_rejects(db: Database, request: RetryRequest) -> RetryOutcome:
    """Tries the entity's open rejected rows again, and tells what it came to.

    Those that fit the table by now are in it and resolved, those that do not stay open with the reason of today. What
    can go wrong with an entity does not raise: the outcome's status is `failed`, and nothing was changed.
    """
    started = time.monotonic()
    retry = _Retry(db, request)
    try:
        outcome = retry.run()
    except SyncflowError as error:
        outcome = retry.failure(error)
    except psycopg.Error as error:
        outcome = retry.failure(translated(error))
    return replace(outcome, sync=replace(outcome.sync, seconds=time.monotonic() - started))


@dataclass(slots=True)
class _Retry:
    """The course of one retry."""

    db: Database
    request: RetryRequest
    entity: Entity | None = None
    run_uid: UUID | None = None

    def run(self) -> RetryOutcome:
        with self.db.dedicated("syncflow retry") as connection:
            self.entity = find_entity(connection, self.request.connector, self.request.slug)
            with locked(connection, self.entity, self.request.wait_s):
                return self._run_locked(connection)

    def failure(self, error: SyncflowError) -> RetryOutcome:
        """The outcome of a retry that did not end well."""
        return RetryOutcome(
            SyncOutcome(
                entity=f"{self.request.connector}/{self.request.slug}",
                strategy=self.entity.strategy if self.entity else "full",
                status="failed",
                counts=Counts(),
                seconds=0.0,
                error=str(error),
                error_type=type(error).__name__,
                run_uid=self.run_uid,
            )
        )

    def _run_locked(self, connection: psycopg.Connection) -> RetryOutcome:
        # Read again under the lock: a sync may have moved the cursor.
        entity = self.entity = find_entity(connection, self.request.connector, self.request.slug)
        tried = find_tried(connection, entity.uid, self.request.uids)
        if not tried:
            return RetryOutcome(_succeeded(connection, entity, Restaged()))
        if not self.request.dry_run:
            self.run_uid = _open_run(connection, entity)
        try:
            return self._transfer(connection, entity, tried)
        except BaseException as error:
            _record_failure(connection, entity, self.run_uid, error)
            raise

    def _transfer(self, connection: psycopg.Connection, entity: Entity, tried: Sequence[TriedRow]) -> RetryOutcome:
        """The one transaction."""
        if entity.schema_error:
            raise SchemaRefused(f"{entity.key}: {entity.schema_error}")
        with connection.transaction(force_rollback=self.request.dry_run):
            history = History(connection, entity, self.run_uid or uuid4()) if self.request.history else None
            restaged = Restaging(connection, entity, history).run(tried)
            resolved = [one.uid for one in tried if one.uid not in restaged.still_bad]
            close_rejects(connection, resolved, "resolved", by=self.request.by, note=None)
            told = {"tried": len(tried), "resolved": len(resolved), "superseded": restaged.superseded}
            if self.run_uid:
                end = entity.last_rowversion
                close_run(connection, self.run_uid, restaged.counts, rowversion_end=end, details=told)
            return RetryOutcome(_succeeded(connection, entity, restaged, self.run_uid), **told)


def _succeeded(
    connection: psycopg.Connection, entity: Entity, restaged: Restaged, run_uid: UUID | None = None
) -> SyncOutcome:
    return SyncOutcome(
        entity=entity.key,
        strategy=entity.strategy,
        status="success",
        counts=restaged.counts,
        seconds=0.0,
        run_uid=run_uid,
        rowversion_start=entity.last_rowversion,
        rowversion_end=entity.last_rowversion,
        live_rows=find_entity(connection, entity.connector, entity.spec.slug).live_rows,
        table=entity.table,
        open_rejects=count_rejects(connection, entity.uid),
    )


def _open_run(connection: psycopg.Connection, entity: Entity) -> UUID:
    return open_run(
        connection,
        entity.uid,
        strategy=entity.strategy,
        full_refresh=False,
        trigger=RETRY,
        dagster_run_id=None,
        rowversion_start=entity.last_rowversion,
    )


def _record_failure(connection: psycopg.Connection, entity: Entity, run_uid: UUID | None, error: BaseException) -> None:
    """Closes the run's record; where the connection is gone too, the next sync does it."""
    if run_uid is None or connection.closed:
        return
    _LOG.warning("%s: the retry failed: %s", entity.key, type(error).__name__)
    with suppress(psycopg.Error), connection.transaction():
        close_run(connection, run_uid, Counts(), rowversion_end=entity.last_rowversion, error=_shown(entity.key, error))


def _shown(key: str, error: BaseException) -> SyncflowError:
    """What the run record says of the error."""
    if ours := as_ours(error):
        return ours
    if not isinstance(error, Exception):
        return SyncCancelled(f"{key} was interrupted; nothing of this retry was kept")
    return SyncError(f"{key}: an unexpected {type(error).__name__} ended the retry")
