"""How everything stands, read from the tables: what metrics show, and what alerts are decided by.

Nothing here looks through the history of runs, which may have millions of rows: only at each entity's last run, at the
runs that have not ended, and at totals.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.database.gateway_health import BreakerRow, HealthRow, breaker_rows, health_rows
from syncflow_pipelines.database.subscriptions import Subscriber, subscribers

T = TypeVar("T")

LONGEST_STATEMENT_S: Final = 8.0
"""Prometheus waits ten seconds for a scrape."""

_LIMITED = "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)"
# Those that were known first come first.
_ENTITIES = """
WITH running AS (SELECT entity_uid, min(started_at) AS since FROM sync_runs WHERE status = 'running' GROUP BY 1),
  open_rejects AS (SELECT entity_uid, count(*) AS number FROM rejected_rows WHERE status = 'open' GROUP BY 1)
SELECT c.name AS connector, e.slug, e.sync_enabled AND e.is_present AND c.is_active AS is_followed,
  e.sync_interval_seconds AS interval_s, e.created_at, e.last_sync_at, e.consecutive_failures, e.live_rows,
  coalesce(o.number, 0) AS open_rejects, w.since AS running_since, r.status AS last_status,
  extract(epoch FROM r.completed_at - r.started_at)::float8 AS last_seconds, r.completed_at AS last_ended_at,
  r.error_details ->> 'type' AS last_error_type, r.error_message AS last_error, now() AS now
FROM entities e JOIN connectors c ON c.uid = e.connector_uid
LEFT JOIN running w ON w.entity_uid = e.uid LEFT JOIN open_rejects o ON o.entity_uid = e.uid
LEFT JOIN sync_runs r ON r.uid = e.last_run_uid
ORDER BY e.created_at, e.uid
"""
_TOTALS = """
SELECT c.name AS connector, e.slug, t.strategy, t.status, t.runs, t.seconds, t.duration_counts, t.fetched, t.inserted,
  t.updated, t.unchanged, t.deleted, t.rejected, t.missing
FROM sync_totals t JOIN entities e ON e.uid = t.entity_uid JOIN connectors c ON c.uid = e.connector_uid
ORDER BY e.created_at, e.uid, t.strategy, t.status
"""
_ERRORS = """
SELECT c.name AS connector, e.slug, t.error_type, t.runs
FROM sync_error_totals t JOIN entities e ON e.uid = t.entity_uid JOIN connectors c ON c.uid = e.connector_uid
ORDER BY e.created_at, e.uid, t.error_type
"""
_SOURCES = """
SELECT c.name AS connector, t.latency_counts, t.seconds, t.failed
FROM source_totals t JOIN entities e ON e.uid = t.entity_uid JOIN connectors c ON c.uid = e.connector_uid
ORDER BY c.name
"""
_SPECS = """
SELECT s.service, s.fetched_at, s.changed_at, s.failed_at, s.error, s.error_type, s.operations,
  v.is_accepted, v.decided_at
FROM specs s
LEFT JOIN LATERAL (
  SELECT id FROM spec_versions n WHERE n.service = s.service ORDER BY id DESC LIMIT 1) AS newest ON true
LEFT JOIN spec_verdicts v ON v.version = newest.id
ORDER BY s.service
"""
_QUEUES = """
SELECT status, count(*) AS number, extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
FROM sync_runs WHERE status IN ('queued', 'running') GROUP BY status
"""
_ALERTS = "SELECT rule, severity, count(*) FROM alerts WHERE recovered_at IS NULL GROUP BY rule, severity ORDER BY rule"
# What others call their connections is not ours to label.
_CONNECTIONS = """
SELECT CASE WHEN application_name ~ '^syncflow[a-z ]*$' AND length(application_name) <= 40 THEN application_name
    WHEN application_name LIKE 'syncflow%' THEN 'syncflow' ELSE 'other' END AS application, count(*) AS number
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 1
"""
_SERVER = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - current_setting('reserved_connections', true)::int AS connections_limit,
  pg_database_size(current_database()) AS size_bytes, current_setting('server_version') AS version,
  (SELECT version_num FROM syncflow_version) AS revision, (SELECT last FROM event_sequence) AS events,
  (SELECT exhausted FROM pool_totals) AS pool_exhausted, (SELECT last_at FROM pool_totals) AS pool_exhausted_at,
  (SELECT last_limit FROM pool_totals) AS pool_limit, now() AS now
"""


@dataclass(frozen=True, slots=True)
class EntityMeasure:
    """How one entity stands."""

    connector: str
    slug: str
    is_followed: bool
    """Whether it is meant to be synced by itself."""
    interval_s: int
    created_at: datetime
    last_sync_at: datetime | None
    """The last sync that ended well."""
    consecutive_failures: int
    live_rows: int | None
    open_rejects: int
    running_since: datetime | None
    last_status: str | None
    """Of the last run that ended; so are those below."""
    last_seconds: float | None
    last_ended_at: datetime | None
    last_error_type: str | None
    last_error: str | None
    now: datetime

    @property
    def key(self) -> str:
        """`connector/slug`."""
        return f"{self.connector}/{self.slug}"

    @property
    def age_s(self) -> float:
        """Seconds since the last sync that ended well, or else since the entity was discovered."""
        return (self.now - (self.last_sync_at or self.created_at)).total_seconds()

    @property
    def running_s(self) -> float:
        """For how long a sync is under way; 0 where none is."""
        return (self.now - self.running_since).total_seconds() if self.running_since else 0.0


