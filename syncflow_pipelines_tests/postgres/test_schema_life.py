"""What a source changes of an entity, and what becomes of its table, from discovery to the rows."""

from dataclasses import replace
from typing import Any

import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.errors import SuspiciousCatalogue
from syncflow_pipelines.sync.state import overrides_not_servable
from syncflow_pipelines_tests.postgres.changing_world import (
    LABEL,
    NUMBER,
    QTY,
    SITE,
    change,
    do,
    everything,
    in_use,
    recorded,
    types,
)
from syncflow_pipelines_tests.postgres.world import World, row

MORE = SourceColumn("MORE", "CLOB")
EXTRA = SourceColumn("EXTRA", "NUMBER(4)")


def rows(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{**row(n), "more": f"more {n}", "extra": n, **more} for n in numbers]


@pytest.fixture(params=["rowversion", "hash", "full"])
def lively(request: pytest.FixtureRequest, world: World) -> World:
    """A world with an entity of five rows, synced once by each strategy; they have more than the catalogue says."""
    world.offer("items", request.param)
    world.store.insert("items", rows(*range(5)))
    world.discover()
    assert world.sync("items").status == "success"
    return world


def settle(world: World) -> Any:
    """Discovers and syncs; the table has to equal the source then."""
    world.discover()
    outcome = world.sync("items")
    assert outcome.error is None
    live, held = in_use(world, "items")
    assert live == held
    return outcome


# Columns


def test_a_new_column_is_filled_for_rows_that_did_not_change_and_that_is_said(lively: World) -> None:
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, MORE, EXTRA))
    report = lively.discover()
    assert [(c.kind, c.column, c.message) for c in report.changes] == [
        ("column_added", "more", "the next sync reads every row for it"),
        ("column_added", "extra", "the next sync reads every row for it"),
    ]
    outcome = settle(lively)
    assert outcome.counts.updated == 5
    note = "every row was read and compared, because columns extra, more were added"
    assert note in outcome.notes
    assert lively.query("SELECT details -> 'notes' ->> 0 FROM sync_runs ORDER BY started_at DESC LIMIT 1") == [(note,)]
    assert note not in lively.sync("items").notes


def test_a_column_comes_goes_and_returns_as_another_type_only_when_somebody_decided(lively: World) -> None:
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, EXTRA))
    settle(lively)
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY))
    settle(lively)
    assert lively.query("SELECT extra FROM erp.items ORDER BY number") == [(n,) for n in range(5)]
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, replace(EXTRA, data_type="BIGINT")))
    settle(lively)
    assert types(lively, "items")["extra"] == "bigint"
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY))
    settle(lively)
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, replace(EXTRA, data_type="DATE")))
    assert "column extra of erp.items would change incompatibly" in lively.discover().refused["items"]
    assert lively.sync("items").error_type == "SchemaRefused"
    do(lively, "ALTER TABLE erp.items RENAME extra TO extra_of_before")
    lively.store.put("items", rows(*range(5), extra="2025-12-08T00:00:00"))
    lively.discover()
    assert lively.sync("items").counts.updated == 5
    assert types(lively, "items")["extra"] == "timestamp without time zone"
    assert lively.query("SELECT count(extra), count(extra_of_before) FROM erp.items") == [(5, 5)]


def test_widening_and_adding_at_once_is_one_change_of_the_table(lively: World) -> None:
    wider = (SITE, replace(NUMBER, data_type="NUMBER(18)"), replace(LABEL, data_type="CLOB"))
    change(lively, "items", columns=(*wider, replace(QTY, data_type="NUMBER"), MORE))
    lively.store.insert("items", rows(10**12, label="y" * 5000))
    settle(lively)
    assert types(lively, "items") == {
        "site": "character varying(10)",
        "number": "bigint",
        "label": "text",
        "qty": "numeric",
        "more": "text",
    }


def test_a_column_of_somebodys_own_is_not_overwritten_when_the_source_gets_one_of_that_name(lively: World) -> None:
    do(lively, "ALTER TABLE erp.items ADD more text; UPDATE erp.items SET more = 'mine' WHERE number = 1")
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, MORE))
    assert "column more of erp.items holds values of somebody's own" in lively.discover().refused["items"]
    assert lively.sync("items").error_type == "SchemaRefused"
    assert lively.query("SELECT more FROM erp.items WHERE number = 1") == [("mine",)]
    do(lively, "ALTER TABLE erp.items RENAME more TO mine")
    settle(lively)
    assert lively.query("SELECT mine, more FROM erp.items WHERE number = 1") == [("mine", "more 1")]


def test_an_empty_column_that_somebody_made_ahead_is_taken_up_and_filled(lively: World) -> None:
    do(lively, "ALTER TABLE erp.items ADD more text")
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, MORE))
    assert settle(lively).counts.updated == 5


def test_a_generated_column_in_the_place_of_the_sources_is_told(lively: World) -> None:
    do(lively, "ALTER TABLE erp.items ADD more text GENERATED ALWAYS AS (label || '!') STORED")
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, MORE))
    assert "column more of erp.items is generated by PostgreSQL" in lively.discover().refused["items"]
    do(lively, "ALTER TABLE erp.items RENAME more TO loud")
    settle(lively)


# Business keys


def test_keys_in_another_order_are_the_same_keys(lively: World) -> None:
    change(lively, "items", business_keys=("number", "site"))
    assert lively.discover().refused == {}
    outcome = lively.sync("items")
    assert (outcome.counts.inserted, outcome.counts.deleted, outcome.live_rows) == (0, 0, 5)


