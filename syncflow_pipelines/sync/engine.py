"""One sync of one entity, and many at once.

A sync holds its entity's lock on a connection of its own, and does everything in one transaction: rows,
cursor, rejects and run record commit together or not at all. A process killed at any moment leaves the
state of before; PostgreSQL then gives the lock back, and the next sync closes the dead run's record.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

import psycopg

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database, Lane
from syncflow_pipelines.errors import DatabaseError, SchemaRefused, SyncCancelled, SyncError, SyncflowError
from syncflow_pipelines.logs.fields import bound
from syncflow_pipelines.sync.cancellation import cancellable
from syncflow_pipelines.sync.ending import logged
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.failures import FailedRun, record_failure, unexpected
from syncflow_pipelines.sync.ingest import Ingest, Reading
from syncflow_pipelines.sync.locking import locked
from syncflow_pipelines.sync.model import Claimed, Counts, Entity, Strategy, SyncOutcome
from syncflow_pipelines.sync.refusals import translated
from syncflow_pipelines.sync.runs import close_run, open_run, refuse_claimed
from syncflow_pipelines.sync.schema.repair import repaired
from syncflow_pipelines.sync.schema.schema_changes import refill_reason
from syncflow_pipelines.sync.watching import RunWatch
from syncflow_pipelines.transport import LatencyCounts, SourceClient, open_source

_LOG = logging.getLogger(__name__)

_APPLICATION = "syncflow sync"

_SUCCEEDED = """
UPDATE entities SET last_sync_at = now(), last_sync_status = 'success', last_rowversion = %s, last_run_uid = %s,
  consecutive_failures = 0, next_attempt_at = NULL, live_rows = %s, updated_at = now() WHERE uid = %s
"""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One entity to sync, and how."""

    connector: ConnectorConfig
    slug: str
    strategy: Strategy | None = None
    """None: the entity's own."""
    full_refresh: bool = False
    """Forget the cursor, read everything, and compare every column."""
    trigger: str = "manual"
    dagster_run_id: str | None = None
    wait_s: float = 0.0
    """How long to wait for another sync of the same entity to end."""
    queued: Claimed | None = None
    """The run that was asked for, and is opened with this sync; None: a new one."""

    @property
    def key(self) -> str:
        """`connector/slug`."""
        return f"{self.connector.name}/{self.slug}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is."""

    entity: str
    phase: Literal["waiting", "reading", "writing", "done"]
    rows: int = 0
    total: int | None = None


Cancelled = Callable[[], bool]
Report = Callable[[Progress], None]


def _never() -> bool:
    return False


def _nobody(_: Progress) -> None:
    return None


def sync_entity(
    db: Database,
    settings: Settings,
    request: SyncRequest,
    *,
    source: SourceClient | None = None,
    cancelled: Cancelled = _never,
    progress: Report = _nobody,
) -> SyncOutcome:
    """Syncs one entity and tells what it came to.

    What can go wrong with an entity does not raise: the outcome's status is `failed`, with one sentence and the
    error's class. `source` is shared by the entities of one connector; without it a client is opened.
    """
    with ExitStack() as stack:

        def client() -> SourceClient:
            return source or stack.enter_context(open_source(request.connector, settings, cancelled=cancelled))

        lane = stack.enter_context(db.lane(_APPLICATION))
        watch = stack.enter_context(RunWatch(db))
        return _sync(_Sync(db, lane, request, cancelled, progress, watch), client)


def _sync(sync: "_Sync", client: Callable[[], SourceClient]) -> SyncOutcome:
    request = sync.request
    with bound(entity=request.key, connector=request.connector.name, dagster_run=request.dagster_run_id):
        return _timed(sync, client)


def _timed(sync: "_Sync", client: Callable[[], SourceClient]) -> SyncOutcome:
    started, request = time.monotonic(), sync.request
    try:
        outcome = sync.run(client)
    except SyncflowError as error:
        outcome = sync.failure(error)
    except psycopg.Error as error:
        outcome = sync.failure(translated(error))
    except Exception as error:  # noqa: BLE001 - the other entities of the run must not fall with this one
        _LOG.exception("%s", request.key, extra={"event": "sync_broken"})
        outcome = sync.failure(unexpected(request.key, error))
    finally:
        sync.leave()
    return logged(replace(outcome, seconds=time.monotonic() - started))


