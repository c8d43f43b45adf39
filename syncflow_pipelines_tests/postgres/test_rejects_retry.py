"""Rejected rows tried again: in the table where they fit by now, and never over later data."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from psycopg.types.json import Jsonb

from syncflow_pipelines.sync.conversion.decode import Reject
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import STRATEGIES, Counts, Strategy
from syncflow_pipelines.sync.rejects.record import RejectedRow, keep_rejects, list_rejects
from syncflow_pipelines.sync.rejects.restaging import CHARACTERS_AT_ONCE
from syncflow_pipelines.sync.rejects.retry import RetryOutcome, RetryRequest, retry_rejects
from syncflow_pipelines.sync.runs import close_dead_runs, list_runs, open_run, try_lock
from syncflow_pipelines_tests.postgres.world import World, row

LONG = "x" * 41
"""Longer than `label` of `World.offer`."""


def retry(world: World, slug: str = "items", **more: Any) -> RetryOutcome:
    return retry_rejects(world.database, RetryRequest("erp", slug, "somebody", **more))


def rejects(world: World, **which: Any) -> list[RejectedRow]:
    with world.database.connection() as connection:
        return list(list_rejects(connection, **which))


def retype(world: World, name: str, data_type: str, slug: str = "items") -> None:
    """The source widens a column; the table follows, and no sync comes yet."""
    (spec,) = (entity for entity in world.store.entities() if entity.slug == slug)
    columns = [replace(one, data_type=data_type) if one.key == name else one for one in spec.columns]
    world.store.alter_entity(replace(spec, columns=tuple(columns)))
    world.discover()


@pytest.fixture
def strategy() -> Strategy:
    return "rowversion"


@pytest.fixture
def items(world: World, strategy: Strategy) -> World:
    """An entity of three rows, synced; one of them is rejected because its label is too long."""
    world.offer("items", strategy)
    world.store.insert("items", [row(1), row(2, LONG), row(3)])
    world.discover()
    assert world.sync("items").counts.rejected == 1
    return world


def test_a_retry_whose_process_died_keeps_no_sync_waiting(items: World) -> None:
    before = items.entity("items")
    with items.database.dedicated("test") as connection:
        open_run(
            connection, before.uid, strategy="rowversion", full_refresh=False, trigger="retry", dagster_run_id=None,
            rowversion_start=None,
        )  # fmt: skip
        assert close_dead_runs(connection) == 1
    after = items.entity("items")
    assert (after.consecutive_failures, after.next_attempt_at) == (0, None)
    assert after.last_sync_status == before.last_sync_status == "success"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_row_is_in_once_its_column_is_wide_enough(items: World) -> None:
    retype(items, "label", "VARCHAR2(50)")
    done = retry(items)
    assert (done.sync.status, done.tried, done.resolved, done.superseded) == ("success", 1, 1, 0)
    assert (done.sync.counts, done.sync.open_rejects) == (Counts(fetched=1, inserted=1), 0)
    assert items.live("items") == items.expected("items")
    assert rejects(items) == []
    (closed,) = rejects(items, status="resolved")
    assert (closed.closed_by, closed.status) == ("somebody", "resolved")
    again = items.sync("items")
    assert (again.counts.unchanged, again.counts.inserted, again.counts.rejected) == (3, 0, 0)


def test_a_row_that_is_still_bad_stays_open_with_the_reason_of_today(items: World) -> None:
    (before,) = rejects(items)
    retype(items, "label", "VARCHAR2(40 CHAR)")
    items.query("UPDATE rejected_rows SET reason = 'of yesterday', column_name = NULL, value = NULL RETURNING 1")
    done = retry(items)
    assert (done.tried, done.resolved, done.sync.counts) == (1, 0, Counts(fetched=1, rejected=1))
    assert rejects(items) == [before]
    assert len(items.live("items")) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_good_and_bad_ones_are_told_apart(items: World) -> None:
    items.store.insert("items", [row(4, LONG + "y"), row(5, "x" * 60), row(6, qty="many")])
    items.sync("items")
    retype(items, "label", "VARCHAR2(45)")
    done = retry(items)
    assert (done.tried, done.resolved) == (4, 2)
    assert done.sync.counts == Counts(fetched=4, inserted=2, rejected=2)
    assert {found.column_name for found in rejects(items)} == {"label", "qty"}
    assert {number for _, number in items.live("items")} == {1, 2, 3, 4}


def test_chosen_rows_alone_are_tried(items: World) -> None:
    items.store.insert("items", [row(4, LONG)])
    items.sync("items")
    retype(items, "label", "VARCHAR2(50)")
    chosen = tuple(found.uid for found in rejects(items) if '"number":4' in found.raw.replace(" ", ""))
    assert (retry(items, uids=chosen).tried, len(rejects(items))) == (1, 1)
    assert retry(items, uids=chosen).tried == 0
    assert {number for _, number in items.live("items")} == {1, 3, 4}


def test_a_run_records_it_and_the_cursor_stays(items: World) -> None:
    retype(items, "label", "VARCHAR2(50)")
    before = items.entity("items")
    done = retry(items)
    with items.database.connection() as connection:
        run = list_runs(connection)[0]
    assert (run.uid, run.trigger, run.status) == (done.sync.run_uid, "retry", "success")
    assert (run.fetched, run.inserted, run.rejected) == (1, 1, 0)
    assert run.details == {"tried": 1, "resolved": 1, "superseded": 0}
    after = items.entity("items")
    assert after.last_rowversion == before.last_rowversion
    assert after.last_sync_at == before.last_sync_at


def test_live_rows_are_counted_on(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1), row(2, LONG)])
    world.discover()
    world.sync("items")
    with world.database.connection() as connection:
        connection.execute("UPDATE entities SET columns = replace(columns::text, 'varying(40)', 'varying(50)')::jsonb")
        connection.execute("ALTER TABLE erp.items ALTER label TYPE varchar(50)")
    assert retry(world).sync.live_rows == 2


def test_a_dry_run_tells_the_same_and_changes_nothing(items: World) -> None:
    retype(items, "label", "VARCHAR2(50)")
    before = (items.live("items"), rejects(items), items.query("SELECT uid, status FROM sync_runs"))
    told = retry(items, dry_run=True)
    assert (items.live("items"), rejects(items), items.query("SELECT uid, status FROM sync_runs")) == before
    done = retry(items)
    assert (told.tried, told.resolved, told.sync.counts) == (done.tried, done.resolved, done.sync.counts)
    assert told.sync.run_uid is None


def test_nothing_to_try_is_no_run(items: World) -> None:
    runs = items.query("SELECT count(*) FROM sync_runs")
    assert retry(items, uids=()).tried == 0
    assert items.query("SELECT count(*) FROM sync_runs") == runs


def test_an_entity_that_somebody_holds_is_not_touched(items: World) -> None:
    with items.database.dedicated("other") as other:
        assert try_lock(other, find_entity(other, "erp", "items").uid)
        done = retry(items)
    assert (done.sync.status, done.sync.error_type) == ("failed", "EntityBusy")
    assert len(rejects(items)) == 1


def test_a_failure_changes_nothing_and_is_on_record(items: World) -> None:
    retype(items, "label", "VARCHAR2(50)")
    with items.database.connection() as connection:
        connection.execute("ALTER TABLE erp.items ADD CHECK (length(label) < 41)")
    done = retry(items)
    assert (done.sync.status, done.sync.error_type) == ("failed", "DatabaseError")
    assert LONG not in str(done.sync.error)
    assert len(rejects(items)) == 1
    with items.database.connection() as connection:
        run = list_runs(connection)[0]
    assert (run.status, run.trigger, run.error_message) == ("failed", "retry", done.sync.error)
    assert items.entity("items").consecutive_failures == 0


def test_an_entity_whose_columns_wait_for_a_decision_is_not_touched(items: World) -> None:
    retype(items, "label", "DATE")
    done = retry(items)
    assert (done.sync.status, done.sync.error_type, len(rejects(items))) == ("failed", "SchemaRefused", 1)


def test_a_table_that_lost_its_rows_is_still_read_anew_after_a_retry(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1), row(2, LONG), row(3)])
    world.discover()
    world.sync("items")
    retype(world, "label", "VARCHAR2(50)")
    world.sync("items", strategy="rowversion")
    world.store.insert("items", [row(4, "x" * 51)])
    world.sync("items")
    with world.database.connection() as connection:
        connection.execute("TRUNCATE erp.items")
        connection.execute("ALTER TABLE erp.items ALTER label TYPE text")
        connection.execute("UPDATE rejected_rows SET raw = replace(raw, repeat('x', 51), 'short')")
    retry(world)
    world.sync("items")
    assert {number for _, number in world.live("items")} >= {1, 2, 3}


# What is older than the table


_PUT_BACK = """
INSERT INTO rejected_rows SELECT * FROM jsonb_populate_record(NULL::rejected_rows, %s)
ON CONFLICT DO NOTHING RETURNING 1
"""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("happens", ["changed", "deleted"])
def test_what_a_later_sync_made_of_a_row_is_not_overwritten(world: World, strategy: Strategy, happens: str) -> None:
    world.offer("items", strategy)
    world.configure("items", max_reject_ratio=1.0)
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")
    world.store.put("items", [row(1, LONG)])
    assert world.sync("items").open_rejects == 1
    ((kept,),) = world.query("SELECT to_jsonb(r) FROM rejected_rows r")
    if happens == "changed":
        world.store.put("items", [row(1, "later")])
    else:
        world.store.delete("items", [("A", 1)])
    world.sync("items")
    world.query(_PUT_BACK, Jsonb(kept))  # as where its key could not be read
    retype(world, "label", "VARCHAR2(50)")
    done = retry(world)
    assert (done.tried, done.resolved, done.superseded) == (1, 1, 1)
    assert done.sync.counts == Counts(fetched=1, unchanged=1)
    assert world.live("items") == world.expected("items")


def test_a_tombstone_that_was_rejected_deletes_its_row(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")
    world.store.delete("items", [("A", 1)])
    with world.database.connection() as connection:
        # as by a table that could not hold the key then
        connection.execute(
            "INSERT INTO rejected_rows (entity_uid, run_uid, row_digest, reason, raw) SELECT uid, last_run_uid, "
            "gen_random_uuid(), 'is a deletion without its business key', %s FROM entities",
            ('{"data":{"site":"A","number":1},"oracle_keys":{},"row_version":"99","deleted":true}',),
        )
    done = retry(world)
    assert (done.sync.counts, set(world.live("items"))) == (Counts(fetched=1, deleted=1), {("A", 2)})


def test_of_two_rows_with_one_key_the_greater_version_wins_and_else_the_newest(world: World) -> None:
    world.offer("items")
    world.discover()
    entity = world.entity("items")
    insert_reject(world, entity.uid, row(1, "greater"), "9", minute=1)
    insert_reject(world, entity.uid, row(1, "later"), "8", minute=2)
    insert_reject(world, entity.uid, row(2, "older"), None, minute=1)
    insert_reject(world, entity.uid, row(2, "newer"), None, minute=2)
    done = retry(world)
    assert (done.tried, done.resolved, done.superseded) == (4, 4, 2)
    assert done.sync.counts == Counts(fetched=2, inserted=2)
    assert {key: found["label"] for key, found in world.live("items").items()} == {
        ("A", 1): "greater",
        ("A", 2): "newer",
    }


def test_many_and_long_rows_are_tried_in_pieces(world: World) -> None:
    world.offer("items")
    world.discover()
    entity = world.entity("items")
    for number in range(2300):
        insert_reject(world, entity.uid, row(number), str(number), minute=number // 1100)
    for number in (1, 2):
        insert_reject(world, entity.uid, {**row(number, site="B"), "more": "x" * CHARACTERS_AT_ONCE}, "1", minute=5)
    done = retry(world)
    assert (done.tried, done.resolved, done.sync.counts.inserted) == (2302, 2302, 2302)


def insert_reject(world: World, entity_uid: UUID, data: dict[str, Any], version: str | None, minute: int) -> None:
    """An open reject of a row that is good."""
    raw = msgspec.json.encode({"data": data, "oracle_keys": {}, "row_version": version, "deleted": False}).decode()
    with world.database.connection() as connection:
        run = uuid4()
        keep_rejects(connection, entity_uid, run, [Reject(raw, "because")], 1)
        connection.execute(
            "UPDATE rejected_rows SET last_seen_at = now() - interval '1 hour' + %s * interval '1 minute' "
            "WHERE run_uid = %s",
            (minute, run),
        )
