"""Runs whose process has died, and runs that somebody ended."""

import subprocess
import sys
from uuid import uuid4

import dagster as dg

from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.jobs import DUE_SYNCS, WATCHED
from syncflow_pipelines.defs.workers import GRACE_S, NOBODY, WORKER_TAG, end_dead_runs, working


def started(instance: dg.DagsterInstance, job: str = DUE_SYNCS) -> str:
    """The id of a run that says that it runs."""
    return instance.add_run(dg.DagsterRun(job, str(uuid4()), status=dg.DagsterRunStatus.STARTED)).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def worker(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.tags[WORKER_TAG]


def test_a_run_whose_process_was_killed_is_ended_after_the_grace(
    database: Database, instance: dg.DagsterInstance
) -> None:
    run_id = started(instance)
    module = "syncflow_pipelines_tests.dagster.worker_child"
    with subprocess.Popen([sys.executable, "-m", module, run_id], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "working\n"
            assert str(child.pid) in worker(instance, run_id)
            assert end_dead_runs(database, instance, WATCHED, {}, 0.0) == {}
        finally:
            child.kill()
    suspects: dict[str, float] = {}
    while not suspects:  # until PostgreSQL has noticed
        suspects = end_dead_runs(database, instance, WATCHED, {}, 100.0)
    assert suspects == {run_id: 100.0}
    assert end_dead_runs(database, instance, WATCHED, suspects, 100.0 + GRACE_S - 1) == suspects
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED
    assert end_dead_runs(database, instance, WATCHED, suspects, 100.0 + GRACE_S) == {}
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_works_again_is_no_suspect_any_more(database: Database, instance: dg.DagsterInstance) -> None:
    run_id = started(instance)
    suspects = end_dead_runs(database, instance, WATCHED, {}, 0.0)
    assert suspects == {run_id: 0.0}
    with working(database, instance, run_id):
        assert end_dead_runs(database, instance, WATCHED, suspects, 1000.0) == {}
    assert status(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_two_steps_of_one_run_may_work_at_once(database: Database, instance: dg.DagsterInstance) -> None:
    run_id = started(instance)
    with working(database, instance, run_id):
        with working(database, instance, run_id):
            pass
        assert end_dead_runs(database, instance, WATCHED, {}, 0.0) == {}


def test_other_peoples_runs_are_left_alone(database: Database, instance: dg.DagsterInstance) -> None:
    foreign, ours = started(instance, "a_job_of_theirs"), started(instance, "__ASSET_JOB")
    with working(database, instance, ours):
        pass
    assert worker(instance, ours) == NOBODY
    assert end_dead_runs(database, instance, WATCHED, {foreign: 0.0, ours: 0.0}, 1e9) == {}
    assert status(instance, foreign) == status(instance, ours) == dg.DagsterRunStatus.STARTED


def test_a_run_that_somebody_ended_stops_its_work(database: Database, instance: dg.DagsterInstance) -> None:
    run_id = started(instance)
    with working(database, instance, run_id, poll_s=0.0) as is_over, working(database, instance, run_id) as asks_seldom:
        assert not is_over()
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_run_canceled(run)
        assert is_over()
        assert not asks_seldom()
