"""Rows that the table holds as they are need not be staged, and nothing else may follow from that."""

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.loading import known
from syncflow_pipelines.sync.loading.known import KnownRows, Unseen
from syncflow_pipelines.sync.model import Column, EntitySpec, Table
from syncflow_pipelines_tests.misbehaving.faults import lie
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, check_counts, hostile, values
from syncflow_pipelines_tests.postgres.world import World, row
from syncflow_pipelines_tests.unit.moving_source import Source, filled

__all__ = ["hostile"]

TABLE = Table("public", "hashed")
SPEC = EntitySpec(
    slug="hashed",
    name="Hashed",
    description=None,
    strategy="hash",
    business_keys=("n",),
    rowversion_column=None,
    columns=(Column("N", "n", "n", "INTEGER", "integer", is_nullable=False, is_business_key=True),),
)


@pytest.fixture
def hashed(database: Database) -> Any:
    """A connection to a table of 3,000 live rows with hashes, 200 deleted ones, over many pages."""
    with database.dedicated("test") as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE TABLE public.hashed (n integer, filler text, _bridge_hash uuid, _bridge_deleted boolean)"
        )
        connection.execute(
            "INSERT INTO public.hashed SELECT n, repeat('x', 300), md5(n::text)::uuid, n > 3000 "
            "FROM generate_series(1, 3200) n ORDER BY random()"
        )
        yield connection


def hash_of(connection: psycopg.Connection, number: int) -> bytes:
    row = connection.execute("SELECT uuid_send(md5(%s)::uuid)", (str(number),)).fetchone()
    assert row is not None
    return bytes(row[0])


@pytest.mark.parametrize("block", [1, 7, 8192])
def test_live_rows_are_known_and_others_are_not(
    hashed: psycopg.Connection, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_BLOCK_PAGES", block)
    rows = KnownRows.of_table(hashed, TABLE)
    assert (rows.live, rows.is_complete, rows.met) == (3000, True, 0)
    asked = [hash_of(hashed, number) for number in (1, 3000, 3001, 9999, 1)] + [bytes(16), b"\xff" * 16]
    assert rows.meet(asked).tolist() == [True, True, False, False, True, False, False]
    assert rows.met == 2
    assert rows.have_met(asked[0])
    assert not rows.have_met(hash_of(hashed, 2) + asked[2])


def test_what_was_not_met_is_written_down(hashed: psycopg.Connection) -> None:
    rows = KnownRows.of_table(hashed, TABLE)
    met = random.Random(1).sample(range(1, 3001), 2500)
    rows.meet([hash_of(hashed, number) for number in met])
    unseen = Unseen(hashed, SPEC, TABLE)
    for _ in range(2):  # the second time takes the place of the first
        unseen.fill(rows)
        query = sql.SQL("SELECT n FROM public.hashed WHERE _bridge_hash IN (SELECT hash FROM {})").format(unseen.name)
        assert {n for (n,) in hashed.execute(query)} == set(range(1, 3001)) - set(met)


def test_of_hashes_that_share_their_first_half_one_is_known_and_the_others_are_staged(
    hashed: psycopg.Connection,
) -> None:
    hashed.execute("TRUNCATE public.hashed")
    for last in (1, 2, 3):
        hashed.execute("INSERT INTO public.hashed VALUES (%s, '', %s::uuid, false)", (last, f"{'ab' * 8}{last:016x}"))
    rows = KnownRows.of_table(hashed, TABLE)
    wanted = [bytes.fromhex(f"{'ab' * 8}{last:016x}") for last in (1, 2, 3, 4)]
    assert rows.meet(wanted).tolist().count(True) == 1  # staging a row that is equal costs time, and no more
    assert not rows.meet(wanted)[3]
    assert rows.met == 1


def test_an_empty_table_and_rows_without_a_hash_are_no_ground_to_stand_on(hashed: psycopg.Connection) -> None:
    hashed.execute("UPDATE public.hashed SET _bridge_hash = NULL WHERE n = 5")
    assert not KnownRows.of_table(hashed, TABLE).is_complete
    hashed.execute("TRUNCATE public.hashed")
    empty = KnownRows.of_table(hashed, TABLE)
    assert (empty.live, empty.meet([bytes(16)]).tolist()) == (0, [False])


def test_a_hash_that_two_rows_have_says_nothing(hashed: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KnownRows.of_table(hashed, TABLE).is_complete
    hashed.execute("INSERT INTO public.hashed SELECT 7000, '', _bridge_hash, false FROM public.hashed WHERE n = 7")
    for pages in (8192, 1):  # in one answer, and in two
        monkeypatch.setattr(known, "_BLOCK_PAGES", pages)
        assert not KnownRows.of_table(hashed, TABLE).is_complete


def test_rows_that_somebody_writes_to_while_they_are_learnt_stay_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(500)])
    world.discover()
    world.sync("items")
    blocks = known._blocks

    def disturbed(connection: psycopg.Connection, table: sql.Identifier) -> Iterator[tuple[bytes, int]]:
        for number, block in enumerate(blocks(connection, table)):
            yield block
            if number == 0:
                with world.database.dedicated("somebody") as other:
                    other.execute("UPDATE erp.items SET _bridge_created_at = now() WHERE number < 100")

    monkeypatch.setattr(known, "_BLOCK_PAGES", 2)
    monkeypatch.setattr(known, "_blocks", disturbed)
    outcome = world.sync("items")
    assert (outcome.error, outcome.counts.deleted, outcome.counts.unchanged) == (None, 0, 500)
    assert world.live("items") == world.expected("items")


