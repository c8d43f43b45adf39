"""With `history: true` every change of a row is on record, committed with it; without, nothing is."""

from dataclasses import replace

import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.rejects.retry import RetryRequest, retry_rejects
from syncflow_pipelines_tests.postgres.changing_world import change, do
from syncflow_pipelines_tests.postgres.killed_sync import run_child
from syncflow_pipelines_tests.postgres.recorded import agrees, changes, live, replayed
from syncflow_pipelines_tests.postgres.world import World, row

WHOLE = {"site": "A", "number": "1", "label": "x", "qty": "1.000"}
KEY = {"site": "A", "number": "1"}


@pytest.fixture
def items(world: World) -> World:
    """An entity with history, of which the rows 0 to 4 were synced."""
    world.offer("items")
    world.configure("items", history=True)
    world.store.insert("items", [row(n) for n in range(5)])
    world.discover()
    assert agrees(world, "items", world.sync("items"))
    return world


def last(world: World) -> tuple[object, ...]:
    """The newest change, without its run."""
    return changes(world)[-1][:4]


def test_an_insert_records_the_whole_row(items: World) -> None:
    recorded = {change.key["number"]: change for change in changes(items)}
    assert sorted(recorded) == ["0", "1", "2", "3", "4"]
    assert recorded["1"][:4] == ("insert", KEY, None, WHOLE)


def test_an_update_records_the_columns_that_changed(items: World) -> None:
    items.store.update("items", [{"site": "A", "number": 1, "label": None, "qty": 1}])
    outcome = items.sync("items")
    assert last(items) == ("update", KEY, {"label": "x"}, {"label": None})
    assert len(changes(items)) == 6
    assert changes(items)[-1].run == outcome.run_uid


def test_a_tombstone_and_a_return_record_the_whole_row(items: World) -> None:
    items.store.delete("items", [("A", 1)])
    items.sync("items")
    assert last(items) == ("delete", KEY, WHOLE, None)
    items.store.insert("items", [row(1, "again", "2.5")])
    items.sync("items")
    assert last(items) == ("revive", KEY, None, WHOLE | {"label": "again", "qty": "2.500"})


def test_a_row_that_is_missing_from_a_whole_read_is_recorded_as_deleted(items: World) -> None:
    items.store.delete("items", [("A", 1)], leave_tombstone=False)
    assert items.sync("items", strategy="hash").counts.missing == 1
    assert last(items) == ("delete", KEY, WHOLE, None)


def test_the_time_is_that_of_the_row(items: World) -> None:
    assert items.query(
        "SELECT count(*), count(*) FILTER (WHERE c.changed_at = t._bridge_updated_at) "
        "FROM record_changes c JOIN erp.items t ON t.number = (c.business_key ->> 'number')::int"
    ) == [(5, 5)]


@pytest.mark.parametrize("request_", [{}, {"strategy": "hash"}, {"full_refresh": True}])
def test_rows_that_are_equal_are_not_recorded(items: World, request_: dict[str, object]) -> None:
    outcome = items.sync("items", **request_)
    assert outcome.counts.unchanged > 0
    assert len(changes(items)) == 5


def test_hashes_that_are_kept_anew_are_no_change(items: World) -> None:
    do(items, "UPDATE erp.items SET _bridge_hash = NULL")
    assert items.sync("items", strategy="hash").counts.unchanged == 5
    assert items.query("SELECT count(*) FROM erp.items WHERE _bridge_hash IS NULL") == [(0,)]
    assert len(changes(items)) == 5


def test_what_was_changed_by_hand_and_mended_is_an_update_from_what_it_was(items: World) -> None:
    do(items, "UPDATE erp.items SET label = 'by hand' WHERE number = 1")
    items.sync("items", full_refresh=True)
    assert last(items) == ("update", KEY, {"label": "by hand"}, {"label": "x"})


def test_history_begins_where_it_is_turned_on_and_ends_where_it_is_turned_off(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(5)])
    world.discover()
    for turn, is_on in enumerate((False, True, False)):
        world.configure("items", history=is_on)
        world.store.put("items", [row(1, f"turn {turn}")])
        assert world.sync("items").error is None
    assert [one[:4] for one in changes(world)] == [("update", KEY, {"label": "turn 0"}, {"label": "turn 1"})]


def test_a_connector_can_turn_it_on_for_all_and_an_entity_for_itself_off(world: World) -> None:
    world.connector = replace(world.connector, history=True)
    for slug in ("items", "orders"):
        world.offer(slug)
        world.store.insert(slug, [row(1)])
    world.configure("orders", history=False)
    world.discover()
    for slug in ("items", "orders"):
        world.sync(slug)
    assert (len(changes(world)), changes(world, "orders")) == (1, [])


