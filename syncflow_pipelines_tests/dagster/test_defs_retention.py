"""Old history is removed, and nothing else."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg

from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.retention import BATCH, delete_old_runs
from syncflow_pipelines_tests.dagster.project import QUIET, Project


def add_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    return instance.add_run(dg.DagsterRun("due_syncs", str(uuid4()), status=status)).run_id


def later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=60)


def test_finished_runs_go_and_unfinished_ones_stay(instance: dg.DagsterInstance) -> None:
    finished = [
        add_run(instance, status)
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    ]
    unfinished = [add_run(instance, status) for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING)]
    assert delete_old_runs(instance, later()) == 3
    assert {run.run_id for run in instance.get_runs()} == set(unfinished)
    assert not any(instance.has_run(run_id) for run_id in finished)


def test_what_is_not_old_yet_stays(instance: dg.DagsterInstance) -> None:
    add_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert delete_old_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0


def test_more_than_a_batch_goes_with_some_that_stay_in_between(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", "orders")
    project.world.discover()
    for _ in range(BATCH // 2 + 1):
        add_run(instance, dg.DagsterRunStatus.SUCCESS)
    replaced = project.run(instance, "due_syncs", ["items"]).run_id
    kept = {project.run(instance, "due_syncs", [slug]).run_id for slug in ("items", "orders")}
    for _ in range(BATCH + 1):
        add_run(instance, dg.DagsterRunStatus.FAILURE)

    assert delete_old_runs(instance, later()) == BATCH // 2 + 1 + 1 + BATCH + 1

    assert {run.run_id for run in instance.get_runs()} == kept
    assert replaced not in kept
    results = project.world.query("SELECT DISTINCT run_id FROM public.asset_check_executions")
    assert {run_id for (run_id,) in results} == kept
    assert instance.get_latest_materialization_event(entity_key("erp", "orders")) is not None


def test_no_more_than_asked_go_at_once(instance: dg.DagsterInstance) -> None:
    for _ in range(BATCH + 5):
        add_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert delete_old_runs(instance, later(), most=1) == BATCH
    assert delete_old_runs(instance, later(), most=1) == 5


def test_the_job_removes_both_histories_and_old_events_and_keeps_itself(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    project.run(instance, "due_syncs", ["items"])
    project.run(instance, "due_syncs", ["items"])
    with project.world.database.connection() as connection:
        connection.execute("UPDATE sync_runs SET completed_at = now() - interval '40 days'")
        connection.execute("UPDATE events SET recorded_at = now() - interval '40 days' WHERE type = 'sync_finished'")
    job = project.definitions().resolve_job_def("retention")
    result = job.execute_in_process(QUIET, instance)
    assert result.success
    assert project.world.query("SELECT count(*) FROM sync_runs") == [(1,)]
    assert project.world.query("SELECT DISTINCT type FROM events") == [("entity_discovered",)]
    assert len(instance.get_runs()) == 3, "Dagster's are not old"
