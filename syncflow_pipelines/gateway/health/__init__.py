"""Looks at endpoints without being asked, and knows how each of them stands."""

from syncflow_pipelines.gateway.health.checks import HealthChecks, process_name
from syncflow_pipelines.gateway.health.probe import ConnectorFactory, health_url, plain_connector
from syncflow_pipelines.gateway.health.standing import CheckOutcome, EndpointStanding, HealthSummary

__all__ = [
    "CheckOutcome",
    "ConnectorFactory",
    "EndpointStanding",
    "HealthChecks",
    "HealthSummary",
    "health_url",
    "plain_connector",
    "process_name",
]