def test_rows_that_did_not_change_are_not_written(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(500)])
    world.discover()
    world.sync("items")
    before = world.query("SELECT max(xmin::text::bigint) FROM erp.items")
    with world.store.change() as change:
        change.update("items", [{"site": "A", "number": 7, "label": "new"}])
    outcome = world.sync("items")
    assert (outcome.counts.updated, outcome.counts.unchanged) == (1, 499)
    assert world.query("SELECT count(*) FROM erp.items WHERE xmin::text::bigint > %s", before[0][0]) == [(1,)]


@pytest.fixture
def synced(hostile: HostileWorld) -> tuple[HostileWorld, Source]:
    rows = hostile.offer(filled([1] * 12), "hash", page_size=4)
    assert hostile.sync().counts.inserted == 12
    return hostile, rows


def test_of_a_row_that_comes_as_it_was_and_then_changed_the_change_stays(synced: tuple[HostileWorld, Source]) -> None:
    world, rows = synced
    first = min(rows.rows)

    def change(page: dict[str, Any]) -> None:
        page["rows"].append({"oracle_keys": {"K": first}, "data": {"k": first, "v": "changed"}, "row_version": "9"})

    world.source.plan = lambda asked: lie(change) if asked.page == 3 else None
    outcome = world.sync()
    assert outcome.error is None
    check_counts(outcome.counts)
    assert world.live() == {**values(rows), first: "changed"}


def test_of_a_row_that_comes_changed_and_then_as_it_was_the_last_stays(synced: tuple[HostileWorld, Source]) -> None:
    world, rows = synced
    kept: list[dict[str, Any]] = []

    def change(page: dict[str, Any]) -> None:
        kept.append({**page["rows"][0], "row_version": None})
        page["rows"][0] = {**kept[0], "data": {**kept[0]["data"], "v": "changed for a moment"}}

    def repeat(page: dict[str, Any]) -> None:
        page["rows"].append(kept[0])

    faults = {1: lie(change), 3: lie(repeat)}
    world.source.plan = lambda asked: faults.get(asked.page)
    outcome = world.sync()
    assert outcome.error is None
    check_counts(outcome.counts)
    assert world.live() == values(rows)


