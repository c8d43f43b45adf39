"""What a sync by each strategy does to the table, the cursor, the counts and the record."""

from dataclasses import replace

import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.model import Counts
from syncflow_pipelines_tests.postgres.world import World, row


def test_the_first_sync_inserts_every_row(world: World) -> None:
    for strategy in ("rowversion", "hash", "full"):
        world.offer(strategy, strategy)
        world.store.insert(strategy, [row(n) for n in range(2500)])
    world.discover()
    for strategy in ("rowversion", "hash", "full"):
        outcome = world.sync(strategy)
        assert outcome.status == "success"
        assert outcome.strategy == strategy
        assert outcome.counts == Counts(fetched=2500, inserted=2500)
        assert world.live(strategy) == world.expected(strategy)
        assert world.entity(strategy).live_rows == 2500


@pytest.mark.parametrize("strategy", ["rowversion", "hash", "full"])
def test_changes_are_counted_exactly(world: World, strategy: str) -> None:
    world.offer("items", strategy)
    world.store.insert("items", [row(n) for n in range(30)])
    world.discover()
    world.sync("items")
    with world.store.change() as change:
        change.update("items", [{"site": "A", "number": n, "label": "new"} for n in range(3)])
        change.insert("items", [row(n) for n in range(100, 105)])
        change.delete("items", [("A", 7), ("A", 8)])
    outcome = world.sync("items")
    counts = outcome.counts
    assert (counts.inserted, counts.updated, counts.deleted, counts.rejected) == (5, 3, 2, 0)
    assert counts.fetched + counts.missing == (
        counts.inserted + counts.updated + counts.unchanged + counts.deleted + counts.rejected
    )
    assert counts.missing == (0 if strategy == "rowversion" else 2)
    assert world.live("items") == world.expected("items")
    assert world.entity("items").live_rows == 33


def test_a_sync_without_changes_writes_no_row(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(1200)])
    world.discover()
    world.sync("items")
    before = world.query("SELECT max(_bridge_updated_at), max(xmin::text::bigint) FROM erp.items")
    outcome = world.sync("items")
    assert outcome.counts == Counts(fetched=1200, unchanged=1200)
    assert world.query("SELECT max(_bridge_updated_at), max(xmin::text::bigint) FROM erp.items") == before


def test_a_row_that_a_tombstone_deleted_comes_back_to_life_under_the_same_id(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(5)])
    world.discover()
    world.sync("items")
    born = world.query("SELECT _bridge_id FROM erp.items WHERE number = 3")
    world.store.delete("items", [("A", 3)])
    assert world.sync("items").counts.deleted == 1
    assert world.query("SELECT label, _bridge_deleted FROM erp.items WHERE number = 3") == [("x", True)]
    world.store.insert("items", [row(3, "again")])
    assert world.sync("items").counts.updated == 1
    assert world.query("SELECT _bridge_id FROM erp.items WHERE number = 3 AND NOT _bridge_deleted") == born


def test_a_tombstone_of_a_row_that_never_was_here_changes_nothing(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1)])
    world.store.delete("items", [("A", 1)])
    world.discover()
    outcome = world.sync("items")
    assert outcome.counts == Counts(fetched=1, unchanged=1)
    assert world.live("items") == {}


def test_the_cursor_goes_on_and_only_changed_rows_are_read(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3000)])
    world.discover()
    assert world.sync("items").rowversion_end == "2999"
    world.store.update("items", [{"site": "A", "number": 5, "label": "new"}])
    outcome = world.sync("items")
    assert (outcome.rowversion_start, outcome.rowversion_end) == ("2999", "3000")
    assert outcome.counts == Counts(fetched=2, updated=1, unchanged=1)  # the greatest version is read again
    assert world.query("SELECT last_rowversion FROM entities") == [("3000",)]


def test_counters_that_are_strings_compare_as_numbers(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(9)])
    world.discover()
    assert world.sync("items").rowversion_end == "8"
    world.store.insert("items", [row(n) for n in range(9, 12)])
    assert world.sync("items").counts.inserted == 3
    assert world.entity("items").last_rowversion == "11"


def test_a_later_change_that_carries_an_equal_row_version_is_not_lost(world: World) -> None:
    world.offer("items", versions="time")
    world.store.insert("items", [row(n) for n in range(10)], row_version="20251208120000")
    world.store.insert("items", [row(n) for n in range(10, 20)], row_version="20251208120001")
    world.discover()
    world.sync("items")
    world.store.update("items", [{"site": "A", "number": 12, "label": "late"}], row_version="20251208120001")
    world.sync("items")
    assert world.live("items") == world.expected("items")