def test_a_key_that_gets_a_further_new_column_says_what_to_do_and_that_works(lively: World) -> None:
    change(lively, "items", columns=(SITE, NUMBER, LABEL, QTY, EXTRA), business_keys=("site", "number", "extra"))
    reason = lively.discover().refused["items"]
    assert "add the column extra smallint and put the constraint in the place of the old one" in reason
    assert lively.sync("items").error_type == "SchemaRefused"
    do(
        lively,
        "ALTER TABLE erp.items DROP CONSTRAINT items_business_key, ADD extra int2, ADD UNIQUE (site, extra, number)",
    )
    assert lively.discover().refused == {}
    assert lively.sync("items").status == "success"
    live, held = in_use(lively, "items")
    assert set(live) == {("A", n, n) for n in range(5)}
    assert list(live.values()) == list(held.values())


def test_a_key_that_loses_a_column_lets_that_one_be_null(lively: World) -> None:
    columns = (replace(SITE, is_nullable=True), NUMBER, LABEL, QTY)
    lively.store.drop_entity("items")
    lively.offer("items", lively.entity("items").strategy, business_keys=("number",), columns=columns)
    lively.store.insert("items", [{**row(n, "new"), "site": None} for n in range(3)])
    assert "(number)" in lively.discover().refused["items"]
    do(lively, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key, ADD UNIQUE (number)")
    settle(lively)
    assert len(lively.live("items")) == 3


# Entities


def test_an_entity_that_comes_back_with_other_columns_and_row_versions_that_begin_anew_is_whole(lively: World) -> None:
    lively.offer("orders", "hash")
    lively.discover()
    strategy = lively.entity("items").strategy
    lively.store.drop_entity("items")
    assert lively.discover().gone == ("items",)
    lively.offer("items", strategy, columns=(SITE, NUMBER, replace(LABEL, data_type="CLOB"), EXTRA))
    lively.store.insert("items", [{"site": "A", "number": 2, "label": "back", "extra": 7}])
    report = lively.discover()
    assert [change.kind for change in report.changes] == [
        "entity_returned",
        "column_added",
        "column_widened",
        "column_dropped",
    ]
    outcome = settle(lively)
    assert (outcome.counts.updated, outcome.live_rows) == (1, 1)
    assert "the entity returned to its source" in outcome.notes[0]


def test_an_entity_that_comes_back_as_it_was_is_read_whole_though_its_row_versions_begin_anew(world: World) -> None:
    world.offer("orders", "hash")
    world.offer("items")
    for number in range(9):
        world.store.insert("items", [row(number)])
    world.discover()
    world.sync("items")
    world.store.drop_entity("items")
    world.discover()
    world.offer("items")
    world.store.insert("items", [row(3, "new"), row(77)])
    counts = settle(world).counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 8)


def test_row_versions_of_another_column_are_read_from_the_beginning(world: World) -> None:
    stamp = SourceColumn("STAMP", "NUMBER(9)")
    world.offer("items", columns=(SITE, NUMBER, LABEL, QTY, stamp))
    for number in range(3):
        world.store.insert("items", [row(number)])
    world.discover()
    world.sync("items")
    assert world.entity("items").last_rowversion is not None
    change(world, "items", rowversion_column="stamp")
    world.discover()
    assert world.entity("items").last_rowversion is None


@pytest.mark.parametrize("left", [(), ("e00", "e01", "e02", "e03")])
def test_a_catalogue_that_lost_everything_or_most_of_much_is_not_believed(world: World, left: tuple[str, ...]) -> None:
    slugs = [f"e{n:02}" for n in range(11)]
    for slug in slugs:
        world.offer(slug, "hash")
    world.discover()
    for slug in set(slugs) - set(left):
        world.store.drop_entity(slug)
    before = everything(world)
    with pytest.raises(SuspiciousCatalogue, match=r"`syncflow discover erp --accept-gone`") as caught:
        world.discover()
    assert f"offers {11 - len(left)} of its 11 entities" in str(caught.value)
    assert everything(world) == before
    assert set(world.discover(accept_gone=True).gone) == set(slugs) - set(left)
    assert world.discover().gone == ()


def test_one_of_a_few_entities_may_go_without_a_word(world: World) -> None:
    for slug in ("a", "b", "c"):
        world.offer(slug, "hash")
    world.discover()
    world.store.drop_entity("a")
    world.store.drop_entity("b")
    assert world.discover().gone == ("a", "b")


# Strategies


def test_a_strategy_that_the_configuration_changes_is_recorded_and_followed(lively: World) -> None:
    before = lively.entity("items").strategy
    other = "hash" if before == "full" else "full"
    lively.configure("items", strategy=other)
    report = lively.discover()
    assert [(c.kind, c.before, c.after) for c in report.changes] == [("strategy_changed", before, other)]
    assert report.changed == ("items",)
    assert lively.discover().changes == ()
    assert lively.sync("items").strategy == other
    lively.configure("items")
    lively.discover()
    assert recorded(lively, "strategy_changed") == [
        ("items", "strategy_changed", None, before, other, True),
        ("items", "strategy_changed", None, other, before, True),
    ]


def test_an_override_that_the_source_cannot_serve_is_told_before_it_is_used(world: World) -> None:
    for slug, strategy in (("items", "hash"), ("orders", "rowversion")):
        world.offer(slug, strategy)
    world.discover()
    for slug in ("items", "orders", "never seen"):
        world.configure(slug, strategy="rowversion")
    (told,) = overrides_not_servable(world.settings.home, [world.connector])
    assert (
        told == "erp/items is set to the strategy rowversion, but the source gives it no row versions; set hash or full"
    )
    assert world.discover().refused == {"items": told}