def test_rows_that_are_gone_are_found_among_those_that_are_known(synced: tuple[HostileWorld, Source]) -> None:
    world, rows = synced
    gone = sorted(rows.rows)[2:9:3]
    for key in gone:
        del rows.rows[key]
    outcome = world.sync()
    assert (outcome.error, outcome.counts.missing, outcome.counts.unchanged) == (None, 3, 9)
    assert world.live() == values(rows)
    assert world.entity().live_rows == 9


def test_a_row_that_becomes_bad_is_a_reject_and_stays(synced: tuple[HostileWorld, Source]) -> None:
    world, _ = synced
    before = world.live()

    def spoil(page: dict[str, Any]) -> None:
        page["rows"][1]["data"]["v"] = {"not": "a text"}

    world.source.plan = lambda asked: lie(spoil) if asked.page == 2 else None
    outcome = world.sync()
    assert (outcome.error, outcome.counts.rejected, outcome.counts.missing) == (None, 1, 0)
    check_counts(outcome.counts)
    assert world.live() == before


def test_a_row_whose_key_was_staged_is_accounted_for_and_only_the_others_may_be_gone(
    hashed: psycopg.Connection,
) -> None:
    rows = KnownRows.of_table(hashed, TABLE)
    rows.meet([hash_of(hashed, number) for number in range(1, 2901)])
    hashed.execute("CREATE TEMP TABLE syncflow_stage ON COMMIT DROP AS SELECT n FROM generate_series(2901, 2990) n")
    unseen = Unseen(hashed, SPEC, TABLE)
    unseen.note_staged(rows)
    assert (unseen.came_twice, unseen.meets_deleted, rows.all_accounted) == (False, False, False)
    unseen.fill(rows)
    query = sql.SQL("SELECT n FROM public.hashed WHERE _bridge_hash IN (SELECT hash FROM {})").format(unseen.name)
    assert {n for (n,) in hashed.execute(query)} == set(range(2991, 3001))
    rows.meet([hash_of(hashed, number) for number in range(2991, 3001)])
    assert (rows.all_accounted, rows.met) == (True, 2910)


def test_staged_keys_tell_of_rows_that_came_twice_and_of_rows_that_are_marked_deleted(
    hashed: psycopg.Connection,
) -> None:
    rows = KnownRows.of_table(hashed, TABLE)
    rows.meet([hash_of(hashed, 7)])
    hashed.execute("CREATE TEMP TABLE syncflow_stage (n int) ON COMMIT DROP")
    unseen = Unseen(hashed, SPEC, TABLE)
    told = []
    for number in (9000, 8, 3001, 7):
        hashed.execute("INSERT INTO syncflow_stage VALUES (%s)", (number,))
        unseen.note_staged(rows)
        told.append((unseen.came_twice, unseen.meets_deleted))
    assert told == [(False, False), (False, False), (False, True), (True, True)]


def test_a_deleted_row_comes_back_beside_rows_that_are_known(synced: tuple[HostileWorld, Source]) -> None:
    world, rows = synced
    back = {key: rows.rows.pop(key) for key in sorted(rows.rows)[3:5]}
    assert world.sync().counts.deleted == 2
    assert (world.sync().counts.unchanged, world.live()) == (10, values(rows))
    rows.rows |= back
    outcome = world.sync()
    assert (outcome.error, outcome.counts.updated, outcome.counts.unchanged) == (None, 2, 10)
    assert world.live() == values(rows)


def test_where_rows_changed_and_none_is_gone_the_table_is_not_searched_for_missing_ones(
    synced: tuple[HostileWorld, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, rows = synced
    monkeypatch.setattr(Unseen, "fill", None)  # whoever calls it fails
    for key in sorted(rows.rows)[1::3]:
        rows.rows[key].value = "changed"
    outcome = world.sync()
    assert (outcome.error, outcome.counts.updated, outcome.counts.unchanged, outcome.counts.deleted) == (None, 4, 8, 0)
    assert world.live() == values(rows)
