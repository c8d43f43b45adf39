"""Tells Dagster of syncs that it did not run, so that its assets show them too."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster import AssetCheckEvaluation, AssetCheckSeverity

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.defs.checks import REJECTS
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.results import metadata_of
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.model import SyncOutcome

CONFIGURATION = "dagster.yaml"


def report_outcomes(outcomes: Iterable[SyncOutcome], home: Path) -> int:
    """Records the syncs that ended well as materialisations without a run; returns how many.

    Without an instance, see `instance_folder`, nothing happens. `home` is SYNCFLOW_HOME.
    """
    good = [outcome for outcome in outcomes if outcome.status == "success"]
    folder = instance_folder(home)
    if folder is None or not good:
        return 0
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for outcome in good:
            _report(instance, outcome)
    return len(good)


def _report(instance: dg.DagsterInstance, outcome: SyncOutcome) -> None:
    connector, _, slug = outcome.entity.partition("/")
    key = entity_key(connector, slug)
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata_of(outcome)))
    instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=key,
            check_name=REJECTS,
            passed=outcome.open_rejects == 0,
            severity=AssetCheckSeverity.WARN,
            metadata={"count": outcome.open_rejects},
        )
    )


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The same instance, to run something in. Raises `ConfigurationError` where there is none."""
    folder = instance_folder(home)
    if folder is None:
        raise ConfigurationError(
            f"there is no {CONFIGURATION} in {Path.cwd()}, and DAGSTER_HOME names no folder that holds one; "
            "go to the folder of SyncFlow, or set DAGSTER_HOME to it"
        )
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def instance_folder(home: Path) -> Path | None:
    """The folder whose `dagster.yaml` holds: DAGSTER_HOME, or else the working folder, or the one that `home` is in."""
    named = load_settings().environment.get("DAGSTER_HOME")
    for folder in [Path(named)] if named else [Path.cwd(), home.parent]:
        if (folder / CONFIGURATION).is_file():
            return folder
    return None
