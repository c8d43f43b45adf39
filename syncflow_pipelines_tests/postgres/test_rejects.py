"""Rejected rows: each kept whole, once, as long as no good row takes its place."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from syncflow_pipelines.demo.changes import Row
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.conversion.decode import Reject
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.rejects.record import (
    MAX_VALUE_CHARACTERS,
    RejectedRow,
    close_rejects,
    count_rejects_by_entity,
    count_run_rejects,
    find_reject,
    forget_mended,
    forget_replaced,
    keep_rejects,
    list_rejects,
    open_keys,
    purge_rejects,
)
from syncflow_pipelines_tests.postgres.world import World, row

BAD = "x" * 41
"""Longer than the column `label`."""


def rejects(world: World, slug: str = "items") -> dict[str | None, RejectedRow]:
    """The entity's open rejects, by the refused value."""
    with world.database.connection() as connection:
        return {found.value: found for found in list_rejects(connection, entity=f"erp/{slug}")}


def put(world: World, *rows: Row) -> None:
    world.store.put("items", rows)


@pytest.fixture
def items(world: World) -> World:
    """An entity of three rows, synced; one is rejected."""
    world.offer("items")
    world.store.insert("items", [row(1), row(2, BAD), row(3)])
    world.discover()
    assert world.sync("items").counts.rejected == 1
    return world


def test_a_reject_is_kept_with_everything_that_a_person_needs(items: World) -> None:
    (found,) = rejects(items).values()
    assert (found.entity, found.column_name, found.value, found.page) == ("erp/items", "label", f'"{BAD}"', 1)
    assert found.reason == "is 41 characters long, the column holds 40"
    assert msgspec.json.decode(found.raw)["data"] == row(2, BAD)
    with items.database.connection() as connection:
        assert find_reject(connection, found.uid) == found
        assert count_rejects_by_entity(connection) == {"erp/items": 1}
        with pytest.raises(UnknownEntity, match="rejects list"):
            find_reject(connection, uuid4())


def test_a_good_row_under_the_same_key_takes_its_place(items: World) -> None:
    put(items, row(2, "good"))
    outcome = items.sync("items")
    assert (outcome.open_rejects, outcome.counts.inserted) == (0, 1)
    assert rejects(items) == {}


def test_a_row_that_is_deleted_at_the_source_is_no_reject_any_more(items: World) -> None:
    items.store.delete("items", [("A", 2)])
    assert items.sync("items").open_rejects == 0


def test_a_row_that_is_still_bad_is_kept_once_as_it_is_now(items: World) -> None:
    first = rejects(items)[f'"{BAD}"']
    put(items, row(2, BAD + "y"))
    assert items.sync("items").open_rejects == 1
    (found,) = rejects(items).values()
    assert found.value == f'"{BAD}y"'
    assert found.run_uid != first.run_uid


def test_the_same_bad_row_keeps_the_day_it_was_first_seen(items: World) -> None:
    first = rejects(items)[f'"{BAD}"']
    items.sync("items", full_refresh=True)
    (again,) = rejects(items).values()
    assert (again.uid, again.first_seen_at) == (first.uid, first.first_seen_at)
    assert again.last_seen_at > first.last_seen_at


def test_a_read_of_everything_forgets_what_it_did_not_meet(items: World) -> None:
    items.query("UPDATE rejected_rows SET key_digest = NULL RETURNING 1")
    put(items, row(2, "good"))
    assert items.sync("items").open_rejects == 1
    assert items.sync("items", full_refresh=True).open_rejects == 0


def test_rows_rejected_by_their_key_are_told_and_do_not_end_the_sync(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1), row(2), row(3)])
    world.discover()
    world.sync("items")
    world.store.delete("items", [("A", 3)])
    put(world, {**row(0), "number": "no number"})
    outcome = world.sync("items")
    assert (outcome.counts.rejected, outcome.counts.deleted) == (1, 0)
    assert any("no row was marked deleted" in note for note in outcome.notes)
    world.store.delete("items", [("A", "no number")])
    assert world.sync("items").counts.deleted == 1


def test_names_that_no_catalogue_holds_are_told_whatever_they_are(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [{**row(n), f"name {n}": 1, "n\0l": 2, "\x1b[31m": 3} for n in range(100)])
    world.discover()
    outcome = world.sync("items")
    assert outcome.status == "success"
    (note,) = (note for note in outcome.notes if "does not name" in note)
    assert note.count(",") == 9
    assert "\0" not in note
    assert "\x1b" not in note


