"""YAML files and the environment, as frozen values. The only reader of the environment."""

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.connectors import (
    ConnectorConfig,
    EntityOverride,
    EntitySettings,
    load_connectors,
)
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.settings import Settings, load_settings

__all__ = [
    "Auth",
    "BearerAuth",
    "ConnectorConfig",
    "EntityOverride",
    "EntitySettings",
    "Environment",
    "HeaderAuth",
    "NoAuth",
    "Settings",
    "load_connectors",
    "load_settings",
]