def test_without_it_no_statement_touches_the_record(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(5)])
    world.discover()
    do(world, "ALTER TABLE record_changes RENAME TO nobody_finds_it")
    assert world.sync("items").counts.inserted == 5
    world.store.put("items", [row(1, "new")])
    world.store.delete("items", [("A", 2)])
    assert world.sync("items").counts.updated == 1


def test_a_new_column_is_recorded_where_it_brings_values_and_the_ddl_is_not(items: World) -> None:
    (spec,) = items.store.entities()
    change(items, "items", columns=(*spec.columns, SourceColumn("COLOUR", "VARCHAR2(9)")))
    items.discover()
    assert len(changes(items)) == 5
    items.store.update("items", [{"site": "A", "number": 1, "colour": "red"}])
    items.sync("items")
    assert last(items) == ("update", KEY, {"colour": None}, {"colour": "red"})
    assert len(changes(items)) == 6


def test_a_column_that_was_widened_renamed_or_dropped_is_not_recorded_for_that(items: World) -> None:
    site, number, label, _ = items.store.entities()[0].columns
    change(items, "items", columns=(site, number, replace(label, name="TITLE"), SourceColumn("QTY", "NUMBER(20,6)")))
    items.discover()
    assert len(changes(items)) == 5
    items.store.put("items", [{"site": "A", "number": 1, "title": "new", "qty": 1}])
    items.sync("items")
    assert last(items) == ("update", KEY, {"title": None}, {"title": "new"})
    items.store.delete("items", [("A", 1)])
    items.sync("items")
    assert last(items) == ("delete", KEY, {**KEY, "title": "new", "qty": "1.000000"}, None)


def test_a_rejected_row_that_fits_when_it_is_tried_again_is_recorded(items: World) -> None:
    items.store.put("items", [row(1, "y" * 41)])
    assert items.sync("items").counts.rejected == 1
    site, number, label, qty = items.store.entities()[0].columns
    change(items, "items", columns=(site, number, replace(label, data_type="VARCHAR2(80)"), qty))
    items.discover()
    outcome = retry_rejects(items.database, RetryRequest("erp", "items", "somebody", history=True))
    assert (outcome.resolved, outcome.sync.counts.updated) == (1, 1)
    assert last(items) == ("update", KEY, {"label": "x"}, {"label": "y" * 41})
    assert agrees(items, "items", outcome.sync)
    assert replayed(items) == live(items)


def test_a_sync_that_fails_while_it_writes_records_nothing(items: World) -> None:
    do(
        items,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NEW.number = 7 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END$$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON erp.items FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    items.store.put("items", [row(1, "new"), row(7)])
    assert items.sync("items").status == "failed"
    assert len(changes(items)) == 5
    do(items, "DROP TRIGGER refuse ON erp.items")
    assert agrees(items, "items", items.sync("items"))
    assert replayed(items) == live(items)


def test_what_a_trigger_makes_of_a_row_is_what_is_recorded(items: World) -> None:
    do(
        items,
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.label := upper(NEW.label); RETURN NEW; END$$; "
        "CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON erp.items FOR EACH ROW EXECUTE FUNCTION shout()",
    )
    items.store.put("items", [row(1, "new"), row(7, "y")])
    assert agrees(items, "items", items.sync("items"))
    assert replayed(items) == live(items)
    assert live(items)['{"number": "7", "site": "A"}']["label"] == "Y"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rowversion", "hash"])
def test_killed_at_any_point_rows_and_record_are_both_of_before_or_both_of_after(world: World, strategy: str) -> None:
    world.offer("items", strategy)
    world.configure("items", history=True)
    world.store.insert("items", [row(n) for n in range(50)])
    world.discover()
    assert world.sync("items").status == "success"
    _change_three(world, 9)
    whole = run_child(world, None, history=True)
    assert whole is not None
    last_exchange, kept = whole["exchanges"], []
    for back in (6, 4, 3, 2, 1, 0):
        _change_three(world, back)
        before = live(world)
        run_child(world, max(last_exchange - back, 1), "after", history=True)
        assert replayed(world) == live(world)
        kept.append(live(world) != before)
        assert agrees(world, "items", world.sync("items", wait_s=10))
        assert replayed(world) == live(world)
    assert {False, True} == set(kept)


def _change_three(world: World, round_: int) -> None:
    with world.store.change() as change:
        change.put("items", [row(1, f"round {round_}"), row(100 + round_)])
        change.delete("items", [("A", 10 + round_)])
