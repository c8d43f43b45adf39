"""Dagster's sensors skip while their feature flag is off, say which, and go on at the next tick after it is on."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from syncflow_pipelines_tests.dagster.project import Project
from syncflow_pipelines_tests.dagster.services_project import GENERATE_NOTHING, ServicesProject

Switch = Callable[[str], None]


@pytest.fixture
def switch(folder: Path) -> Switch:
    """Writes flags.yaml as a person who saves it."""

    def write(flags: str) -> None:
        (folder / "config" / "draft").write_text(f"flags: {flags}\n")
        (folder / "config" / "draft").replace(folder / "config" / "flags.yaml")

    return write


def tick(
    definitions: dg.Definitions, name: str, instance: dg.DagsterInstance, cursor: str | None = None
) -> dg.SensorResult:
    sensor = definitions.get_repository_def().get_sensor_def(name)
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def reason(result: dg.SensorResult) -> str:
    assert not result.run_requests
    return str(result.skip_reason and result.skip_reason.skip_message)


def test_no_entity_is_synced_while_entity_sync_is_off_and_at_the_next_tick_after_it_is_on(
    project: Project, instance: dg.DagsterInstance, switch: Switch
) -> None:
    project.offer("items")
    project.world.discover()
    definitions = project.definitions()  # loaded once, as a code server does

    switch("{entity_sync: false}")
    off = tick(definitions, "due_entities", instance)
    assert reason(off) == "The flag entity_sync is off (flags.yaml:1), so no entity is synced by itself."

    switch("{entity_sync: true}")
    assert len(tick(definitions, "due_entities", instance, off.cursor).run_requests or ()) == 1


def test_a_dotenv_switches_as_the_file_does(project: Project, instance: dg.DagsterInstance, folder: Path) -> None:
    project.offer("items")
    project.world.discover()
    definitions = project.definitions()
    (folder / ".env").write_text("SYNCFLOW_FLAG_ENTITY_SYNC=false\n")
    assert "SYNCFLOW_FLAG_ENTITY_SYNC in " in reason(tick(definitions, "due_entities", instance))
    (folder / ".env").unlink()
    assert tick(definitions, "due_entities", instance).run_requests


def test_a_connector_for_which_it_is_off_is_left_alone(
    project: Project, instance: dg.DagsterInstance, switch: Switch
) -> None:
    project.offer("items")
    project.world.discover()
    switch("{entity_sync: {off_for: [erp]}}")
    assert "so no entity is synced by itself" in reason(tick(project.definitions(), "due_entities", instance))
    switch("{entity_sync: {off_for: [crm]}}")
    assert tick(project.definitions(), "due_entities", instance).run_requests


def test_no_source_is_asked_for_its_catalogue_while_entity_sync_is_off(
    project: Project, instance: dg.DagsterInstance, switch: Switch
) -> None:
    project.offer("items")
    definitions = project.definitions()
    switch("{entity_sync: false}")
    off = tick(definitions, "catalogue_changes", instance)
    assert reason(off) == "The flag entity_sync is off (flags.yaml:1), so no source is asked what it offers."
    switch("{}")
    assert len(tick(definitions, "catalogue_changes", instance, off.cursor).run_requests or ()) == 1


def test_no_spec_is_looked_at_while_auto_sync_is_off_or_off_for_its_service(
    services_project: ServicesProject, instance: dg.DagsterInstance, switch: Switch
) -> None:
    services_project.say(GENERATE_NOTHING)
    definitions = services_project.definitions()
    switch("{auto_sync: false, entity_sync: true}")
    off = tick(definitions, "openapi_spec_changes", instance)
    assert reason(off) == "The flag auto_sync is off (flags.yaml:1), so no spec is looked at."

    switch("{auto_sync: {off_for: [parcels]}}")
    one = tick(definitions, "openapi_spec_changes", instance, off.cursor)
    assert [request.tags["syncflow/service"] for request in one.run_requests or ()] == ["warehouse"]

    switch("{}")
    rest = tick(definitions, "openapi_spec_changes", instance, one.cursor)
    assert [request.tags["syncflow/service"] for request in rest.run_requests or ()] == ["parcels"]
