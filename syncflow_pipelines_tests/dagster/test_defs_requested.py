"""Syncs that were asked for over the API, as Dagster begins them."""

from typing import LiteralString
from uuid import UUID, uuid4

import dagster as dg
import pytest

from syncflow_pipelines.defs.requested import MOST_CLAIMS
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.claims import CLAIM_TAG
from syncflow_pipelines.sync.requests import Requested, SyncWish, cancel_run, request_sync
from syncflow_pipelines.sync.runs import SyncRun, find_run
from syncflow_pipelines_tests.dagster.project import Project, materialised


@pytest.fixture
def items(project: Project) -> Project:
    """The project with two entities, discovered."""
    project.offer("items")
    project.offer("orders", strategy="hash")
    project.world.discover()
    return project


def ask(project: Project, slug: str = "items", **wish: bool) -> UUID:
    with project.world.database.connection() as connection:
        found = request_sync(connection, SyncWish(project.world.entity(slug).uid, **wish))  # type: ignore[arg-type]
    assert isinstance(found, Requested)
    return found.run_uid


def state(project: Project, run: UUID) -> SyncRun:
    with project.world.database.connection() as connection:
        return find_run(connection, run)


def tick(project: Project, instance: dg.DagsterInstance) -> dg.SensorResult:
    sensor = project.definitions().get_repository_def().get_sensor_def("requested_syncs")
    result = sensor(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    return result


def run(
    project: Project, instance: dg.DagsterInstance, request: dg.RunRequest, **tags: str
) -> dg.ExecuteInProcessResult:
    slugs = [key.path[-1] for key in request.asset_selection or ()]
    return project.run(instance, "requested_syncs", slugs, tags={**request.tags, **tags})


def make_stale(project: Project) -> None:
    with project.world.database.connection() as connection:
        connection.execute("UPDATE sync_runs SET claimed_at = now() - interval '2 minutes'")


def test_the_sensor_begins_what_was_asked_for_once(items: Project, instance: dg.DagsterInstance) -> None:
    asked = [ask(items), ask(items, "orders", full_refresh=True)]
    (request,) = tick(items, instance).run_requests or ()
    assert not tick(items, instance).run_requests

    result = run(items, instance, request)

    assert materialised(result) == ["items", "orders"]
    runs = [state(items, uid) for uid in asked]
    assert [one.status for one in runs] == ["success", "success"]
    assert {one.trigger for one in runs} == {"api"}
    assert {one.dagster_run_id for one in runs} == {result.run_id}
    assert items.world.query("SELECT count(*) FROM sync_runs") == [(2,)]


def test_a_run_whose_claim_is_void_syncs_nothing(items: Project, instance: dg.DagsterInstance) -> None:
    uid = ask(items)
    (first,) = tick(items, instance).run_requests or ()
    make_stale(items)
    (second,) = tick(items, instance).run_requests or ()

    late = run(items, instance, first)
    assert late.success
    assert materialised(late) == []
    assert state(items, uid).status == "queued"
    assert materialised(run(items, instance, second)) == ["items"]
    assert materialised(run(items, instance, second)) == []
    assert items.world.query("SELECT count(*) FROM sync_runs") == [(1,)]


def test_a_claim_is_left_to_the_run_that_is_about_to_begin_it(items: Project, instance: dg.DagsterInstance) -> None:
    uid = ask(items)
    (request,) = tick(items, instance).run_requests or ()
    make_stale(items)
    queued = instance.add_run(
        dg.DagsterRun("requested_syncs", str(uuid4()), status=dg.DagsterRunStatus.STARTING, tags=dict(request.tags))
    )
    assert not tick(items, instance).run_requests

    instance.report_run_canceled(queued)
    assert not tick(items, instance).run_requests
    ended = state(items, uid)
    assert (ended.status, (ended.error_details or {})["type"]) == ("failed", "SyncCancelled")


def test_what_dagster_never_begins_fails_in_the_end(items: Project, instance: dg.DagsterInstance) -> None:
    uid = ask(items)
    for _ in range(MOST_CLAIMS):
        assert tick(items, instance).run_requests
        make_stale(items)
    assert not tick(items, instance).run_requests
    assert "did not begin" in (state(items, uid).error_message or "")


def test_an_entity_that_is_not_loaded_yet_waits(items: Project, instance: dg.DagsterInstance) -> None:
    sensor = items.definitions().get_repository_def().get_sensor_def("requested_syncs")
    items.offer("sites")
    items.world.discover()
    ask(items, "sites")
    result = sensor(dg.build_sensor_context(instance))
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
    assert "erp/sites first" in str(result.skip_reason)
    assert len(tick(items, instance).run_requests or ()) == 1


def test_a_failed_one_is_tried_again_and_a_cancelled_one_is_not(items: Project, instance: dg.DagsterInstance) -> None:
    items.world.store.break_entity("items", Fault(status=404), times=1)
    failed, cancelled = ask(items), ask(items, "orders")
    (request,) = tick(items, instance).run_requests or ()
    with items.world.database.connection() as connection:
        assert cancel_run(connection, cancelled) == "closed"
    first = run(items, instance, request)
    assert not first.success
    assert state(items, failed).status == "failed"

    again = items.definitions().resolve_job_def("requested_syncs")
    keys = list(request.asset_selection or ())
    parent = {"dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id}
    retried = again.get_subset(asset_selection=set(keys), asset_check_selection=frozenset()).execute_in_process(
        instance=instance, tags={**request.tags, **parent}
    )

    assert materialised(retried) == ["items"]
    assert items.world.query("SELECT status, trigger FROM sync_runs r ORDER BY r.created_at, status") == [
        ("failed", "api"), ("failed", "api"), ("success", "api"),
    ]  # fmt: skip


def test_the_claim_stands_in_the_tags_of_the_run(items: Project, instance: dg.DagsterInstance) -> None:
    uid = ask(items)
    (request,) = tick(items, instance).run_requests or ()
    assert items.world.query("SELECT claim::text FROM sync_runs WHERE uid = %s", uid) == [(request.tags[CLAIM_TAG],)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE connectors SET is_active = false", "erp is not enabled"),
        ("UPDATE entities SET is_present = false", "does not offer it any more"),
        ("UPDATE sync_runs SET created_at = now() - interval '61 minutes'", "does not know erp/sites"),
    ],
)
def test_what_nobody_will_begin_is_not_queued_for_ever(
    items: Project, instance: dg.DagsterInstance, change: LiteralString, told: str
) -> None:
    sensor = items.definitions().get_repository_def().get_sensor_def("requested_syncs")
    items.offer("sites")
    items.world.discover()
    uid = ask(items, "sites")
    with items.world.database.connection() as connection:
        connection.execute(change)
    assert isinstance(sensor(dg.build_sensor_context(instance)), dg.SensorResult)
    ended = state(items, uid)
    assert (ended.status, told in (ended.error_message or "")) == ("failed", True)
