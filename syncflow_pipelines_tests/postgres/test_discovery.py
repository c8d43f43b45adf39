"""Discovery: entities and columns that come, change, go and return."""

from dataclasses import replace

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.postgres.changing_world import (
    LABEL,
    NUMBER,
    QTY,
    SITE,
    change,
    do,
    everything,
    recorded,
    types,
)
from syncflow_pipelines_tests.postgres.world import World, row

# Entities come, go and return


def test_entities_are_added_once_with_their_tables_and_the_state(world: World) -> None:
    for slug, strategy in (("orders", "rowversion"), ("items", "hash")):
        world.offer(slug, strategy)
    report = world.discover()
    assert (report.entities, sorted(report.added)) == (("items", "orders"), ["items", "orders"])
    assert (report.changed, report.gone, report.refused, report.findings) == ((), (), {}, ())
    assert types(world, "items") == {
        "site": "character varying(10)",
        "number": "integer",
        "label": "character varying(40)",
        "qty": "numeric(12,3)",
    }
    assert [state.slug for state in read_catalogue_state(world.settings.home)["erp"]] == ["items", "orders"]
    assert world.query("SELECT catalogue_digest FROM connectors") == [(report.digest,)]
    before = everything(world)
    again = world.discover()
    assert (again.added, again.changed, again.changes) == ((), (), ())
    after = everything(world)
    for kept in (before, after):
        kept.pop("bridge.connectors")  # holds the time of the last discovery
    assert after == before


def test_an_entity_that_is_gone_is_marked_and_one_that_returns_goes_on(world: World) -> None:
    spec = world.offer("items", "hash")
    world.offer("orders", "hash")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    world.store.drop_entity("items")
    report = world.discover()
    assert (report.gone, report.entities) == (("items",), ("orders",))
    assert not world.entity("items").is_present
    assert len(world.live("items")) == 1
    assert world.discover().gone == ()
    world.store.create_entity(spec)
    world.store.insert("items", [row(1), row(2)])
    report = world.discover()
    assert (report.changed, report.added) == (("items",), ())
    assert [kind for _, kind, *_ in recorded(world, "entity_gone", "entity_returned")] == [
        "entity_gone",
        "entity_returned",
    ]
    assert world.entity("items").is_present
    assert world.sync("items").counts.inserted == 1


def test_a_strategy_that_the_source_changes_is_followed_and_recorded(world: World) -> None:
    world.offer("items", "hash", versions="counter")
    world.store.insert("items", [row(1)])
    world.discover()
    change(world, "items", strategy="rowversion")
    assert world.discover().changed == ("items",)
    assert recorded(world, "strategy_changed") == [("items", "strategy_changed", None, "hash", "rowversion", True)]
    assert world.entity("items").strategy == "rowversion"
    assert world.sync("items").strategy == "rowversion"


def test_a_strategy_that_the_source_cannot_serve_is_refused_until_it_is_changed(world: World) -> None:
    world.offer("items", "hash")
    world.configure("items", strategy="rowversion")
    report = world.discover()
    assert "set hash or full" in report.refused["items"]
    assert report.entities == ()
    world.configure("items", strategy="full")
    assert world.discover().added == ("items",)
    world.configure("items", strategy="rowversion")
    assert "set hash or full" in world.discover().refused["items"]
    assert world.sync("items").error_type == "SchemaRefused"
    world.configure("items")
    assert world.discover().refused == {}
    assert world.sync("items").status == "success"


# Columns


def test_an_added_column_is_filled_everywhere_a_dropped_one_kept_and_one_that_returns_filled_again(
    world: World,
) -> None:
    world.offer("items")
    world.store.insert("items", [{**row(n), "more": f"more {n}"} for n in range(3)])
    world.discover()
    world.sync("items")
    more = SourceColumn("MORE", "CLOB")
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, more))
    assert world.discover().changed == ("items",)
    world.sync("items")
    assert {found["more"] for found in world.live("items").values()} == {"more 0", "more 1", "more 2"}

    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY))
    assert [c.kind for c in world.discover().changes] == ["column_dropped"]
    world.store.update("items", [{"site": "A", "number": 0, "more": "changed meanwhile"}], row_version=None)
    for number in (1, 2):
        world.store.update("items", [{"site": "A", "number": number, "label": "later"}])
    world.sync("items")
    assert world.query("SELECT more FROM erp.items WHERE number = 0") == [("more 0",)]

    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, more))
    assert world.discover().changed == ("items",)
    world.sync("items")
    assert world.query("SELECT more FROM erp.items WHERE number = 0") == [("changed meanwhile",)]
    assert recorded(world, "column_added", "column_dropped") == [
        ("items", "column_added", "more", None, "text", True),
        ("items", "column_dropped", "more", "text", None, True),
    ]


def test_a_renamed_column_is_a_new_one_beside_the_old(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1, "x")])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, alias="title"), QTY))
    world.store.put("items", [{"site": "A", "number": 1, "title": "y", "qty": 1}])
    kinds = [(c.kind, c.column) for c in world.discover().changes]
    assert kinds == [("column_added", "title"), ("column_dropped", "label")]
    world.sync("items")
    assert world.query("SELECT label, title FROM erp.items") == [("x", "y")]


