"""The three partitioned jobs."""

import dagster as dg
import pytest

from syncflow_pipelines.defs.names import REPAIR_TAG, entity_key
from syncflow_pipelines.defs.partitions import follow_discovery
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.dagster.project import QUIET, Project, failure_text, materialised


def run(project: Project, instance: dg.DagsterInstance, job: str, partition: str) -> dg.ExecuteInProcessResult:
    """A run of one partition, with the tags that a backfill gives it."""
    follow_discovery(instance, load_world())
    definition = project.definitions().resolve_job_def(job)
    return definition.execute_in_process(QUIET, instance, partition_key=partition, raise_on_error=False)


@pytest.mark.parametrize(
    ("job", "strategy"), [("rowversion_sync", "rowversion"), ("hash_sync", "hash"), ("full_sync", "full")]
)
def test_a_partition_materialises_the_entitys_own_asset(
    job: str, strategy: str, project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    result = run(project, instance, job, "erp/items")
    assert result.success
    assert materialised(result) == ["items"]
    assert project.world.live("items") == project.world.expected("items")
    recorded = project.world.query("SELECT strategy, is_full_refresh, trigger, dagster_run_id FROM sync_runs")
    assert recorded == [(strategy, strategy == "full", job, result.run_id)]
    event = instance.get_latest_materialization_event(entity_key("erp", "items"))
    assert event is not None
    assert event.run_id == result.run_id


def test_a_hash_pass_finds_what_a_rowversion_source_deleted_without_a_tombstone(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.world.discover()
    run(project, instance, "rowversion_sync", "erp/items")
    project.world.store.delete("items", [("A", 3)], leave_tombstone=False)
    run(project, instance, "rowversion_sync", "erp/items")
    assert project.world.live("items") != project.world.expected("items")
    run(project, instance, "hash_sync", "erp/items")
    assert project.world.live("items") == project.world.expected("items")


def test_a_run_of_a_partition_is_counted_for_its_connector(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    result = run(project, instance, "full_sync", "erp/items")
    stored = instance.get_run_by_id(result.run_id)
    assert stored is not None
    assert stored.tags[REPAIR_TAG] == "erp"
    assert stored.tags["dagster/max_retries"] == "3"


def test_a_partition_that_fails_says_why_in_one_sentence(project: Project, instance: dg.DagsterInstance) -> None:
    project.offer("items")
    project.world.discover()
    project.world.store.break_entity("items", Fault(404))
    result = run(project, instance, "full_sync", "erp/items")
    assert not result.success
    assert failure_text(result).startswith("erp/items")
    assert failure_text(result).count("erp/items") == 1
    assert "\n" not in failure_text(result)


def test_only_entities_with_row_versions_are_partitions_of_rowversion_sync(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.offer("items")
    project.offer("stock", strategy="hash")
    project.world.discover()
    touched = follow_discovery(instance, load_world())
    assert touched == 5
    assert instance.get_dynamic_partitions("rowversion_entities") == ["erp/items"]
    assert follow_discovery(instance, load_world()) == 0
