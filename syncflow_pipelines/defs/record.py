"""Tells Dagster of syncs that it did not run, so that its assets show them too."""

from collections.abc import Iterable, Iterator, Mapping
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


def report_open_rejects(open_rejects: Mapping[str, int], home: Path) -> None:
    """Records how many rejected rows are open now, by `connector/slug`; nothing happens without an instance."""
    folder = instance_folder(home)
    if folder is None or not open_rejects:
        return
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        for entity, count in open_rejects.items():
            instance.report_runless_asset_event(_rejects_check(_key(entity), count))


def _report(instance: dg.DagsterInstance, outcome: SyncOutcome) -> None:
    key = _key(outcome.entity)
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata_of(outcome)))
    instance.report_runless_asset_event(_rejects_check(key, outcome.open_rejects))


def _key(entity: str) -> dg.AssetKey:
    connector, _, slug = entity.partition("/")
    return entity_key(connector, slug)


def _rejects_check(key: dg.AssetKey, count: int) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=key,
        check_name=REJECTS,
        passed=count == 0,
        severity=AssetCheckSeverity.WARN,
        metadata={"count": count},
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
