"""`/metrics`: how everything stands, for Prometheus, read from the database when it is asked for."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncflow_pipelines.api.metric_families import families
from syncflow_pipelines.api.problems import problems
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, Lane, open_database
from syncflow_pipelines.database.measurements import LONGEST_STATEMENT_S
from syncflow_pipelines.database.measuring import measured
from syncflow_pipelines.database.pool_usage import PoolUsage, pool_usage
from syncflow_pipelines.errors import DatabaseError

_LOG = logging.getLogger(__name__)

_OPENMETRICS: Final = "application/openmetrics-text"
FRESH_S: Final = 2.0
"""Scrapes that come sooner after another are answered with the same figures."""


class Metrics:
    """The figures of one installation; several threads may ask at once, and only one of them asks the database.

    Where that is away, `syncflow_database_up` is 0, and what this process knows of itself is all there is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._database: Database | None = None
        self._lane: Lane | None = None
        self._is_away = False
        self._more: list[Callable[[], Iterable[Metric]]] = []
        self._read: list[Metric] = []
        self._read_at = -FRESH_S
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Source(self.read))
        self._registry.register(_Source(partial(_pool_families, pool_usage)))

    def add(self, more: Callable[[], Iterable[Metric]]) -> None:
        """Has something else that this process measures told at every scrape; it is asked in the event loop."""
        self._more.append(more)

    def beside(self) -> list[Metric]:
        """What is told beside what the database says, as it is now."""
        return [family for more in self._more for family in more()]

    def exposition(self, accept: str, beside: Sequence[Metric] = ()) -> tuple[bytes, str]:
        """The figures in the form that the header `Accept` asks for, and its `Content-Type`; waits for the database."""
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # a version that is no number
            encode, content_type = choose_encoder("")
        return encode(_Source(lambda: chain(self._registry.collect(), beside))), content_type

    def read(self) -> Iterable[Metric]:
        """What the database says, a moment old at most."""
        if not self._guard.acquire(timeout=LONGEST_STATEMENT_S):
            return [_up(0)]  # another scrape has been asking for so long
        try:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._read = self._read_now()
                self._read_at = time.monotonic()
            return self._read
        finally:
            self._guard.release()

    def close(self) -> None:
        """Closes the connection that is kept."""
        with self._guard:
            self._forget()

    def _read_now(self) -> list[Metric]:
        began = time.monotonic()
        try:
            measurements = measured(self._open_lane())
        except DatabaseError as error:
            if not self._is_away:
                _LOG.warning("metrics are shown without what the database says: %s", error)
            self._is_away = True
            self._forget()
            return [_up(0)]
        self._is_away = False
        return [
            _up(1),
            *families(measurements),
            _gauge("syncflow_scrape_seconds", "How long the database took to say this.", time.monotonic() - began),
        ]

    def _open_lane(self) -> Lane:
        if self._lane is None or self._database is None:
            self._database = open_database(self._settings)
            self._lane = self._database.lane("syncflow metrics")
        return self._lane

    def _forget(self) -> None:
        lane, database, self._lane, self._database = self._lane, self._database, None, None
        if lane is not None and database is not None:
            with closing(database), closing(lane):
                pass


class _Source(Collector):
    """Something that is asked at every scrape."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        return ()  # or the database would be asked before anybody wants to know


def metrics_router(metrics: Metrics) -> APIRouter:
    """`GET /metrics`. Whoever includes it says who may ask."""
    router = APIRouter(tags=["metrics"])

    @router.get(
        "/metrics",
        operation_id="getMetrics",
        summary="Every figure, for Prometheus.",
        response_class=Response,
        responses={
            200: {"content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", _OPENMETRICS)}},
            **{status: problem for status, problem in problems().items() if status in (400, 401, 403)},
        },
    )
    async def get_metrics(request: Request) -> Response:
        """In Prometheus' text format, or as OpenMetrics where `Accept` asks for that.

        Where the database is away, `syncflow_database_up` is 0, and the figures that are read from it are not there.
        """
        accept = request.headers.get("accept", "")
        body, content_type = await run_in_threadpool(metrics.exposition, accept, metrics.beside())
        return Response(body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return router


def _pool_families(usage_now: Callable[[], PoolUsage]) -> Iterable[Metric]:
    usage = usage_now()
    connections = GaugeMetricFamily(
        "syncflow_pool_connections", "Connections in the pools of this process.", labels=("state",)
    )
    connections.add_metric(("in_use",), usage.in_use)
    connections.add_metric(("idle",), usage.opened - usage.in_use)
    yield connections
    yield _gauge("syncflow_pool_connections_limit", "Connections that the pools of this process may have.", usage.limit)
    yield _gauge("syncflow_pool_waiting", "Who waits for a connection of a pool of this process.", usage.waiting)


def _up(value: int) -> Metric:
    return _gauge("syncflow_database_up", "Whether the database could be asked.", value)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
