"""The sensor that follows the specs of services: one run a changed service, none for the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.defs.asking import AGAIN_AFTER_S, Asked
from syncflow_pipelines.defs.names import mcp_server_key, resolver_key, spec_key
from syncflow_pipelines.defs.spec_changes import (
    GRACE_S,
    MOST_AT_ONCE,
    SpecCursor,
    Wanted,
    due_services,
    what_to_run,
)
from syncflow_pipelines.openapi.refreshing import Refreshed
from syncflow_pipelines_tests.dagster.services_project import GENERATE_NOTHING, ServicesProject


def tick(project: ServicesProject, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """A tick for which an interval has passed since the last, and since anything was fetched."""
    project.let_time_pass()
    if cursor is not None:
        cursor = SpecCursor(SpecCursor.read(cursor).asked).text()
    return tick_at_once(project, instance, cursor)


def tick_at_once(project: ServicesProject, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    sensor = project.definitions().get_repository_def().get_sensor_def("openapi_spec_changes")
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def requested(result: dg.SensorResult) -> dict[str, Sequence[dg.AssetKey]]:
    return {request.tags["syncflow/service"]: request.asset_selection or () for request in result.run_requests or ()}


def reason(result: dg.SensorResult) -> str:
    return str(result.skip_reason and result.skip_reason.skip_message)


def test_each_service_that_was_never_fetched_gets_a_run_of_its_own_once(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    first = tick(services_project, instance)
    assert requested(first) == {
        name: [spec_key(name), mcp_server_key(name), resolver_key(name)] for name in ("warehouse", "parcels")
    }
    again = tick(services_project, instance, first.cursor)
    assert (requested(again), reason(again)) == ({}, "No spec changed.")


def test_between_two_looks_nobody_is_asked(services_project: ServicesProject, instance: dg.DagsterInstance) -> None:
    services_project.reword("watch_interval: 5", "watch_interval: 3600")
    first = tick(services_project, instance)
    services_project.reword(services_project.url, "http://127.0.0.1:9")
    again = tick_at_once(services_project, instance, first.cursor)
    assert (requested(again), reason(again)) == ({}, "No service is due for a look.")


def test_the_sensor_looks_as_often_as_the_watch_interval_says(services_project: ServicesProject) -> None:
    def interval() -> int | None:
        repository = services_project.definitions().get_repository_def()
        return repository.get_sensor_def("openapi_spec_changes").minimum_interval_seconds

    assert interval() == 5
    services_project.reword("watch_interval: 5", "watch_interval: 3600")
    assert interval() == 30, "with many services, ticks share them out"


def test_a_service_that_changes_and_changes_back_gets_a_run_each_time(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    result = tick(services_project, instance)
    keys = [request.run_key for request in result.run_requests or ()]
    for change in (services_project.evolve, services_project.devolve):
        assert services_project.run(instance).success
        quiet = tick(services_project, instance, result.cursor)
        assert requested(quiet) == {}, "what was materialised needs no run"
        change("warehouse")
        result = tick(services_project, instance, quiet.cursor)
        assert requested(result) == {"warehouse": [spec_key("warehouse")]}
        keys += [request.run_key for request in result.run_requests or ()]
    assert len(set(keys)) == len(keys) == 4


def test_without_auto_regenerate_only_the_spec_is_materialised(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say("  auto_regenerate: false\n")
    assert requested(tick(services_project, instance)) == {name: [spec_key(name)] for name in ("warehouse", "parcels")}


def test_a_service_that_is_down_keeps_nobody_from_being_looked_at_and_is_told(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.reword(f"{services_project.url}/warehouse", "http://127.0.0.1:9/warehouse")
    result = tick(services_project, instance)
    assert requested(result) == {"parcels": [spec_key("parcels")]}
    quiet = tick(services_project, instance, result.cursor)
    assert requested(quiet) == {}
    assert reason(quiet).startswith("warehouse: ")


def test_a_service_that_is_switched_off_is_not_looked_at(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.reword(
        "    openapi_path: /swagger.yaml\n", "    openapi_path: /swagger.yaml\n    enabled: false\n"
    )
    assert requested(tick(services_project, instance)).keys() == {"warehouse"}


def test_without_services_the_sensor_says_so(services_project: ServicesProject, instance: dg.DagsterInstance) -> None:
    services_project.file.unlink()
    assert reason(tick(services_project, instance)) == "auto_sync_services.yaml follows no service."


def test_many_services_take_turns_the_longest_forgotten_first() -> None:
    services = [ServiceConfig(f"s{n:03}", "http://127.0.0.1:9", ("/",), ()) for n in range(MOST_AT_ONCE + 50)]
    first = due_services(services, {}, 60.0, now=1000.0)
    assert len(first) == MOST_AT_ONCE
    looked = {service.name: 1000.0 for service in first}
    second = due_services(services, looked, 60.0, now=1030.0)
    assert {service.name for service in (*first, *second)} == {service.name for service in services}
    assert len(second) == 50
    third = due_services(services, {**looked, **{one.name: 1030.0 for one in second}}, 60.0, now=1061.0)
    assert {service.name for service in third} == {service.name for service in first}


def test_a_run_that_did_not_happen_is_asked_for_again_after_a_while() -> None:
    key = spec_key("crm")
    looked = [Refreshed("crm", "unchanged", "new"), Refreshed("down", "failed", "old", error="it is down")]
    targets = {"crm": Wanted({key: ""}), "down": Wanted({spec_key("down"): ""})}
    state = targets["crm"].state("new")
    asked = {"crm": Asked(state, at=1000.0, count=3)}
    assert what_to_run(looked, targets, {key: "old"}, asked, 1000.0 + AGAIN_AFTER_S - 1) == {}
    later = 1000.0 + AGAIN_AFTER_S
    assert what_to_run(looked, targets, {key: "old"}, asked, later) == {"crm": Asked(state, later, 4)}
    assert what_to_run(looked, targets, {key: "new"}, asked, 1e9) == {}


def test_every_look_gets_a_run_where_on_change_only_is_false_but_none_that_went_wrong() -> None:
    spec = spec_key("crm")
    looked = [Refreshed("crm", "unchanged", "new"), Refreshed("down", "failed", "old", error="no answer")]
    targets = {"crm": Wanted({spec: ""}), "down": Wanted({spec_key("down"): ""})}
    state = targets["crm"].state("new")
    asked = {"crm": Asked(state, at=1000.0, count=3)}
    seen = {spec: "new", spec_key("down"): "old"}
    assert what_to_run(looked, targets, seen, asked, 1001.0) == {}
    assert what_to_run(looked, targets, seen, asked, 1001.0, always=True) == {"crm": Asked(state, 1001.0, 4)}
    # one that is under way is not asked for twice
    assert what_to_run(looked, targets, {spec: "old"}, asked, 1001.0, always=True) == {}


def test_what_somebody_else_fetched_a_moment_ago_gets_no_run_until_it_had_time_to_be_recorded() -> None:
    key, changed_at = spec_key("crm"), datetime(2026, 11, 28, 10, 0, 0, tzinfo=UTC)
    looked = [Refreshed("crm", "unchanged", "new", changed_at=changed_at)]
    targets, seen = {"crm": Wanted({key: ""})}, {key: "old"}
    at = changed_at.timestamp()
    assert what_to_run(looked, targets, seen, {}, at + GRACE_S - 0.1) == {}
    assert what_to_run(looked, targets, seen, {}, at + GRACE_S).keys() == {"crm"}
    # what the sensor itself has seen to change is nobody else's, and waits for nobody
    assert what_to_run([replace(looked[0], status="changed")], targets, seen, {}, at).keys() == {"crm"}


def test_the_sensor_asks_for_a_run_at_every_look_where_on_change_only_is_false(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    assert services_project.run(instance).success
    result = tick(services_project, instance)
    assert requested(result) == {}
    services_project.reword("settings:", "settings:\n  on_change_only: false")
    first = tick(services_project, instance, result.cursor)
    again = tick(services_project, instance, first.cursor)
    assert requested(first).keys() == requested(again).keys() == {"warehouse", "parcels"}
    assert [request.run_key for request in first.run_requests or ()] != [
        request.run_key for request in again.run_requests or ()
    ]


@pytest.mark.parametrize("server_is_of", ["old settings", "new other", "new", None])
def test_what_is_generated_from_an_older_spec_or_other_settings_needs_a_run(server_is_of: str | None) -> None:
    spec, server = spec_key("crm"), mcp_server_key("crm")
    looked, targets = [Refreshed("crm", "unchanged", "new")], {"crm": Wanted({spec: "", server: "settings"})}
    seen = {spec: "new"} | ({server: server_is_of} if server_is_of else {})
    assert what_to_run(looked, targets, seen, {}, 1.0) == {"crm": Asked(targets["crm"].state("new"), 1.0)}
    assert what_to_run(looked, targets, {spec: "new", server: "new settings"}, {}, 1.0) == {}


def test_a_change_of_the_configuration_alone_gets_a_run_which_brings_everything_in_step(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    assert services_project.run(instance).success
    result = tick(services_project, instance)
    assert requested(result) == {}
    for old, new in (
        ("components: [rest, mcp]\n    auth", "components: [rest, mcp]\n    mcp: {read_only: true}\n    auth"),
        ("mcp: {read_only: true}", "mcp: {read_only: true}\n    include: [{methods: [get]}]"),
    ):
        services_project.reword(old, new)
        result = tick(services_project, instance, result.cursor)
        assert requested(result).keys() == {"warehouse"}
        assert requested(tick(services_project, instance, result.cursor)) == {}, "it is asked for once"
    keys = [list(key) for key in (("openapi", "warehouse"), ("mcp_server", "warehouse"), ("resolver", "warehouse"))]
    assert services_project.run(instance, keys).success
    assert requested(tick(services_project, instance)) == {}


@pytest.mark.parametrize("text", [None, "", "not json", "[]", '{"asked": 3}'])
def test_a_cursor_that_cannot_be_read_is_an_empty_one(text: str | None) -> None:
    assert SpecCursor.read(text) == SpecCursor()


def test_a_cursor_is_read_back() -> None:
    cursor = SpecCursor({"crm": Asked("abc", 12.5, 2)}, {"crm": 3.5})
    assert SpecCursor.read(cursor.text()) == cursor
