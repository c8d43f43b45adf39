"""The component that makes every connector of the configuration into assets."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.storage.defs_state.base import DefsStateStorage
from dagster.components.utils.defs_state import DefsStateConfig
from dagster_shared.serdes.objects.models.defs_state_info import LOCAL_STATE_VERSION, DefsStateManagementType

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.connectors import follow_connectors
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.sync.state import FOLDER

STATE_KEY = "connectors"

_LOG = logging.getLogger(__name__)


@dataclass
class ConnectorsComponent(dg.StateBackedComponent, dg.Resolvable):
    """The entities of all connectors, as they were discovered last.

    The state is the catalogue state under `SYNCFLOW_HOME`, which the command line shares; it is never
    renewed while the location loads, so that a source that is down takes nothing from it.
    """

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig(
            key=STATE_KEY, management_type=DefsStateManagementType.LOCAL_FILESYSTEM, refresh_if_dev=False
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """As the base class, but for the place of the state, which it would look for below the package."""
        return self.build_defs_from_state(context, None)

    def build_defs_from_state(self, context: dg.ComponentLoadContext, state_path: Path | None) -> dg.Definitions:
        """Definitions from the state under `SYNCFLOW_HOME`, wherever Dagster would keep one."""
        return build_definitions(load_world())

    async def refresh_state(self, project_root: Path) -> str:
        """Discovers every connector; one that cannot be read keeps its old state.

        Raises `SyncflowError` where none could be read.
        """
        await asyncio.to_thread(discover_all)
        storage = DefsStateStorage.get()
        if storage is not None:
            storage.set_latest_version(STATE_KEY, LOCAL_STATE_VERSION)
        return LOCAL_STATE_VERSION

    def write_state_to_path(self, state_path: Path) -> None:
        """Discovers every connector, and copies the state to where Dagster asks for it."""
        discover_all()
        state_path.mkdir(parents=True, exist_ok=True)
        for file in (load_world().settings.home / FOLDER).glob("*.json"):
            (state_path / file.name).write_bytes(file.read_bytes())


def discover_all() -> None:
    """Discovers every enabled connector. Raises the last one's `SyncflowError` where none could be read."""
    settings = load_settings()
    failures: list[SyncflowError] = []
    with open_database(settings) as database:
        connectors = [connector for connector in follow_connectors(database, settings) if connector.enabled]
        for connector in connectors:
            try:
                discover(database, connector, settings)
            except SyncflowError as error:
                _LOG.warning("%s keeps its old state: %s", connector.name, error)
                failures.append(error)
    if failures and len(failures) == len(connectors):
        raise failures[-1]
