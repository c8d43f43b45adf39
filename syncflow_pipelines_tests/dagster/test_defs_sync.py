"""Runs of the batched sync, against a served source, a database and a real instance."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from syncflow_pipelines.defs.checks import BUSINESS_KEY_UNIQUE, REJECTS, SCHEMA_DRIFT
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.workers import NOBODY, WORKER_TAG
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.dagster.project import Project, failure_text, materialised
from syncflow_pipelines_tests.postgres.world import row

TEN = [f"entity_{number}" for number in range(10)]


def to_retry(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> tuple[set[dg.AssetKey], set[object]]:
    """What Dagster's daemon would select for the retry of the run."""
    snapshot_id = result.dagster_run.execution_plan_snapshot_id
    assert snapshot_id is not None
    snapshot = instance.get_execution_plan_snapshot(snapshot_id)
    assets, checks = instance.run_domain.get_keys_to_reexecute(result.run_id, snapshot)
    return set(assets), set(checks)


def test_one_failing_entity_does_not_stop_the_other_nine_and_is_retried_alone(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer(*TEN)
    project.world.discover()
    project.world.store.break_entity("entity_3", Fault(500))

    result = project.run(instance, "due_syncs", TEN)

    assert not result.success
    assert materialised(result) == [slug for slug in TEN if slug != "entity_3"]
    assert "1 of 10 entities failed" in failure_text(result)
    assert "erp/entity_3: " in failure_text(result)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE)
    assert run.tags["dagster/retry_strategy"] == "FROM_ASSET_FAILURE"
    assert to_retry(instance, result) == ({entity_key("erp", "entity_3")}, set())


def test_what_a_person_has_to_mend_is_not_retried(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    (project.path / "token").write_text("another-token")

    result = project.run(instance, "due_syncs", ["items"])

    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert not auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE)
    assert "401" in failure_text(result)
    assert "another-token" not in failure_text(result)
    assert "\n" not in failure_text(result)


def test_a_materialisation_tells_counts_as_numbers(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items", rows=30)
    project.world.discover()

    result = project.run(instance, "due_syncs", ["items"])

    (event,) = result.get_asset_materialization_events()
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    assert metadata["inserted"] == metadata["fetched"] == metadata["dagster/row_count"] == 30
    assert metadata["updated"] == metadata["deleted"] == metadata["rejected"] == 0
    assert isinstance(metadata["seconds"], float)
    assert metadata["dagster/table_name"] == "erp.items"
    assert metadata["rowversion_end"] == project.world.entity("items").last_rowversion
    (sync,) = project.world.query("SELECT uid::text, dagster_run_id, trigger FROM sync_runs")
    assert sync == (metadata["run"], result.run_id, "due_syncs")


def test_the_worker_is_named_while_it_works_and_not_after(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    result = project.run(instance, "due_syncs", ["items"])
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[WORKER_TAG] == NOBODY


def test_scheduled_runs_plan_no_checks_and_record_them_all(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    keys = [dg.AssetCheckKey(entity_key("erp", "items"), name) for name in (REJECTS, SCHEMA_DRIFT, BUSINESS_KEY_UNIQUE)]

    for _ in range(2):
        result = project.run(instance, "due_syncs", ["items"])
        assert {e.asset_check_key: e.passed for e in result.get_asset_check_evaluations()} == dict.fromkeys(keys, True)
        assert all_target_the_latest_materialisation(instance, keys)

    project.world.store.insert("items", [row(99, qty="not a number")])
    result = project.run(instance, "due_syncs", ["items"])
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == [REJECTS]
    planned = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    assert not [event for event in instance.all_logs(result.run_id) if event.dagster_event_type == planned]


def all_target_the_latest_materialisation(instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey]) -> bool:
    """Whether the UI shows the checks as evaluated."""
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    context = LoadingContextForTest(instance)
    return all(asyncio.run(records[key].targets_latest_materialization(context)) for key in keys)


def test_checks_that_are_selected_are_recorded_each_time(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    for _ in range(2):
        result = project.run(instance, "due_syncs", ["items"], checks=None)
        assert result.success
        assert len(result.get_asset_check_evaluations()) == 3


def test_a_check_alone_syncs_nothing(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    key = dg.AssetCheckKey(entity_key("erp", "items"), SCHEMA_DRIFT)

    result = project.run(instance, "due_syncs", [], checks=[key])

    assert result.success
    assert [(e.check_name, e.passed) for e in result.get_asset_check_evaluations()] == [(SCHEMA_DRIFT, True)]
    assert materialised(result) == []
    assert project.world.query("SELECT FROM sync_runs") == []


def test_a_table_that_lost_a_column_fails_its_drift_check(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    with project.world.database.connection() as connection:
        connection.execute("ALTER TABLE erp.items DROP COLUMN label")
    key = dg.AssetCheckKey(entity_key("erp", "items"), SCHEMA_DRIFT)

    result = project.run(instance, "due_syncs", [], checks=[key])

    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, "label" in (evaluation.description or "")) == (False, True)


def test_duplicate_business_keys_fail_their_check(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    project.run(instance, "due_syncs", ["items"])
    (constraint,) = project.world.query(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'erp.items'::regclass AND contype = 'u'"
    )
    with project.world.database.connection() as connection:
        connection.execute(f"ALTER TABLE erp.items DROP CONSTRAINT {constraint[0]}")
        copied = "site, number, _bridge_hash"
        connection.execute(f"INSERT INTO erp.items ({copied}) SELECT {copied} FROM erp.items LIMIT 1")
    keys = [dg.AssetCheckKey(entity_key("erp", "items"), name) for name in (BUSINESS_KEY_UNIQUE, REJECTS)]

    result = project.run(instance, "due_syncs", [], checks=keys)

    assert {e.check_name: e.passed for e in result.get_asset_check_evaluations()} == {
        BUSINESS_KEY_UNIQUE: False,
        REJECTS: True,
    }
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert latest[keys[0]].status == AssetCheckExecutionRecordStatus.FAILED


@pytest.mark.parametrize("slug", ["Sales Orders/2024", "a-b.c", "catalogue", "100%", 'with "quotes"'])
def test_slugs_of_any_characters_are_synced(slug: str, project: Project, instance: dg.DagsterInstance) -> None:
    project.offer(slug)
    project.world.discover()
    result = project.run(instance, "due_syncs", [slug])
    assert result.success
    assert project.world.live(slug) == project.world.expected(slug)


def test_a_run_that_is_cancelled_from_outside_stops_the_engine(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("slow", rows=5000)
    project.world.discover()
    project.world.store.break_entity("slow", Fault(status=None, delay_s=1.0))
    cancelled = threading.Event()

    def cancel() -> None:
        while not (runs := instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))):
            time.sleep(0.05)
        instance.report_run_canceled(runs[0])
        cancelled.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cancel)
        result = project.run(instance, "due_syncs", ["slow"])

    assert cancelled.is_set()
    assert materialised(result) == []
    assert project.world.query("SELECT status, error_details->>'type' FROM sync_runs") == [("failed", "SyncCancelled")]
    assert project.world.live("slow") == {}
