"""The sensor that looks what is wrong, with what only Dagster knows."""

from uuid import uuid4

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from syncflow_pipelines.database.alerts import list_alerts
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.dagster.project import Project

AT_ONCE = "recover_after_s: 0\n"


def tick(project: Project, instance: dg.DagsterInstance) -> set[tuple[str, str]]:
    """What is open after one evaluation."""
    (project.path / "config" / "alerts.yaml").write_text(AT_ONCE)
    sensor = project.definitions().get_repository_def().get_sensor_def("alerts")
    assert isinstance(sensor(dg.build_sensor_context(instance)), dg.SkipReason)
    with project.world.database.connection() as connection:
        return {(alert.rule, alert.subject) for alert, _ in list_alerts(connection)}


def end_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    instance.add_run(dg.DagsterRun(job_name="retention", run_id=str(uuid4()), status=status))


def report(instance: dg.DagsterInstance, before: FreshnessState, after: FreshnessState) -> None:
    change = FreshnessStateChange(
        key=entity_key("erp", "items"), new_state=after, previous_state=before, state_change_timestamp=0.0
    )
    instance._report_runless_asset_event(change)


def test_a_job_whose_newest_run_failed_is_told_until_one_succeeds(
    project: Project, instance: dg.DagsterInstance
) -> None:
    assert tick(project, instance) == set()
    end_run(instance, dg.DagsterRunStatus.FAILURE)
    assert tick(project, instance) == {("run_failed", "retention")}
    end_run(instance, dg.DagsterRunStatus.SUCCESS)
    assert tick(project, instance) == set()


def test_syncs_that_failed_in_dagster_three_times_are_told(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    project.world.store.break_entity("items", Fault(404))
    for _ in range(3):
        assert not project.run(instance, "due_syncs", ["items"]).success
    assert tick(project, instance) == {("sync_failing", "erp/items")}


def test_an_asset_that_missed_its_freshness_policy_is_told(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    report(instance, FreshnessState.PASS, FreshnessState.FAIL)
    assert ("asset_stale", "erp/items") in tick(project, instance)
    report(instance, FreshnessState.FAIL, FreshnessState.PASS)
    assert ("asset_stale", "erp/items") not in tick(project, instance)
