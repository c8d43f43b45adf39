"""A project folder whose source the test drives, and how to run what Dagster would run in it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines_tests.postgres.world import World, row

REPOSITORY = Path(__file__).parents[2]

CONNECTORS = """
connectors:
  - name: erp
    base_url: {url}
    auth: {{type: bearer, token_file: token}}
    timeout_s: 10
"""

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Project:
    """The folder, and the source, tables and settings of its connector `erp`."""

    path: Path
    world: World

    def offer(self, *slugs: str, rows: int = 20, strategy: str = "rowversion") -> None:
        """Offers entities with that many rows; discovers nothing."""
        for slug in slugs:
            self.world.offer(slug, strategy)
            self.world.store.insert(slug, [row(number) for number in range(rows)])

    def definitions(self) -> dg.Definitions:
        """What a process that starts now would load."""
        return build_definitions(load_world())

    def run(
        self,
        instance: dg.DagsterInstance,
        job: str,
        slugs: Collection[str] | None = None,
        *,
        checks: Collection[dg.AssetCheckKey] | None = (),
        **options: Any,
    ) -> dg.ExecuteInProcessResult:
        """Runs part of an asset job as the sensors ask for it (`checks`: none); never raises for a failed run."""
        definition = self.definitions().resolve_job_def(job)
        if slugs is not None:
            keys = {entity_key("erp", slug) for slug in slugs}
            selected = frozenset(checks) if checks is not None else None
            definition = definition.get_subset(asset_selection=keys, asset_check_selection=selected)
        return definition.execute_in_process(QUIET, instance, raise_on_error=False, **options)


def materialised(result: dg.ExecuteInProcessResult) -> list[str]:
    """Slugs of the assets that the run materialised, sorted."""
    keys = [event.asset_key for event in result.get_asset_materialization_events()]
    return sorted(key.path[-1] for key in keys if key)


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What the failed step says of itself."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""
