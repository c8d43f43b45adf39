"""What the gateway passed on is told by endpoint, and statuses that an endpoint invents make no series."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from syncflow_pipelines.api.traffic_families import traffic_families
from syncflow_pipelines.gateway.statistics import Statistics


class Told(Collector):
    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def collect(self) -> list[Metric]:
        return list(traffic_families({"crm@v1": self.statistics.snapshot()}))


def test_requests_are_told_by_class_of_status_with_their_latencies() -> None:
    statistics = Statistics()
    for status in (200, 204, 299, 503, 0, 999):
        statistics.started()
        statistics.ended(status, 0.004)
    statistics.started()
    statistics.refused("rate")
    statistics.retried()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Told(statistics))
    said = generate_latest(registry).decode()
    crm = 'endpoint="crm"'
    for line in (
        f'syncflow_gateway_requests_total{{{crm},status="2xx",version="v1"}} 3.0',
        f'syncflow_gateway_requests_total{{{crm},status="cut",version="v1"}} 1.0',
        f'syncflow_gateway_requests_total{{{crm},status="other",version="v1"}} 1.0',
        f'syncflow_gateway_refused_total{{{crm},reason="rate",version="v1"}} 1.0',
        f'syncflow_gateway_in_flight{{{crm},version="v1"}} 1.0',
        f'syncflow_gateway_request_seconds_bucket{{{crm},le="0.005",version="v1"}} 6.0',
        f'syncflow_gateway_request_seconds_count{{{crm},version="v1"}} 6.0',
    ):
        assert line in said
