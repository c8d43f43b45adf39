"""What is measured, in Prometheus' words. Labels are names of the catalogue and of the configuration, and bounded."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from platform import python_version
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from syncflow_pipelines import __version__
from syncflow_pipelines.database.gateway_health import BreakerRow, HealthRow
from syncflow_pipelines.database.measurements import (
    EntityMeasure,
    Measurements,
    ServerMeasure,
    SpecMeasure,
    SyncTotals,
    reachability,
)
from syncflow_pipelines.database.subscriptions import Subscriber
from syncflow_pipelines.sync.inspection.freshness import late_after_s, stale_after_s
from syncflow_pipelines.sync.totals import DURATION_BOUNDS_S
from syncflow_pipelines.transport.latencies import BOUNDS_S

MOST_ENTITIES: Final = 5000
"""So many entities have series of their own, those that were discovered first; the others share those of `OTHERS`."""
MOST_SERVICES: Final = 1000
"""And so many services, endpoints and subscribers."""
OTHERS: Final = "_other"

_KINDS: Final = ("fetched", "inserted", "updated", "unchanged", "deleted", "rejected", "missing")
_ENTITY: Final = ("connector", "entity")
_ENDPOINT: Final = ("endpoint", "version")
_BREAKER_STATES: Final = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


def families(measured: Measurements) -> Iterator[Metric]:
    """Every family of the measurements."""
    shown = frozenset(entity.key for entity in measured.entities[:MOST_ENTITIES])
    yield from _installation(measured, len(measured.entities) - len(shown))
    yield from _sync_totals(measured.totals, shown)
    yield _errors(measured, shown)
    yield from _entities(measured.entities[:MOST_ENTITIES])
    yield from _sources(measured)
    yield from _specs(measured.specs[:MOST_SERVICES])
    yield from _queues(measured)
    yield from _subscribers(measured.subscribers[:MOST_SERVICES])
    yield from _gateway(measured.endpoints[:MOST_SERVICES], measured.breakers)
    open_alerts = [((rule, severity), float(number)) for rule, severity, number in measured.alerts]
    yield _gauges("syncflow_open_alerts", "Alerts that are open.", ("rule", "severity"), open_alerts)
    yield from _server(measured)


def _installation(measured: Measurements, left_out: int) -> Iterator[Metric]:
    labels = ("version", "revision", "python", "postgresql")
    build = GaugeMetricFamily("syncflow_build_info", "What is running; always 1.", labels=labels)
    build.add_metric((__version__, measured.server.revision, python_version(), measured.server.version), 1)
    yield build
    yield GaugeMetricFamily("syncflow_entities", "Entities that are known.", value=len(measured.entities))
    yield GaugeMetricFamily(
        "syncflow_entities_without_series", f'Entities that share the series of entity="{OTHERS}".', value=left_out
    )


def _sync_totals(totals: Sequence[SyncTotals], shown: frozenset[str]) -> Iterator[Metric]:
    runs: dict[tuple[str, ...], int] = defaultdict(int)
    took: dict[tuple[str, ...], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    records: dict[tuple[str, ...], int] = defaultdict(int)
    buckets: dict[tuple[str, ...], Sequence[int]] = {}
    seconds: dict[tuple[str, ...], float] = defaultdict(float)
    for one in totals:
        entity = _entity_labels(one.connector, one.slug, shown)
        runs[*entity, one.strategy, one.status] += one.runs
        number, spent = took[*entity, one.strategy]
        took[*entity, one.strategy] = (number + one.runs, spent + one.seconds)
        for kind in _KINDS:
            records[*entity, kind] += getattr(one, kind)
        by = (one.connector, one.strategy)
        buckets[by] = _added(buckets.get(by), one.duration_counts)
        seconds[by] += one.seconds
    yield _counter("syncflow_syncs", "Syncs that ended.", (*_ENTITY, "strategy", "status"), runs)
    yield _counter("syncflow_records", "Records by what became of them.", (*_ENTITY, "kind"), records)
    summary = SummaryMetricFamily(
        "syncflow_entity_sync_seconds", "How long syncs of the entity took.", labels=(*_ENTITY, "strategy")
    )
    for labels, (number, spent) in took.items():
        summary.add_metric(labels, number, spent)
    yield summary
    yield _histogram(
        "syncflow_sync_seconds", "How long syncs took.", ("connector", "strategy"), DURATION_BOUNDS_S, buckets, seconds
    )


def _errors(measured: Measurements, shown: frozenset[str]) -> Metric:
    errors: dict[tuple[str, ...], int] = defaultdict(int)
    for one in measured.errors:
        errors[*_entity_labels(one.connector, one.slug, shown), one.error_type] += one.runs
    return _counter("syncflow_sync_errors", "Syncs that failed, by error.", (*_ENTITY, "error_type"), errors)


def _entities(entities: Sequence[EntityMeasure]) -> Iterator[Metric]:
    def of(name: str, documentation: str, value: Callable[[EntityMeasure], float | None]) -> Metric:
        measured = [((one.connector, one.slug), value(one)) for one in entities]
        return _gauges(f"syncflow_entity_{name}", documentation, _ENTITY, measured)

    yield of("followed", "Whether the entity is synced by itself.", lambda one: one.is_followed)
    yield of("interval_seconds", "How often the entity is to be synced.", lambda one: one.interval_s)
    yield of("age_seconds", "Since its last good sync, or else its discovery.", lambda one: one.age_s)
    yield of("late_after_seconds", "The age at which the entity is late.", lambda one: late_after_s(one.interval_s))
    yield of("stale_after_seconds", "The age at which it is stale.", lambda one: stale_after_s(one.interval_s))
    yield of("last_success_timestamp_seconds", "When a sync ended well last.", lambda one: _unix(one.last_sync_at))
    yield of("consecutive_failures", "Syncs that failed since the last good one.", lambda one: one.consecutive_failures)
    yield of("running_seconds", "How long a sync is under way; 0: none is.", lambda one: one.running_s)
    yield of("last_sync_seconds", "How long the last sync took.", lambda one: one.last_seconds)
    yield of("live_rows", "Rows of the table that the source still has.", lambda one: one.live_rows)
    yield of("open_rejects", "Rows that did not fit the table and are still open.", lambda one: one.open_rejects)


def _sources(measured: Measurements) -> Iterator[Metric]:
    buckets: dict[tuple[str, ...], Sequence[int]] = {}
    seconds: dict[tuple[str, ...], float] = defaultdict(float)
    failed: dict[tuple[str, ...], int] = defaultdict(int)
    for one in measured.sources:
        by = (one.connector,)
        buckets[by] = _added(buckets.get(by), one.latency_counts)
        seconds[by] += one.seconds
        failed[by] += one.failed
    yield _histogram(
        "syncflow_source_request_seconds",
        "From a request to the last byte of its answer.",
        ("connector",),
        BOUNDS_S,
        buckets,
        seconds,
    )
    yield _counter("syncflow_source_requests_failed", "Requests without an answer.", ("connector",), failed)
    followed = [one for one in measured.entities if one.is_followed]
    reachable = [((name,), float(is_up)) for name, is_up in reachability(followed).items()]
    yield _gauges("syncflow_source_up", "Whether the source answered the syncs lately.", ("connector",), reachable)


def _specs(specs: Sequence[SpecMeasure]) -> Iterator[Metric]:
    def of(name: str, documentation: str, value: Callable[[SpecMeasure], float | None]) -> Metric:
        return _gauges(f"syncflow_spec_{name}", documentation, ("service",), [((s.service,), value(s)) for s in specs])

    yield of("up", "Whether the last look at the spec succeeded.", lambda one: one.error is None)
    yield of("accepted", "Whether the newest version is accepted; 0: it breaks callers.", lambda one: one.is_accepted)
    yield of("operations", "Operations of the spec.", lambda one: one.operations)
    yield of("fetched_timestamp_seconds", "When a look succeeded last.", lambda one: _unix(one.fetched_at))
    yield of("changed_timestamp_seconds", "When the spec changed last.", lambda one: _unix(one.changed_at))


def _queues(measured: Measurements) -> Iterator[Metric]:
    by_status = {queue.status: queue for queue in measured.queues}
    statuses = ("queued", "running")
    numbers = [((name,), by_status[name].number if name in by_status else 0) for name in statuses]
    ages = [((name,), by_status[name].oldest_s if name in by_status else 0.0) for name in statuses]
    yield _gauges("syncflow_open_syncs", "Syncs that have not ended.", ("status",), numbers)
    yield _gauges("syncflow_open_syncs_oldest_seconds", "For how long the oldest has been there.", ("status",), ages)


def _subscribers(subscribers: Sequence[Subscriber]) -> Iterator[Metric]:
    def of(name: str, documentation: str, value: Callable[[Subscriber], float]) -> Metric:
        measured = [((one.name,), value(one)) for one in subscribers]
        return _gauges(f"syncflow_subscriber_{name}", documentation, ("subscriber",), measured)

    yield of("up", "Whether somebody is at work for the subscriber.", lambda one: one.is_active)
    yield of("undelivered", "Events that it has not had yet.", lambda one: one.lag + one.waiting)
    yield of("parked", "Events that it would not take.", lambda one: one.parked)
    missed: dict[tuple[str, ...], int] = {(one.name,): one.missed for one in subscribers}
    yield _counter("syncflow_subscriber_missed", "Events removed before it had them.", ("subscriber",), missed)


def _gateway(endpoints: Sequence[HealthRow], breakers: Sequence[BreakerRow]) -> Iterator[Metric]:
    """Health as one process finds it out for all; breakers as the worst of all processes has them."""
    shown = {one.key for one in endpoints}
    health = [((one.name, one.version, one.health), 1.0) for one in endpoints]
    yield _gauges("syncflow_endpoint_health", "How the endpoint stands; always 1.", (*_ENDPOINT, "health"), health)
    checked = [((one.name, one.version), one.latency_ms and one.latency_ms / 1000) for one in endpoints]
    yield _gauges("syncflow_endpoint_check_seconds", "How long the last check took.", _ENDPOINT, checked)
    states: dict[tuple[str, ...], float] = {}
    opened: dict[tuple[str, ...], int] = defaultdict(int)
    refused: dict[tuple[str, ...], int] = defaultdict(int)
    for one in breakers:
        if one.key in shown:
            states[one.key] = max(states.get(one.key, 0.0), _BREAKER_STATES[one.state])
            opened[one.key] += one.times_opened
            refused[one.key] += one.refused
    yield _gauges("syncflow_breaker_state", "0: closed, 1: half open, 2: open.", _ENDPOINT, states.items())
    yield _gauges("syncflow_breaker_opened", "Times that running processes opened it.", _ENDPOINT, opened.items())
    yield _gauges("syncflow_breaker_refused", "Requests that running processes refused.", _ENDPOINT, refused.items())


def _server(measured: Measurements) -> Iterator[Metric]:
    server: ServerMeasure = measured.server
    connections = [((name,), number) for name, number in measured.connections]
    yield _gauges("syncflow_database_connections", "Connections to the whole server.", ("application",), connections)
    yield GaugeMetricFamily(
        "syncflow_database_connections_limit", "Connections that the server allows.", value=server.connections_limit
    )
    yield GaugeMetricFamily("syncflow_database_size_bytes", "Of the database.", value=server.size_bytes)
    yield CounterMetricFamily(
        "syncflow_pool_exhausted", "Times that a process had no connection left.", value=server.pool_exhausted or 0
    )
    yield CounterMetricFamily("syncflow_events", "Events that were published.", value=server.events)


def _entity_labels(connector: str, slug: str, shown: frozenset[str]) -> tuple[str, str]:
    return (connector, slug if f"{connector}/{slug}" in shown else OTHERS)


def _counter(
    name: str, documentation: str, labels: Sequence[str], values: dict[tuple[str, ...], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _gauges(
    name: str, documentation: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], float | None]]
) -> GaugeMetricFamily:
    """What is None is left out."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for of, value in values:
        if value is not None:
            family.add_metric(of, float(value))
    return family


def _histogram(
    name: str,
    documentation: str,
    labels: Sequence[str],
    bounds: Sequence[float],
    counts: dict[tuple[str, ...], Sequence[int]],
    seconds: dict[tuple[str, ...], float],
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, documentation, labels=labels)
    limits = [*(f"{float(bound)}" for bound in bounds), "+Inf"]
    for of, counted in counts.items():
        family.add_metric(of, list(zip(limits, accumulate(counted), strict=True)), seconds[of])
    return family


def _added(before: Sequence[int] | None, more: Sequence[int]) -> Sequence[int]:
    return more if before is None else [one + another for one, another in zip(before, more, strict=True)]


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