# Straight from pages, without a sync


@pytest.fixture
def entity_uid(world: World) -> UUID:
    world.offer("items")
    world.discover()
    return world.entity("items").uid


TEXTS = ["a\0b", "\ud800", "\udc80\udcff", "ü", "\\u0000", "x" * 3_000_000, "", "'; DROP TABLE rejected_rows; --"]


def test_any_text_can_be_kept(world: World, entity_uid: UUID) -> None:
    with world.database.connection() as connection:
        for text in TEXTS:
            keep_rejects(connection, entity_uid, uuid4(), [Reject(text, "because", "label", text)], 1)
            shown = text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
            (found,) = (found for found in list_rejects(connection) if found.raw == shown)
            assert found.value == shown[:MAX_VALUE_CHARACTERS]


def test_a_row_met_twice_in_a_run_counts_once(world: World, entity_uid: UUID) -> None:
    run, key = uuid4(), ("A", "1")
    with world.database.connection() as connection:
        for page, raw in enumerate(["one", "one", "as it was later"], start=1):
            keep_rejects(connection, entity_uid, run, [Reject(raw, "because", key=key)], page)
        keep_rejects(connection, entity_uid, run, [Reject("keyless", "because"), Reject("another", "because")], 4)
        assert count_run_rejects(connection, entity_uid, run).count == 3
        assert count_run_rejects(connection, entity_uid, run).without_key == 2
        assert count_run_rejects(connection, entity_uid, uuid4()).count == 0


def test_a_later_run_replaces_what_was_kept_under_a_key(world: World, entity_uid: UUID) -> None:
    key, other = ("A", "1"), ("A", "2")
    with world.database.connection() as connection:
        keep_rejects(connection, entity_uid, uuid4(), [Reject("old", "because", key=key)], 1)
        keep_rejects(connection, entity_uid, uuid4(), [Reject("other", "because", key=other)], 1)
        run = uuid4()
        keep_rejects(connection, entity_uid, run, [Reject("new", "because", key=key)], 1)
        assert {found.raw for found in list_rejects(connection)} == {"new", "other"}
        keys = open_keys(connection, entity_uid)
        assert len(keys) == 2
        forget_mended(connection, entity_uid, run, keys)
        assert {found.raw for found in list_rejects(connection)} == {"new"}
        forget_replaced(connection, entity_uid, run, keys)
        assert list_rejects(connection) == ()


def test_what_was_closed_is_removed_in_time_and_what_is_open_stays(world: World, entity_uid: UUID) -> None:
    with world.database.connection() as connection:
        keep_rejects(connection, entity_uid, uuid4(), [Reject(raw, "because") for raw in ("a", "b", "c", "d")], 1)
        uids = {found.raw: found.uid for found in list_rejects(connection)}
        assert close_rejects(connection, [uids["a"]], "resolved", by="me", note=None) == 1
        assert close_rejects(connection, [uids["a"], uids["b"], uids["c"]], "dropped", by="me", note="why") == 2
        connection.execute("UPDATE rejected_rows SET last_seen_at = last_seen_at - interval '99 days'")
        connection.execute("UPDATE rejected_rows SET closed_at = closed_at - interval '31 days' WHERE raw <> 'c'")
        assert count_rejects_by_entity(connection) == {"erp/items": 1}
        assert count_rejects_by_entity(connection, None) == {"erp/items": 4}
        assert purge_rejects(connection, 30) == 2
        assert {found.raw: found.status for found in list_rejects(connection, status=None)} == {
            "c": "dropped",
            "d": "open",
        }


def test_a_row_mended_while_it_is_read_is_no_reject(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1, BAD), *(row(n) for n in range(2, 30))])
    world.discover()
    world.configure("items", page_size=10)

    def mend(progress: Any) -> None:
        if progress.phase == "reading" and progress.rows == 10:
            put(world, row(1, "good"))

    outcome = sync_entity(world.database, world.settings, SyncRequest(world.connector, "items"), progress=mend)
    assert (outcome.counts.inserted, outcome.counts.rejected, outcome.open_rejects) == (29, 0, 0)
    assert world.live("items") == world.expected("items")
