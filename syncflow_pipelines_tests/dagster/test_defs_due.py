"""The sensor that asks for what is due."""

import json
from collections.abc import Iterable
from uuid import uuid4

import dagster as dg
import pytest

from syncflow_pipelines.defs.due import plan_batches
from syncflow_pipelines.defs.names import CONNECTOR_TAG, STRATEGY_TAG, entity_key
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.dagster.project import Project


def tick(project: Project, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One evaluation by a code location that loaded what is known now."""
    sensor = project.definitions().get_repository_def().get_sensor_def("due_entities")
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def asked(result: dg.SensorResult) -> dict[tuple[str, str], list[str]]:
    """Slugs by connector and strategy."""
    return {
        (request.tags[CONNECTOR_TAG], request.tags[STRATEGY_TAG]): sorted(
            key.path[-1] for key in request.asset_selection or ()
        )
        for request in result.run_requests or ()
    }


def make_run(
    instance: dg.DagsterInstance,
    slugs: Iterable[str] | None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
) -> dg.DagsterRun:
    """A run as the sensor would have asked for it."""
    run = dg.DagsterRun(
        job_name="due_syncs",
        run_id=str(uuid4()),
        status=status,
        asset_selection=frozenset(entity_key("erp", slug) for slug in slugs) if slugs is not None else None,
        tags={CONNECTOR_TAG: "erp", STRATEGY_TAG: "rowversion"},
    )
    return instance.add_run(run)


def test_one_run_for_each_connector_and_strategy(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", "orders")
    project.offer("sites", strategy="full")
    project.offer("stock", strategy="hash")
    project.world.discover()

    result = tick(project, instance)

    assert asked(result) == {
        ("erp", "rowversion"): ["items", "orders"],
        ("erp", "full"): ["sites"],
        ("erp", "hash"): ["stock"],
    }
    for request in result.run_requests or ():
        assert request.run_key is None
        assert request.asset_check_keys == []


def test_what_was_synced_is_not_due_before_its_interval(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", "orders")
    project.world.discover()
    project.run(instance, "due_syncs", ["items"])
    assert asked(tick(project, instance)) == {("erp", "rowversion"): ["orders"]}
    project.run(instance, "due_syncs", ["orders"])
    result = tick(project, instance)
    assert (asked(result), result.skip_reason) == ({}, dg.SkipReason("No entity is due."))


def test_an_entity_that_failed_backs_off(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    project.world.store.break_entity("items", Fault(404))
    assert not project.run(instance, "due_syncs", ["items"]).success
    assert asked(tick(project, instance)) == {}


def test_what_the_code_location_does_not_know_yet_is_left_out_by_name(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    sensor = project.definitions().get_repository_def().get_sensor_def("due_entities")
    project.run(instance, "due_syncs", ["items"])
    project.offer("orders")
    project.world.discover()
    result = sensor(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    assert asked(result) == {}
    assert "erp/orders" in str(result.skip_reason)


def test_what_an_unfinished_run_holds_is_not_asked_for_again(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", "orders", "sites")
    project.world.discover()
    make_run(instance, ["items"], dg.DagsterRunStatus.NOT_STARTED)
    assert asked(tick(project, instance)) == {("erp", "rowversion"): ["orders", "sites"]}
    make_run(instance, ["orders"])
    result = tick(project, instance)
    assert asked(result) == {}, "two runs of one connector and strategy are enough"
    assert "being synced already" in str(result.skip_reason)


def test_a_partition_that_runs_holds_its_entity(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", "orders")
    project.world.discover()
    instance.add_run(
        dg.DagsterRun(
            job_name="full_sync",
            run_id="7a3c3a52-6f0e-4dc5-9b4e-3d8f3f1f9a10",
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "erp/items"},
        )
    )
    assert asked(tick(project, instance)) == {("erp", "rowversion"): ["orders"]}


def test_a_run_of_the_whole_job_holds_everything(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    make_run(instance, None)
    assert asked(tick(project, instance)) == {}


def test_a_finished_run_holds_nothing(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        make_run(instance, ["items"], status)
    assert asked(tick(project, instance)) == {("erp", "rowversion"): ["items"]}


def test_runs_without_a_process_are_remembered_from_tick_to_tick(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    run = make_run(instance, ["items"])
    first = tick(project, instance)
    suspects = json.loads(first.cursor or "")
    assert list(suspects) == [run.run_id]
    assert json.loads(tick(project, instance, first.cursor).cursor or "") == suspects

    long_ago = json.dumps({run.run_id: suspects[run.run_id] - 120})
    last = tick(project, instance, long_ago)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE
    assert json.loads(last.cursor or "") == {}
    assert asked(last) == {("erp", "rowversion"): ["items"]}


def test_a_dead_syncs_record_is_closed(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    with project.world.database.connection() as connection:
        connection.execute(
            "INSERT INTO sync_runs (entity_uid, started_at, status, strategy)"
            " SELECT uid, now(), 'running', 'rowversion' FROM entities"
        )
    tick(project, instance)
    assert project.world.query("SELECT status FROM sync_runs") == [("failed",)]


@pytest.mark.parametrize("known", [set(), {entity_key("erp", "orders")}])
def test_nothing_is_planned_for_unknown_entities(known: set[dg.AssetKey], project: Project) -> None:
    project.offer("items")
    project.world.discover()
    assert plan_batches([project.world.entity("items")], known, []) == []