@dataclass(frozen=True, slots=True)
class SyncTotals:
    """What all syncs of one entity came to, of one strategy and outcome."""

    connector: str
    slug: str
    strategy: str
    status: str
    runs: int
    seconds: float
    duration_counts: Sequence[int]
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    missing: int


@dataclass(frozen=True, slots=True)
class ErrorTotals:
    """How often syncs of one entity ended with an error of one class."""

    connector: str
    slug: str
    error_type: str
    runs: int


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """How long a connector's source took to answer, for one of its entities."""

    connector: str
    latency_counts: Sequence[int]
    seconds: float
    failed: int


@dataclass(frozen=True, slots=True)
class SpecMeasure:
    """How a service's OpenAPI spec stands."""

    service: str
    fetched_at: datetime | None
    changed_at: datetime | None
    failed_at: datetime | None
    error: str | None
    """Why the last look failed; None where it did not."""
    error_type: str | None
    operations: int | None
    is_accepted: bool | None
    """Whether the newest version is: False means that it breaks callers, and nobody accepted that."""
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueueMeasure:
    """Runs that have not ended, by status."""

    status: str
    number: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class ServerMeasure:
    """The PostgreSQL server, and what is counted for the whole installation."""

    connections_limit: int
    """For users without privileges."""
    size_bytes: int
    version: str
    revision: str
    events: int
    """Ever published and put in order."""
    pool_exhausted: int | None
    pool_exhausted_at: datetime | None
    pool_limit: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything that is measured, as of one moment."""

    entities: Sequence[EntityMeasure]
    totals: Sequence[SyncTotals]
    errors: Sequence[ErrorTotals]
    sources: Sequence[SourceTotals]
    specs: Sequence[SpecMeasure]
    queues: Sequence[QueueMeasure]
    subscribers: Sequence[Subscriber]
    connections: Sequence[tuple[str, int]]
    """By the name of the application, of the whole server."""
    endpoints: Sequence[HealthRow]
    breakers: Sequence[BreakerRow]
    alerts: Sequence[tuple[str, str, int]]
    """Open ones: rule, severity, and how many."""
    server: ServerMeasure


def measure(connection: psycopg.Connection) -> Measurements:
    """Everything, in a transaction of its own. Raises `psycopg.Error` where a statement takes too long."""
    with limited(connection):
        return Measurements(
            entities=entity_measures(connection),
            totals=_rows(connection, SyncTotals, _TOTALS),
            errors=_rows(connection, ErrorTotals, _ERRORS),
            sources=_rows(connection, SourceTotals, _SOURCES),
            specs=spec_measures(connection),
            queues=_rows(connection, QueueMeasure, _QUEUES),
            subscribers=subscribers(connection),
            connections=connection_counts(connection),
            endpoints=health_rows(connection),
            breakers=breaker_rows(connection),
            alerts=connection.execute(_ALERTS).fetchall(),
            server=server_measure(connection),
        )


@contextmanager
def limited(connection: psycopg.Connection) -> Iterator[None]:
    """One transaction in which no statement takes long."""
    limit = f"{LONGEST_STATEMENT_S * 1000:.0f}"
    with connection.transaction():
        connection.execute(_LIMITED, (limit, limit))
        yield


def entity_measures(connection: psycopg.Connection) -> Sequence[EntityMeasure]:
    """Every entity, in the order in which they were discovered."""
    return _rows(connection, EntityMeasure, _ENTITIES)


def spec_measures(connection: psycopg.Connection) -> Sequence[SpecMeasure]:
    """Every spec that is followed, by service."""
    return _rows(connection, SpecMeasure, _SPECS)


def connection_counts(connection: psycopg.Connection) -> Sequence[tuple[str, int]]:
    """Connections to the whole server by the name of the application; `other`: those of other programs."""
    return [(str(name), int(number)) for name, number in connection.execute(_CONNECTIONS).fetchall()]


def server_measure(connection: psycopg.Connection) -> ServerMeasure:
    """The server as it is."""
    (measured,) = _rows(connection, ServerMeasure, _SERVER)
    return measured


def reachability(entities: Iterable[EntityMeasure]) -> dict[str, bool]:
    """By connector, whether a sync ended well since the last one that could not reach the source."""
    unreached: dict[str, datetime] = {}
    reached: dict[str, datetime] = {}
    for one in entities:
        if one.last_sync_at:
            reached[one.connector] = max(one.last_sync_at, reached.get(one.connector, one.last_sync_at))
        if one.last_error_type == "SourceUnreachable" and one.last_ended_at:
            unreached[one.connector] = max(one.last_ended_at, unreached.get(one.connector, one.last_ended_at))
    return {name: name not in unreached or unreached[name] < reached.get(name, unreached[name]) for name in
            sorted({*unreached, *reached})}  # fmt: skip


def _rows(connection: psycopg.Connection, kind: type[T], query: Any) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query).fetchall()
