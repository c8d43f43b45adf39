"""The sensor that follows the sources of schemas: one run a changed source, none where a switch is off."""

from collections.abc import Sequence

import dagster as dg
import pytest

from syncflow_pipelines.config import load_schema_sync
from syncflow_pipelines.defs.asking import AGAIN_AFTER_S, Asked
from syncflow_pipelines.defs.names import catalogue_key, schemas_key
from syncflow_pipelines.defs.schema_changes import what_to_sync
from syncflow_pipelines.schemas.syncing import sync_schemas
from syncflow_pipelines_tests.dagster.project import Project
from syncflow_pipelines_tests.dagster.schemas_project import SchemasProject


def tick(
    project: SchemasProject | Project, instance: dg.DagsterInstance, cursor: str | None = None, name: str = ""
) -> dg.SensorResult:
    sensor = project.definitions().get_repository_def().get_sensor_def(name or "schema_model_changes")
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def requested(result: dg.SensorResult) -> dict[str, Sequence[dg.AssetKey]]:
    return {request.tags["syncflow/schemas"]: request.asset_selection or () for request in result.run_requests or ()}


def reason(result: dg.SensorResult) -> str:
    return str(result.skip_reason and result.skip_reason.skip_message)


def test_models_that_change_and_change_back_get_a_run_each_time(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    first = tick(schemas_project, instance)
    asked_again = tick(schemas_project, instance, first.cursor)
    schemas_project.run(instance)
    in_step = tick(schemas_project, instance, first.cursor)
    schemas_project.reword("price: Mapped[int]", "price: Mapped[str]")
    changed = tick(schemas_project, instance, in_step.cursor)
    schemas_project.run(instance)
    schemas_project.reword("price: Mapped[str]", "price: Mapped[int]")
    back = tick(schemas_project, instance, changed.cursor)

    assert requested(first) == requested(changed) == requested(back) == {"shop": [schemas_key("shop")]}
    assert (requested(asked_again), reason(asked_again)) == ({}, "No source of schemas changed.")
    assert (requested(in_step), reason(in_step)) == ({}, "No source of schemas changed.")
    keys = [request.run_key for result in (first, changed, back) for request in result.run_requests or ()]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SYNCFLOW_FLAG_SCHEMA_SYNC": "false"}, "SYNCFLOW_FLAG_SCHEMA_SYNC"),
        ({"SCHEMA_SYNC_AUTO_SYNC_ENABLED": "false"}, "SCHEMA_SYNC_AUTO_SYNC_ENABLED is false"),
        ({"SCHEMA_SYNC_ENVIRONMENT": "production"}, "SCHEMA_SYNC_ENABLE_IN_PRODUCTION is false"),
    ],
)
def test_a_switch_that_is_off_keeps_schemas_from_following_and_is_named(
    variables: dict[str, str],
    told: str,
    schemas_project: SchemasProject,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = tick(schemas_project, instance)

    assert requested(result) == {}
    assert told in reason(result)


def test_production_follows_where_that_is_allowed(
    schemas_project: SchemasProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA_SYNC_ENVIRONMENT", "production")
    monkeypatch.setenv("SCHEMA_SYNC_ENABLE_IN_PRODUCTION", "true")

    assert requested(tick(schemas_project, instance)) == {"shop": [schemas_key("shop")]}


def test_schemas_of_which_dagster_never_heard_get_a_run(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    settings = schemas_project.settings
    assert not sync_schemas(settings, load_schema_sync(settings)).has_failed
    result = tick(schemas_project, instance)

    assert requested(result) == {"shop": [schemas_key("shop")]}
    assert requested(tick(schemas_project, instance, result.cursor)) == {}


def test_a_source_that_cannot_be_looked_at_is_told(project: Project, instance: dg.DagsterInstance) -> None:
    (project.path / "config" / "schema_sync.yaml").write_text("sources:\n  - {name: erp, type: connector}\n")
    result = tick(project, instance)

    assert requested(result) == {}
    assert reason(result).startswith("erp: ")


def test_without_sources_the_sensor_says_so(schemas_project: SchemasProject, instance: dg.DagsterInstance) -> None:
    (schemas_project.path / "config" / "schema_sync.yaml").unlink()

    assert reason(tick(schemas_project, instance)) == "schema_sync.yaml names no source."


def test_a_new_catalogue_brings_its_schemas_in_the_same_run(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.path / "config" / "schema_sync.yaml").write_text("sources:\n  - {name: erp, type: connector}\n")
    project.offer("items")
    (request,) = tick(project, instance, name="catalogue_changes").run_requests or ()
    monkeypatch.setenv("SYNCFLOW_FLAG_SCHEMA_SYNC", "false")
    (alone,) = tick(project, instance, name="catalogue_changes").run_requests or ()

    assert request.asset_selection == [catalogue_key("erp"), schemas_key("erp")]
    assert alone.asset_selection == [catalogue_key("erp")]


def test_a_run_that_failed_is_asked_for_again_after_long_or_another_change() -> None:
    asked = {"shop": Asked("1", 1000.0, 4)}

    assert what_to_sync({"shop": "1"}, asked, 1000.0 + AGAIN_AFTER_S - 1) == {}
    assert what_to_sync({"shop": "1"}, asked, 1000.0 + AGAIN_AFTER_S) == {"shop": Asked("1", 1900.0, 5)}
    assert what_to_sync({"shop": "2"}, asked, 1001.0) == {"shop": Asked("2", 1001.0, 5)}
    assert what_to_sync({}, asked, 9999.0) == {}
