"""The connectors that are configured now, as the routes need them."""

from syncflow_pipelines.api.problems import refused
from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.sync.connectors import known_connectors


def connector_of(settings: Settings, name: str) -> ConnectorConfig:
    """The connector of that name, of the file or of the API; a secret that is kept is not read.

    Refuses where nothing configures it any more.
    """
    for connector in known_connectors(settings):
        if connector.name == name:
            return connector
    raise refused(409, f"connector {name} is not configured any more; add it to connectors.yaml again", kind="retired")
