"""The connectors that are configured now, as the routes need them."""

from syncflow_pipelines.api.problems import refused
from syncflow_pipelines.config import ConnectorConfig, Settings, load_connectors


def connector_of(settings: Settings, name: str) -> ConnectorConfig:
    """The connector of that name. Refuses where nothing configures it any more."""
    for connector in load_connectors(settings):
        if connector.name == name:
            return connector
    raise refused(409, f"connector {name} is not configured any more; add it to connectors.yaml again", kind="retired")
