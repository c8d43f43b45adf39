"""Syncs that Dagster did not run are told to it."""

from pathlib import Path

import dagster as dg
import pytest

from syncflow_pipelines.defs.checks import REJECTS
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.record import instance_folder, open_instance, report_open_rejects, report_outcomes
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.rejects.dropping import DropRequest, drop_rejects
from syncflow_pipelines_tests.dagster.project import Project
from syncflow_pipelines_tests.postgres.world import row


def test_a_sync_of_the_command_line_shows_on_the_asset(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", rows=30)
    project.world.store.insert("items", [row(99, qty="not a number")])
    project.world.discover()
    outcome = project.world.sync("items")

    assert report_outcomes([outcome], project.world.settings.home) == 1

    event = instance.get_latest_materialization_event(entity_key("erp", "items"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["inserted"].value == 30
    check = dg.AssetCheckKey(entity_key("erp", "items"), REJECTS)
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert record.status.value == "FAILED"


def test_dropped_rows_show_on_the_check_alone(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", rows=30)
    project.world.store.insert("items", [row(99, qty="not a number")])
    project.world.discover()
    report_outcomes([project.world.sync("items")], project.world.settings.home)
    before = instance.get_latest_materialization_event(entity_key("erp", "items"))
    dropped = drop_rejects(project.world.database, DropRequest("erp", "items", "somebody"))
    assert (dropped.dropped, dropped.open_rejects) == (1, 0)

    report_open_rejects({dropped.entity: dropped.open_rejects}, project.world.settings.home)

    check = dg.AssetCheckKey(entity_key("erp", "items"), REJECTS)
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert record.status.value == "SUCCEEDED"
    assert instance.get_latest_materialization_event(entity_key("erp", "items")) == before


def test_a_sync_that_failed_materialises_nothing(project: Project, instance: dg.DagsterInstance) -> None:
    outcome = project.world.sync("unknown")
    assert outcome.status == "failed"
    assert report_outcomes([outcome], project.world.settings.home) == 0


def test_without_an_instance_nothing_happens(project: Project) -> None:
    project.offer("items")
    project.world.discover()
    outcome = project.world.sync("items")
    (project.path / "dagster.yaml").unlink()
    assert report_outcomes([outcome], project.world.settings.home) == 0
    with pytest.raises(ConfigurationError, match=r"dagster.yaml"), open_instance(project.world.settings.home):
        pass


def test_the_instance_is_that_of_dagster_home_or_of_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder / ".syncflow"
    assert instance_folder(home) == folder
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert instance_folder(home) == folder
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "elsewhere"))
    assert instance_folder(home) is None
    (folder / "elsewhere" / "dagster.yaml").touch()
    assert instance_folder(home) == folder / "elsewhere"
