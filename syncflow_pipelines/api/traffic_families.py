"""What the gateway of this process passed on, in Prometheus' words."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from syncflow_pipelines.gateway.statistics import LATENCY_BOUNDS_S, StatisticsSnapshot

_ENDPOINT: Final = ("endpoint", "version")
_CLASSES: Final = {0: "cut", 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
"""Of statuses, so that an endpoint cannot invent series; `cut`: the client went away before it was told anything."""
_LIMITS: Final = [*(f"{bound}" for bound in LATENCY_BOUNDS_S), "+Inf"]


def traffic_families(statistics: Mapping[str, StatisticsSnapshot]) -> Iterator[Metric]:
    """Every family, of endpoints by `name@version`. The counters begin anew with the process."""
    by_key = {tuple(key.rsplit("@", 1)): one for key, one in statistics.items()}
    requests = CounterMetricFamily("syncflow_gateway_requests", "Answered.", labels=(*_ENDPOINT, "status"))
    refused = CounterMetricFamily("syncflow_gateway_refused", "Not passed on.", labels=(*_ENDPOINT, "reason"))
    retries = CounterMetricFamily("syncflow_gateway_retries", "Sent again.", labels=_ENDPOINT)
    in_flight = GaugeMetricFamily("syncflow_gateway_in_flight", "Not answered yet.", labels=_ENDPOINT)
    seconds = HistogramMetricFamily("syncflow_gateway_request_seconds", "How long they took.", labels=_ENDPOINT)
    for key, one in by_key.items():
        for status, number in _by_class(one.by_status).items():
            requests.add_metric((*key, status), number)
        for reason, number in one.refused.items():
            refused.add_metric((*key, reason), number)
        retries.add_metric(key, one.retries)
        in_flight.add_metric(key, one.in_flight)
        seconds.add_metric(key, list(zip(_LIMITS, accumulate(one.latencies.counts), strict=True)), one.latencies.sum_s)
    yield from (requests, refused, retries, in_flight, seconds)


def _by_class(by_status: Mapping[int, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for status, number in by_status.items():
        name = _CLASSES.get(status // 100, "other")
        found[name] = found.get(name, 0) + number
    return found
