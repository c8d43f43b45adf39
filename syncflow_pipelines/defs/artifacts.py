"""Where Dagster keeps files: below `SYNCFLOW_HOME`, as `dagster.yaml` names these classes.

A path written there would hold for one working folder only, and not follow the setting.
"""

from collections.abc import Mapping
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData

from syncflow_pipelines.config import load_settings

FOLDER = "dagster"


class SyncflowArtifacts(LocalArtifactStorage):
    """Files of runs and schedules in `<SYNCFLOW_HOME>/dagster`."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """The storage for the settings as they are now."""
        return cls(_folder(), inst_data)


class SyncflowLogs(LocalComputeLogManager):
    """What steps print, in `<SYNCFLOW_HOME>/dagster/logs`."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """The manager for the settings as they are now."""
        return cls(f"{_folder()}/logs", inst_data=inst_data)


def _folder() -> str:
    return str(load_settings().home / FOLDER)