def sync_entities(
    db: Database,
    settings: Settings,
    requests: Sequence[SyncRequest],
    *,
    workers: int,
    cancelled: Cancelled = _never,
    progress: Report = _nobody,
) -> Iterator[SyncOutcome]:
    """Syncs many entities, `workers` at a time, and yields each outcome as it ends.

    The entities of one connector share its connections, so that together they never open more than its
    `concurrency`. Leaving the iterator early cancels what has not ended.
    """
    ended: queue.SimpleQueue[SyncOutcome | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def is_over() -> bool:
        return stop.is_set() or cancelled()

    with ExitStack() as stack:
        sources = _Sources(settings, is_over, stack)
        lanes: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for _ in range(max(workers, 1)):
            lanes.put(stack.enter_context(db.lane(_APPLICATION)))
        pool = stack.enter_context(ThreadPoolExecutor(max(workers, 1), thread_name_prefix="syncflow-sync"))
        watch = stack.enter_context(RunWatch(db))
        stack.callback(stop.set)

        waiting = deque(requests)

        def work() -> None:
            request, lane = waiting.popleft(), lanes.get()  # as many lanes as workers, so nobody waits for one
            try:
                sync = _Sync(db, lane, request, is_over, progress, watch)
                outcome: SyncOutcome | BaseException = _sync(sync, lambda: sources.of(request.connector))
            except BaseException as unexpected:  # noqa: BLE001 - handed to the caller's thread, which raises it
                outcome = unexpected
            if not waiting:
                lane.close()
            lanes.put(lane)
            ended.put(outcome)

        for _ in requests:
            pool.submit(work)
        for _ in requests:
            result = ended.get()
            if isinstance(result, BaseException):
                raise result
            yield result


class _Sources:
    """One client a connector, closed with the stack."""

    def __init__(self, settings: Settings, cancelled: Cancelled, stack: ExitStack) -> None:
        self._settings, self._cancelled, self._stack = settings, cancelled, stack
        self._clients: dict[str, SourceClient] = {}
        self._lock = threading.Lock()

    def of(self, connector: ConnectorConfig) -> SourceClient:
        """The connector's client. Raises `ConfigurationError` where its secret cannot be read."""
        with self._lock:
            if connector.name not in self._clients:
                client = open_source(connector, self._settings, cancelled=self._cancelled)
                self._clients[connector.name] = self._stack.enter_context(client)
            return self._clients[connector.name]


@dataclass(slots=True)
class _Sync:
    """The course of one sync."""

    db: Database
    lane: Lane
    request: SyncRequest
    stopped: Cancelled
    progress: Report
    watch: RunWatch
    entity: Entity | None = None
    run_uid: UUID | None = None
    counts: Counts = field(default_factory=Counts)
    source: SourceClient | None = None
    latencies: LatencyCounts = field(default_factory=LatencyCounts)

    @property
    def strategy(self) -> Strategy:
        """The strategy of this sync; before the entity is known, what was asked for."""
        if self.request.full_refresh:
            return "full"
        return self.request.strategy or (self.entity.strategy if self.entity else "full")

    def cancelled(self) -> bool:
        """Whether this process is to stop, or somebody wants the end of this run."""
        return self.stopped() or (self._watched is not None and self.watch.is_to_end(self._watched))

    @property
    def _watched(self) -> UUID | None:
        return self.request.queued.run_uid if self.request.queued else self.run_uid

    def run(self, client: Callable[[], SourceClient]) -> SyncOutcome:
        if self.request.queued:
            self.watch.add(self.request.queued.run_uid)
        if self.cancelled():
            raise SyncCancelled(f"{self.request.key} was not begun: cancelled")
        with self.lane.connection() as connection:
            with self._cancellable(connection):
                entity = self.entity = find_entity(connection, self.request.connector.name, self.request.slug)
            waits = self.request.wait_s
            with locked(connection, entity, waits, cancelled=self.cancelled, waiting=lambda: self._waits(entity)):
                return self._run_locked(connection, client)

    def leave(self) -> None:
        """The sync is over, well or not."""
        if self._watched is not None:
            self.watch.remove(self._watched)
        self.progress(Progress(self.request.key, "done"))

    def failure(self, error: SyncflowError) -> SyncOutcome:
        """The outcome of a sync that did not end well."""
        if self.request.queued and self.run_uid is None:
            self._refuse_queued(self.request.queued, error)
        return SyncOutcome(
            entity=self.request.key,
            strategy=self.strategy,
            status="failed",
            counts=self.counts,
            seconds=0.0,
            error=str(error),
            error_type=type(error).__name__,
            run_uid=self.run_uid,
            rowversion_start=self.entity.last_rowversion if self.entity else None,
            live_rows=self.entity.live_rows if self.entity else None,
            table=self.entity.table if self.entity else None,
        )

    def _refuse_queued(self, queued: Claimed, error: SyncflowError) -> None:
        """Closes the record of a run that did not even begin; where PostgreSQL is away, it is asked for again."""
        with suppress(psycopg.Error, DatabaseError), self.db.connection() as connection:
            if refuse_claimed(connection, queued, error):
                self.run_uid = queued.run_uid

    def _waits(self, entity: Entity) -> None:
        self.progress(Progress(entity.key, "waiting"))

    def _run_locked(self, connection: psycopg.Connection, client: Callable[[], SourceClient]) -> SyncOutcome:
        with self._cancellable(connection):
            # Read again under the lock: the sync before this one has moved the cursor.
            entity = self.entity = find_entity(connection, self.request.connector.name, self.request.slug)
            self.run_uid = open_run(
                connection,
                entity.uid,
                strategy=self.strategy,
                full_refresh=self.request.full_refresh,
                trigger=self.request.trigger,
                dagster_run_id=self.request.dagster_run_id,
                rowversion_start=None if self.request.full_refresh else entity.last_rowversion,
                queued=self.request.queued,
            )
            self.watch.add(self.run_uid)
        try:
            with self._cancellable(connection):
                _refuse_unsyncable(entity, self.strategy)
                entity = self.entity = repaired(connection, entity)
                return self._transfer(connection, client(), entity, self.run_uid)
        except BaseException as error:
            run = FailedRun(self.run_uid, entity, self.counts, self._latencies())
            record_failure(self.db, connection, run, error, application=_APPLICATION, is_cancelled=self.cancelled())
            raise

    def _report(self, phase: Literal["reading", "writing"], rows: int, total: int | None) -> None:
        if self.run_uid:
            self.watch.tell(self.run_uid, phase, rows, total)
        self.progress(Progress(self.request.key, phase, rows, total))

    def _cancellable(self, connection: psycopg.Connection) -> AbstractContextManager[None]:
        return cancellable(connection, self.request.key, self.cancelled)

    def _transfer(
        self, connection: psycopg.Connection, source: SourceClient, entity: Entity, run_uid: UUID
    ) -> SyncOutcome:
        """The one transaction. A read that is refused as a whole still commits its rejects and its record."""
        refusal: SyncError | None = None
        self.source = source
        with connection.transaction():
            ingest = Ingest(connection, self.request.connector, entity, run_uid, source)
            ingest.follow(self.cancelled, self._report)
            reading = ingest.read(self.strategy)
            if reason := refill_reason(connection, entity):
                reading.notes.insert(0, reason)
            try:
                result = ingest.write(reading)
            except SyncError as error:
                if isinstance(error, SyncCancelled):
                    raise
                refusal, self.counts = error, reading.counts
            else:
                connection.execute(_SUCCEEDED, (result.cursor, run_uid, result.live_rows, entity.uid))
                close_run(
                    connection,
                    run_uid,
                    result.counts,
                    rowversion_end=result.cursor,
                    details=_details(reading),
                    latencies=self._latencies(),
                )
        if refusal is not None:
            raise refusal
        return SyncOutcome(
            entity=entity.key,
            strategy=self.strategy,
            status="success",
            counts=result.counts,
            seconds=0.0,
            run_uid=run_uid,
            rowversion_start=entity.last_rowversion,
            rowversion_end=result.cursor,
            live_rows=result.live_rows,
            table=entity.table,
            open_rejects=result.open_rejects,
            recorded_changes=result.recorded_changes,
            pages=reading.pages,
            received_bytes=reading.received_bytes,
            notes=tuple(reading.notes),
        )

    def _latencies(self) -> LatencyCounts:
        """Of the requests so far that no other sync has told of; they are told once, with the record that is closed."""
        if self.source is not None:
            self.latencies += self.source.take_latencies()
        return self.latencies


def _refuse_unsyncable(entity: Entity, strategy: Strategy) -> None:
    if entity.schema_error:
        raise SchemaRefused(f"{entity.key}: {entity.schema_error}")
    if not entity.spec.can_be_synced_by(strategy):
        raise SyncError(f"{entity.key} has no row versions; sync it with the strategy hash or full")


def _details(reading: Reading) -> dict[str, object]:
    return {"pages": reading.pages, "received_bytes": reading.received_bytes, "notes": reading.notes}
