"""Looks at endpoints without being asked, and knows how each of them stands."""

from syncflow_pipelines.gateway.health.checks import HealthChecks, process_name
from syncflow_pipelines.gateway.health.probe import health_url
from syncflow_pipelines.gateway.health.standing import CheckOutcome, EndpointStanding

__all__ = [
    "CheckOutcome",
    "EndpointStanding",
    "HealthChecks",
    "health_url",
    "process_name",
]
