"""Nobody waits for SyncFlow: what is altered is altered briefly, and what need not be is not touched."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.model import DiscoveryReport
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines_tests.postgres.changing_world import LABEL, NUMBER, QTY, SITE, change, do, everything, in_use
from syncflow_pipelines_tests.postgres.world import World, row

WIDER = (SITE, NUMBER, replace(LABEL, data_type="CLOB"), QTY, SourceColumn("MORE", "CLOB"))


@pytest.fixture
def synced(world: World) -> World:
    world.offer("items", "hash")
    world.store.insert("items", [{**row(n), "more": f"more {n}"} for n in range(5)])
    world.discover()
    world.sync("items")
    return world


@contextmanager
def holding(world: World, mode: str) -> Iterator[psycopg.Connection]:
    """Somebody else has the table, in that mode."""
    with world.database.connection() as somebody:
        somebody.execute(f"LOCK TABLE erp.items IN {mode} MODE".encode())
        yield somebody


def dry_run(world: World) -> DiscoveryReport:
    return discover(world.database, world.connector, world.settings, dry_run=True)


def test_a_discovery_that_finds_nothing_new_asks_for_no_lock_at_all(synced: World) -> None:
    with holding(synced, "ACCESS EXCLUSIVE"):
        report = synced.discover()
    assert (report.changed, report.changes, report.findings, report.refused) == ((), (), (), {})


def test_a_dry_run_of_every_change_asks_for_no_lock_and_writes_nothing(synced: World) -> None:
    synced.offer("new", "hash")
    change(synced, "items", columns=WIDER)
    before = everything(synced)
    with holding(synced, "ACCESS EXCLUSIVE"), synced.database.connection() as writer:
        writer.execute("LOCK TABLE entities, connectors, schema_changes IN EXCLUSIVE MODE")
        told = dry_run(synced)
    assert everything(synced) == before
    assert replace(synced.discover(), seconds=0) == replace(told, seconds=0)
    assert (told.added, told.changed) == (("new",), ("items",))


def test_dry_runs_tell_overrides_and_names_that_collide_as_discoveries_do(synced: World) -> None:
    for slug in ("Items", "ITEMS"):
        synced.offer(slug, "hash")
    synced.configure("items", strategy="full", sync_interval_seconds=7)
    told = dry_run(synced)
    assert replace(synced.discover(), seconds=0) == replace(told, seconds=0)
    assert len({change.after for change in told.changes if change.kind == "entity_added"}) == 2
    assert told.changed == ("items",)


def test_while_a_report_runs_nobody_waits_behind_the_change_for_long(synced: World) -> None:
    change(synced, "items", columns=WIDER)
    reports: list[DiscoveryReport] = []
    with holding(synced, "ACCESS SHARE"), synced.database.connection() as reader:
        thread = threading.Thread(target=lambda: reports.append(synced.discover()))
        thread.start()
        seen = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'erp.items'::regclass"
        while reader.execute(seen).fetchone() is None and thread.is_alive():
            threading.Event().wait(0.005)
        assert thread.is_alive()
        # Would be refused, if it had to wait as long as the report takes.
        reader.execute("SET LOCAL statement_timeout = '5s'")
        assert reader.execute("SELECT count(*) FROM erp.items").fetchone() == (5,)
        thread.join(30)
    assert reports[0].changed == ()
    assert "erp.items cannot be altered just now" in reports[0].findings[0].message
    assert synced.query("SELECT count(_bridge_hash) FROM erp.items") == [(5,)]
    assert synced.discover().changed == ("items",)


def test_the_change_is_made_as_soon_as_the_report_ends(synced: World) -> None:
    change(synced, "items", columns=WIDER)
    reports: list[DiscoveryReport] = []
    thread = threading.Thread(target=lambda: reports.append(synced.discover()))
    with holding(synced, "ACCESS SHARE") as reader:
        thread.start()
        seen = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'erp.items'::regclass"
        while reader.execute(seen).fetchone() is None:
            threading.Event().wait(0.005)
    thread.join(30)
    assert reports[0].changed == ("items",)


@contextmanager
def while_it_reads(world: World) -> Iterator[list[Any]]:
    """A sync whose source was asked and answers at the end; what it came to is in the list then."""
    asked, may_answer, outcomes = threading.Event(), threading.Event(), list[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await asyncio.to_thread(may_answer.wait, 60)
        body = world.store.page("items")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    with serve_in_thread(app) as base_url:
        world.connector = replace(world.connector, base_url=base_url)
        thread = threading.Thread(target=lambda: outcomes.append(world.sync("items")))
        thread.start()
        try:
            assert asked.wait(30)
            yield outcomes
        finally:
            may_answer.set()
            thread.join(60)


def test_a_repair_is_done_before_the_read_and_the_table_stays_free_during_it(synced: World) -> None:
    do(synced, "ALTER TABLE erp.items DROP COLUMN label")
    with while_it_reads(synced) as outcomes:
        assert synced.query("SELECT label FROM erp.items") == [(None,)] * 5
        with holding(synced, "ROW EXCLUSIVE") as user:
            user.execute("SET LOCAL lock_timeout = '5s'")
            user.execute("UPDATE entities SET updated_at = now() WHERE slug = 'items'")
        assert outcomes == []
    assert outcomes[0].counts.updated == 5
    assert "every row was read and compared, because column label was added" in outcomes[0].notes
    live, held = in_use(synced, "items")
    assert live == held


def test_a_repair_that_somebodys_use_of_the_table_prevents_is_told_and_done_by_the_next_sync(synced: World) -> None:
    do(synced, "ALTER TABLE erp.items DROP COLUMN label")
    with holding(synced, "ACCESS SHARE"):
        outcome = synced.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "TableInUse")
    assert "cannot be altered just now, because process" in str(outcome.error)
    assert "label" not in {name for (name,) in synced.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'erp.items'::regclass"
    )}  # fmt: skip
    assert synced.sync("items").counts.updated == 5


def test_a_table_that_somebody_emptied_is_filled_though_the_first_try_fails(synced: World) -> None:
    do(synced, "TRUNCATE erp.items")
    synced.store.break_entity("items", Fault(status=404), times=1)
    assert synced.sync("items").status == "failed"
    assert synced.sync("items").counts.inserted == 5


def test_everybody_who_has_the_table_is_named(synced: World) -> None:
    change(synced, "items", columns=WIDER)
    with holding(synced, "ACCESS SHARE") as one, synced.database.connection() as two:
        two.execute("SET application_name = ''; SELECT * FROM erp.items")
        message = synced.discover().findings[0].message
        two.execute("RESET application_name")
        pids = (one.info.backend_pid, two.info.backend_pid)
    assert f"process {pids[0]} (syncflow, user " in message
    assert f" and process {pids[1]} (user " in message
