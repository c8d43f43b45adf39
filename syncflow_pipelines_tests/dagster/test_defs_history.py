"""Recorded changes in Dagster: counted with each materialisation, and removed when they are old."""

import dagster as dg
import pytest

from syncflow_pipelines.sync.history.changes import purge_changes
from syncflow_pipelines_tests.dagster.project import QUIET, Project


@pytest.fixture
def items(project: Project, instance: dg.DagsterInstance) -> Project:
    """Two entities of twenty rows; `items` has a history, `orders` has none. Both were synced."""
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    entities: {items: {history: true}}\n")
    project.offer("items", "orders")
    project.world.discover()
    assert project.run(instance, "due_syncs", ["items", "orders"]).success
    return project


def recorded(project: Project) -> int:
    return int(project.world.query("SELECT count(*) FROM record_changes")[0][0])


def test_a_materialisation_tells_how_many_changes_were_recorded(items: Project, instance: dg.DagsterInstance) -> None:
    told = {}
    for slug in ("items", "orders"):
        event = instance.get_latest_materialization_event(dg.AssetKey(["erp", slug]))
        assert event is not None
        assert event.asset_materialization is not None
        told[slug] = event.asset_materialization.metadata.get("recorded_changes")
    assert told == {"items": dg.IntMetadataValue(20), "orders": None}
    assert recorded(items) == 20


def test_the_retention_job_removes_the_changes_that_are_older_than_their_own_setting(
    items: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCFLOW_HISTORY_RETENTION_DAYS", "90")
    with items.world.database.connection() as connection:
        connection.execute("UPDATE record_changes SET changed_at = now() - interval '91 days' WHERE id <= 3")
        connection.execute("UPDATE record_changes SET changed_at = now() - interval '89 days' WHERE id > 10")
    job = items.definitions().resolve_job_def("retention")
    assert job.execute_in_process(QUIET, instance).success
    assert recorded(items) == 17


def test_old_changes_go_in_batches_that_each_stand_for_themselves(items: Project) -> None:
    with items.world.database.connection() as connection:
        connection.execute("UPDATE record_changes SET changed_at = now() - interval '91 days' WHERE id <= 17")
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN IF (SELECT count(*) FROM record_changes) <= 10 THEN RAISE 'enough'; END IF; RETURN OLD; END$$; "
            "CREATE TRIGGER refuse BEFORE DELETE ON record_changes FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(Exception, match="enough"):
        purge_changes(items.world.database, 90, batch=5)
    assert recorded(items) == 10
    with items.world.database.connection() as connection:
        connection.execute("DROP TRIGGER refuse ON record_changes")
    assert purge_changes(items.world.database, 90, batch=5) == 7
    assert purge_changes(items.world.database, 90, batch=5) == 0
    assert recorded(items) == 3
