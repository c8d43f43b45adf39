"""Discovery: nothing by half, nothing twice, and nobody in the way."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.entities import list_entities
from syncflow_pipelines.sync.runs import try_lock
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.postgres.changing_world import LABEL, NUMBER, QTY, SITE, change, do, everything
from syncflow_pipelines_tests.postgres.world import World, row


def test_a_dry_run_tells_everything_and_changes_nothing(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.offer("prices", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="CLOB"), SourceColumn("MORE", "CLOB")))
    change(world, "orders", columns=(SITE, NUMBER, replace(LABEL, data_type="JSON"), QTY))
    world.store.drop_entity("prices")
    world.offer("new one", "hash")
    before = everything(world)
    told = discover(world.database, world.connector, world.settings, dry_run=True)
    assert everything(world) == before
    done = world.discover()
    assert replace(told, seconds=0) == replace(done, seconds=0)
    assert (done.added, done.changed, done.gone, list(done.refused)) == (
        ("new one",),
        ("items",),
        ("prices",),
        ["orders"],
    )


def test_a_first_dry_run_leaves_no_trace(world: World) -> None:
    world.offer("items", "hash")
    before = everything(world)
    assert discover(world.database, world.connector, world.settings, dry_run=True).added == ("items",)
    assert everything(world) == before


def test_an_entity_that_is_being_synced_follows_the_next_time(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    digest = world.discover().digest
    more = (SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB"))
    change(world, "items", columns=more)
    change(world, "orders", columns=more)
    with world.database.dedicated("a sync") as sync:
        assert try_lock(sync, world.entity("items").uid)
        report = world.discover()
    assert report.changed == ("orders",)
    assert [(finding.severity, finding.entity) for finding in report.findings] == [("warning", "items")]
    assert "is being synced" in report.findings[0].message
    assert report.refused == {}
    assert world.query("SELECT catalogue_digest FROM connectors") == [(digest,)]
    assert world.discover().changed == ("items",)
    assert world.query("SELECT catalogue_digest <> %s FROM connectors", digest) == [(True,)]


def test_a_table_that_somebody_reads_for_long_is_left_for_the_next_time(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    with world.database.connection() as reader:
        reader.execute("SET application_name = 'a long report'")
        reader.execute("SELECT * FROM erp.items")
        report = world.discover()
        reader.execute("RESET application_name")
        who = f"process {reader.info.backend_pid} (a long report, user "
    assert (report.changed, report.refused) == ((), {})
    assert f"table erp.items cannot be altered just now, because {who}" in report.findings[0].message
    assert world.entity("items").schema_error is None
    assert world.sync("items").status == "success"
    assert world.discover().changed == ("items",)


def test_a_change_is_committed_before_a_sync_may_begin(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    do(
        world,
        """
        CREATE TABLE locks_at_commit (held bigint);
        CREATE FUNCTION note_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO bridge.locks_at_commit SELECT count(*) FROM pg_locks
          WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER noted AFTER UPDATE ON entities DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note_locks()
    """,
    )
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    world.discover()
    assert world.query("SELECT held FROM locks_at_commit") == [(2,)]  # the discovery's and the entity's


def test_discoveries_at_once_end_like_one(world: World) -> None:
    for number in range(6):
        world.offer(f"items {number}", "hash")
    others = [replace(world.connector, name=name, target_schema="erp") for name in ("erp2", "erp3")]
    reports = at_once(
        *(lambda c=c: discover(world.database, c, world.settings) for c in [world.connector] * 2 + others)
    )
    assert sorted(len(report.added) for report in reports) == [0, 6, 6, 6]
    assert all(report.refused == {} and report.findings == () for report in reports)
    with world.database.connection() as connection:
        tables = [entity.table for entity in list_entities(connection)]
    assert len(set(tables)) == len(tables) == 18
    assert set(read_catalogue_state(world.settings.home)) == {"erp", "erp2", "erp3"}


def test_discoveries_and_syncs_at_once_lose_nothing(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [{**row(n), "more": f"more {n}"} for n in range(300)])
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    at_once(
        *(lambda: world.sync("items", wait_s=20) for _ in range(3)),
        *[world.discover] * 3,
    )
    world.discover()
    world.sync("items")
    assert {found["more"] for found in world.live("items").values()} == {f"more {n}" for n in range(300)}


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Runs all of it in threads, from one moment on; what each returned, or the first error raised."""
    start, results = threading.Barrier(len(works)), [None] * len(works)
    errors: list[BaseException] = []

    def run(place: int) -> None:
        start.wait(10)
        try:
            results[place] = works[place]()
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in errors:
        raise error
    return results
