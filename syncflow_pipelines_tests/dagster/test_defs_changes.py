"""The sensor that watches the catalogues, and the asset that takes a changed one over."""

import json
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from syncflow_pipelines.defs.asking import AGAIN_AFTER_S, Asked
from syncflow_pipelines.defs.changes import Cursor, fetch_digests, what_to_ask
from syncflow_pipelines.defs.names import catalogue_key
from syncflow_pipelines.defs.partitions import PARTITIONS
from syncflow_pipelines.errors import SourceUnreachable, SyncflowError
from syncflow_pipelines.sync.state import read_catalogue_state, state_path
from syncflow_pipelines.transport.dagster_webserver import ask_reload
from syncflow_pipelines_tests.dagster.project import Project, failure_text
from syncflow_pipelines_tests.dagster.webserver import Webserver, running_webserver


@pytest.fixture
def webserver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webserver]:
    """A webserver that SYNCFLOW_DAGSTER_URL names."""
    with running_webserver() as running:
        monkeypatch.setenv("SYNCFLOW_DAGSTER_URL", running.url)
        yield running


def sensor(project: Project) -> dg.SensorDefinition:
    return project.definitions().get_repository_def().get_sensor_def("catalogue_changes")


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def partitions(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    return {strategy: set(instance.get_dynamic_partitions(str(made.name))) for strategy, made in PARTITIONS.items()}


def test_a_catalogue_that_was_never_discovered_is_asked_for_once(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    first = tick(sensor(project), instance)
    (request,) = first.run_requests or ()
    assert request.asset_selection == [catalogue_key("erp")]
    assert (request.run_key or "").startswith("erp:")
    second = tick(sensor(project), instance, first.cursor)
    assert (second.run_requests, second.cursor) == ([], first.cursor)


def test_a_catalogue_that_was_discovered_is_asked_for_when_it_changes_and_changes_back(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    watching = sensor(project)
    quiet = tick(watching, instance)
    assert quiet.run_requests == []
    assert quiet.skip_reason == dg.SkipReason("No catalogue changed.")

    project.offer("orders")
    changed = tick(watching, instance, quiet.cursor)
    project.world.discover()
    project.world.store.drop_entity("orders")
    back = tick(watching, instance, changed.cursor)
    project.world.discover()
    project.offer("orders")
    again = tick(watching, instance, back.cursor)

    keys = [request.run_key for result in (changed, back, again) for request in result.run_requests or ()]
    assert len(set(keys)) == 3


def test_a_source_that_is_down_is_told_and_the_others_go_on(project: Project, instance: dg.DagsterInstance) -> None:
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "  - {name: crm, base_url: 'http://127.0.0.1:9'}\n")
    project.offer("items")
    result = tick(sensor(project), instance)
    assert [request.asset_selection for request in result.run_requests or ()] == [[catalogue_key("erp")]]
    project.world.discover()
    assert "crm: " in str(tick(sensor(project), instance).skip_reason)


def test_a_disabled_connector_is_left_alone(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    enabled: false\n")
    assert tick(sensor(project), instance).run_requests == []


def test_a_state_that_was_lost_is_asked_for_again(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    state_path(project.world.settings.home, "erp").unlink()
    assert len(tick(sensor(project), instance).run_requests or ()) == 1


def test_configured_intervals_take_effect_without_a_discovery(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    sync_interval_seconds: 7\n")
    tick(sensor(project), instance)
    assert project.world.entity("items").interval_s == 7


def test_partitions_and_definitions_follow_a_discovery_by_somebody_else(
    project: Project, instance: dg.DagsterInstance, webserver: Webserver
) -> None:
    project.offer("items")
    project.offer("stock", strategy="hash")
    watching = sensor(project)
    project.world.discover()

    result = tick(watching, instance)

    assert partitions(instance) == {
        "rowversion": {"erp/items"},
        "hash": {"erp/items", "erp/stock"},
        "full": {"erp/items", "erp/stock"},
    }
    assert webserver.locations() == ["syncflow"]
    tick(watching, instance, result.cursor)
    assert webserver.locations() == ["syncflow"], "once is enough"


def test_the_catalogue_asset_discovers_and_everything_follows(
    project: Project, instance: dg.DagsterInstance, webserver: Webserver
) -> None:
    project.offer("items", "orders")
    result = project.run(instance, "discovery", None)
    assert result.success
    (event,) = result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (metadata["entities"], metadata["added"], metadata["gone"]) == (2, 2, 0)
    assert [entity.slug for entity in read_catalogue_state(project.world.settings.home)["erp"]] == ["items", "orders"]
    assert partitions(instance)["rowversion"] == {"erp/items", "erp/orders"}
    assert webserver.locations() == ["syncflow"]

    project.world.store.drop_entity("orders")
    assert project.run(instance, "discovery", None).success
    assert partitions(instance) == {name: {"erp/items"} for name in ("rowversion", "hash", "full")}
    assert project.run(instance, "discovery", None).success
    assert len(webserver.asked) == 2, "an unchanged catalogue needs no reload"


def test_the_data_version_is_the_catalogue(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    versions = []
    for _ in range(2):
        result = project.run(instance, "discovery", None)
        (event,) = result.get_asset_materialization_events()
        versions.append((event.materialization.tags or {})["dagster/data_version"])
    assert versions[0] == versions[1]


def test_an_entity_that_cannot_be_used_fails_the_catalogues_check_and_nothing_else(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.offer("stock", strategy="hash")
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    entities: {stock: {strategy: rowversion}}\n")
    result = project.run(instance, "discovery", None, checks=None)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "stock" in (check.description or "")


def test_a_refused_token_fails_the_discovery_with_one_sentence_and_no_retry(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    (project.path / "token").write_text("another-token")
    result = project.run(instance, "discovery", None)
    assert "erp was not discovered: " in failure_text(result)
    assert "\n" not in failure_text(result)
    assert "another-token" not in failure_text(result)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0"


def test_a_failed_discovery_leaves_the_state(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.run(instance, "discovery", None)
    before = read_catalogue_state(project.world.settings.home)
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text().replace(project.world.connector.base_url, "http://127.0.0.1:9"))
    result = project.run(instance, "discovery", None)
    assert not result.success
    assert read_catalogue_state(project.world.settings.home) == before


def test_sources_are_asked_within_the_budget(project: Project) -> None:
    connectors = [replace(project.world.connector, name=name) for name in ("a", "b")]
    offers = fetch_digests(connectors, project.world.settings, budget_s=60.0)
    assert offers.keys() == {"a", "b"}
    assert offers["a"] == offers["b"]
    late = fetch_digests(connectors, project.world.settings, budget_s=-1.0)
    assert all(isinstance(offer, SyncflowError) for offer in late.values())


def test_a_discovery_that_did_not_happen_is_asked_for_again_after_a_while() -> None:
    asked = {"erp": Asked("new", at=1000.0, count=3)}
    offers: dict[str, str | SyncflowError] = {"erp": "new", "crm": SourceUnreachable("down")}
    assert what_to_ask(offers, {"erp": "old"}, asked, 1000.0 + AGAIN_AFTER_S - 1) == {}
    assert what_to_ask(offers, {"erp": "old"}, asked, 1000.0 + AGAIN_AFTER_S) == {
        "erp": Asked("new", 1000.0 + AGAIN_AFTER_S, 4)
    }
    assert what_to_ask(offers, {"erp": "new"}, asked, 1e9) == {}


@pytest.mark.parametrize("text", [None, "", "not json", "[]", '{"asked": 3}'])
def test_a_cursor_that_cannot_be_read_is_an_empty_one(text: str | None) -> None:
    assert Cursor.read(text) == Cursor()


def test_a_cursor_is_read_back() -> None:
    cursor = Cursor({"erp": Asked("abc", 12.5, 2)}, "fingerprint")
    assert Cursor.read(cursor.text()) == cursor
    assert json.loads(cursor.text())["reloaded"] == "fingerprint"


def test_a_reload_is_asked_of_a_webserver_that_is_there(webserver: Webserver) -> None:
    assert ask_reload(webserver.url, "somewhere")
    assert webserver.locations() == ["somewhere"]
    webserver.loaded = "PythonError"
    assert not ask_reload(webserver.url, "somewhere")
    assert not ask_reload("http://127.0.0.1:9", "somewhere")