def test_a_widened_column_takes_the_values_that_were_refused(world: World) -> None:
    world.offer("items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(3)"), QTY))
    world.store.insert("items", [row(1, "abc"), row(2, "abcdef")])
    world.discover()
    assert world.sync("items").counts.rejected == 1
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY))
    report = world.discover()
    assert [(c.kind, c.before, c.after) for c in report.changes] == [
        ("column_widened", "character varying(3)", "character varying(40)")
    ]
    assert world.sync("items").open_rejects == 0
    assert world.live("items") == world.expected("items")


def test_a_column_that_would_narrow_stays_as_it_is_and_the_entity_goes_on(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1, "x" * 40)])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(5)"), QTY))
    report = world.discover()
    assert "would narrow" in report.refused["items"]
    assert types(world, "items")["label"] == "character varying(40)"
    assert world.entity("items").schema_error is None
    assert world.sync("items").status == "success"
    do(world, "UPDATE entities SET next_attempt_at = '2999-01-01'")
    before = everything(world)
    assert world.discover().refused == report.refused
    after = everything(world)
    assert after["bridge.entities"] == before["bridge.entities"]
    assert after["bridge.schema_changes"] == before["bridge.schema_changes"]
    assert len(recorded(world, "column_refused")) == 1


def test_an_incompatible_column_stops_its_entity_alone_until_it_is_settled(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    columns = (SITE, NUMBER, replace(LABEL, data_type="NUMBER(5)"), QTY, SourceColumn("MORE", "CLOB"))
    change(world, "items", columns=columns)
    change(world, "orders", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    report = world.discover()
    assert list(report.refused) == ["items"]
    assert report.changed == ("orders",)
    assert "more" not in types(world, "items")
    assert "more" in types(world, "orders")
    outcome = world.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "SchemaRefused")
    assert "alter the column's type yourself" in str(outcome.error)
    assert len(world.live("items")) == 1
    assert world.discover().refused == report.refused
    assert len(recorded(world, "column_refused")) == 1

    do(world, "ALTER TABLE erp.items RENAME COLUMN label TO old_label")
    world.store.put("items", [row(1, label=None)])
    assert world.discover().refused == {}
    assert world.sync("items").status == "success"
    assert types(world, "items")["label"] == "integer"


def test_several_reasons_are_all_told(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="JSON"), replace(QTY, data_type="UUID")))
    reason = world.discover().refused["items"]
    assert "column label" in reason
    assert "column qty" in reason
    assert world.entity("items").schema_error == reason


def test_new_keys_stop_the_entity_until_the_table_has_them(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")
    nullable_site = replace(SITE, is_nullable=True)
    world.store.drop_entity("items")
    world.offer("items", "hash", business_keys=("number",), columns=(nullable_site, NUMBER, LABEL, QTY))
    world.store.insert("items", [{"site": None, "number": n, "label": "y", "qty": 2} for n in (1, 3)])
    assert "(number)" in world.discover().refused["items"]
    assert world.sync("items").status == "failed"
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key, ADD UNIQUE (number)")
    assert world.discover().refused == {}
    counts = world.sync("items").counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 1)
    assert world.query("SELECT number, site, _bridge_deleted FROM erp.items ORDER BY 1") == [
        (1, None, False),
        (2, "A", True),
        (3, None, False),
    ]


def test_a_view_on_a_column_that_would_grow_is_named_and_everything_else_goes_on(world: World) -> None:
    for slug in ("a_first", "items", "z_last"):
        world.offer(slug, "hash")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    do(world, "CREATE VIEW erp.labels AS SELECT label FROM erp.items")
    wider = replace(LABEL, data_type="CLOB")
    for slug in ("a_first", "items", "z_last"):
        change(world, slug, columns=(SITE, NUMBER, wider, QTY, SourceColumn("MORE", "CLOB")))
    world.store.put("items", [{**row(2, "y" * 41), "more": "m"}, {**row(3), "more": "m"}])
    report = world.discover()
    assert sorted(report.changed) == ["a_first", "items", "z_last"]
    assert list(report.refused) == ["items"]
    for word in ("column label of erp.items stays", "view erp.labels", "drop what depends on it, discover again"):
        assert word in report.refused["items"]
    assert [(c.kind, c.column) for c in report.changes if c.entity == "items"] == [
        ("column_refused", "label"),
        ("column_added", "more"),
    ]
    assert world.discover().changed == ()
    assert len(recorded(world, "column_refused")) == 1
    outcome = world.sync("items")
    assert (outcome.status, outcome.counts.inserted, outcome.counts.rejected) == ("success", 1, 1)
    do(world, "DROP VIEW erp.labels")
    report = world.discover()
    assert (report.changed, report.refused) == (("items",), {})
    assert world.sync("items").open_rejects == 0
    assert world.live("items")["A", 2]["label"] == "y" * 41


def test_columns_in_another_order_are_no_change_and_rows_stay_as_they_are(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(QTY, LABEL, NUMBER, SITE))
    assert world.discover().changed == ()
    assert world.sync("items").counts.unchanged == 3
    change(world, "items", columns=(QTY, SourceColumn("MORE", "CLOB"), LABEL, NUMBER, SITE))
    assert world.discover().changed == ("items",)
    assert list(types(world, "items")) == ["site", "number", "label", "qty", "more"]