def test_a_group_of_ties_longer_than_a_page_is_read_whole_and_passed(world: World) -> None:
    world.offer("items", versions="time")
    world.store.insert("items", [row(n) for n in range(2500)], row_version="20251208120000")
    world.store.insert("items", [row(n) for n in range(2500, 2510)], row_version="20251208120001")
    world.discover()
    outcome = world.sync("items")
    assert world.live("items") == world.expected("items")
    assert outcome.counts.fetched == 2510
    assert outcome.rowversion_end == "20251208120000"


def test_a_row_committed_late_is_read_by_the_overlap(world: World) -> None:
    world.offer("items", versions="time")
    world.store.insert("items", [row(1)], row_version="20251208120000")
    world.store.insert("items", [row(2)], row_version="20251208120100")
    world.configure("items", rowversion_overlap=120)
    world.discover()
    world.sync("items")
    world.store.insert("items", [row(3)], row_version="20251208115930")
    world.sync("items")
    assert world.live("items") == world.expected("items")


def test_a_hash_pass_over_a_rowversion_entity_finds_rows_that_left_no_tombstone(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    world.sync("items")
    world.store.delete("items", [("A", 4)], leave_tombstone=False)
    assert world.sync("items").counts.deleted == 0
    outcome = world.sync("items", strategy="hash")
    assert (outcome.strategy, outcome.counts.deleted, outcome.counts.missing) == ("hash", 1, 1)
    assert world.live("items") == world.expected("items")
    assert world.entity("items").last_rowversion == "19"


def test_a_full_refresh_mends_rows_that_were_changed_by_hand(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    world.sync("items")
    with world.database.connection() as connection:
        connection.execute("UPDATE erp.items SET label = 'by hand' WHERE number < 3")
        connection.execute("DELETE FROM erp.items WHERE number = 9")
    outcome = world.sync("items", full_refresh=True)
    assert (outcome.strategy, outcome.counts.updated, outcome.counts.inserted) == ("full", 3, 1)
    assert world.live("items") == world.expected("items")


@pytest.mark.parametrize("statement", ["TRUNCATE erp.items", "DROP TABLE erp.items"])
def test_a_table_that_somebody_emptied_or_dropped_is_filled_again(world: World, statement: str) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    world.sync("items")
    with world.database.connection() as connection:
        connection.execute(statement)
    assert world.sync("items").counts.inserted == 20
    assert world.live("items") == world.expected("items")


def test_a_read_of_many_rows_that_shows_none_deletes_none(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(150)])
    world.discover()
    world.sync("items")
    world.store.delete("items", [("A", n) for n in range(150)])
    outcome = world.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "SuspiciousRead")
    assert "min_seen_ratio" in str(outcome.error)
    assert len(world.live("items")) == 150
    world.configure("items", min_seen_ratio=0)
    assert world.sync("items").counts.deleted == 150


def test_a_column_added_at_the_source_is_filled_in_rows_that_did_not_change(world: World) -> None:
    spec = world.offer("items")
    world.store.insert("items", [{**row(n), "colour": "red"} for n in range(20)])
    world.discover()
    first = world.sync("items")
    assert any("colour" in note for note in first.notes)
    world.store.alter_entity(replace(spec, columns=(*spec.columns, SourceColumn("COLOUR", "VARCHAR2(9)"))))
    assert world.discover().changed == ("items",)
    assert world.sync("items").counts.updated == 20
    assert world.live("items") == world.expected("items")


def test_an_entity_without_row_versions_refuses_the_rowversion_strategy(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    outcome = world.sync("items", strategy="rowversion")
    assert outcome.status == "failed"
    assert "no row versions" in str(outcome.error)


def test_the_run_record_holds_what_the_outcome_says(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    outcome = world.sync("items", trigger="test", dagster_run_id="abc")
    assert world.query(
        "SELECT uid, status, strategy, trigger, dagster_run_id, records_fetched, records_inserted, records_unchanged,"
        " rowversion_end, error_message, completed_at >= started_at FROM sync_runs"
    ) == [(outcome.run_uid, "success", "rowversion", "test", "abc", 20, 20, 0, "19", None, True)]
