"""Connectors that are managed over the API, in Dagster."""

from collections.abc import Iterator

import dagster as dg
import pytest

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.config.sealed_secrets import VARIABLE, new_secret_key
from syncflow_pipelines.defs.names import catalogue_key, entity_key
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.sync.connector_state import FILE_NAME
from syncflow_pipelines_tests.dagster.managed import register
from syncflow_pipelines_tests.dagster.project import QUIET, Project, materialised
from syncflow_pipelines_tests.dagster.webserver import Webserver, running_webserver
from syncflow_pipelines_tests.postgres.world import TOKEN


@pytest.fixture
def webserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webserver]:
    """The stand-in for Dagster's webserver, where the settings lead."""
    with running_webserver() as running:
        monkeypatch.setenv("SYNCFLOW_DAGSTER_URL", running.url)
        yield running


@pytest.fixture
def managed(project: Project, webserver: Webserver, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, and a second connector `crm` of the same source, registered over the API with a token."""
    monkeypatch.setenv(VARIABLE, new_secret_key())
    project.offer("items")
    project.world.discover()
    auth = {"type": "bearer", "token": TOKEN}
    register(project.world.database, load_settings(), name="crm", base_url=project.world.connector.base_url, auth=auth)
    return project


def tick(project: Project, instance: dg.DagsterInstance) -> dg.SensorResult:
    sensor = project.definitions().get_repository_def().get_sensor_def("catalogue_changes")
    result = sensor(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_sensor_brings_the_location_in_step(
    managed: Project, instance: dg.DagsterInstance, webserver: Webserver
) -> None:
    assert [one.name for one in load_world().connectors] == ["erp"]
    tick(managed, instance)
    assert [one.name for one in load_world().connectors] == ["erp", "crm"]
    assert webserver.locations() == ["syncflow"]
    assert TOKEN not in (managed.world.settings.home / FILE_NAME).read_text()


def test_loading_asks_no_database(
    managed: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(managed, instance)
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert catalogue_key("crm") in managed.definitions().resolve_asset_graph().get_all_asset_keys()


def test_it_is_discovered_and_synced_with_the_token_that_is_kept(
    managed: Project, instance: dg.DagsterInstance
) -> None:
    tick(managed, instance)
    (request,) = tick(managed, instance).run_requests or ()
    assert request.asset_selection == [catalogue_key("crm")]
    job = managed.definitions().resolve_job_def("discovery")
    discovered = job.get_subset(asset_selection={catalogue_key("crm")}).execute_in_process(QUIET, instance)
    assert discovered.success

    job = managed.definitions().resolve_job_def("due_syncs")
    key = entity_key("crm", "items")
    synced = job.get_subset(asset_selection={key}, asset_check_selection=frozenset()).execute_in_process(
        QUIET, instance
    )
    assert materialised(synced) == ["items"]
    assert managed.world.query("SELECT count(*) FROM crm.items") == [(20,)]
    (event,) = synced.get_asset_materialization_events()
    metadata = event.materialization.metadata
    ((uid, run_id),) = managed.world.query("SELECT uid::text, dagster_run_id FROM sync_runs")
    assert (metadata["run"].value, run_id) == (uid, synced.run_id)
    assert f"/api/v1/runs/{uid}" in str(metadata["run_told_by"].value)
