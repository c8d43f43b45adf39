"""Names of every kind and columns in every number, from the catalogue to the rows."""

import json
from typing import Any

import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.schema.table_plans import MAX_COLUMNS
from syncflow_pipelines_tests.postgres.changing_world import change, do, in_use, types
from syncflow_pipelines_tests.postgres.world import World

KEY = SourceColumn("ID", "NUMBER(9)", is_nullable=False)
NAMES = [
    "select", "user", "table", "order", "t", "s", "o", "a b", " lead", "trail ", 'quo"te', "it's", "semi;colon", "--",
    "/*", "%", "%s", "%(x)s", "{}", "{0}", "back\\slash", "\\.", "1st", "$1", "ünïcödé", "UPPER", "upper", "Upper",
    "名前", "ж" * 40, "ж" * 39 + "б", "x" * 62, "x" * 63, "x" * 64, "x" * 63 + "y", "🙂", "👩‍👩‍👧", "e\u0301", "\u00e9",
    "\u202ertl", "_bridge_hash", "_bridge_id", "_BRIDGE_ID", "_bridge_seq", "source_bridge_hash", "ctid", "xmin",
    "CTID", "tableoid", "source_ctid", "oid", "a,b", "(", "[0]", "null", "NULL", "*", "public.x", "business_key",
    "old_values", "_row",
]  # fmt: skip


def named(world: World, slug: str, names: list[str], strategy: Any = "hash") -> None:
    columns = (KEY, *(SourceColumn(f"C{n}", "VARCHAR2(50)", alias=name) for n, name in enumerate(names)))
    world.offer(slug, strategy, business_keys=("id",), columns=columns)


def values(key: int, names: list[str]) -> dict[str, Any]:
    return {"id": key} | {name: f"{key}: {name}"[:50] for name in names}


@pytest.mark.parametrize("strategy", ["rowversion", "hash", "full"])
def test_columns_of_every_name_are_made_filled_grown_and_marked(world: World, strategy: str) -> None:
    named(world, "items", NAMES[:-5], strategy)
    world.configure("items", history=True)
    world.store.insert("items", [values(key, NAMES) for key in range(3)])
    assert (world.discover().refused, world.sync("items").error) == ({}, None)
    wider = [SourceColumn(f"C{n}", "CLOB", alias=name) for n, name in enumerate(NAMES)]
    change(world, "items", columns=(KEY, *wider))
    report = world.discover()
    assert (report.refused, report.findings) == ({}, ())
    assert set(types(world, "items").values()) == {"integer", "text"}
    world.store.put("items", [values(7, NAMES), {**values(0, NAMES), "%s": "other"}])
    world.store.delete("items", [(2,)])
    assert world.sync("items").error is None
    live, held = in_use(world, "items")
    assert live == held
    assert len(world.entity("items").spec.columns) == len(types(world, "items")) == len(NAMES) + 1
    assert world.discover().changed == ()


@pytest.mark.parametrize("name", ["nul\0", "new\nline", "tab\t", " ", "\x7f", "x" * 501])
def test_a_column_whose_name_can_be_none_leaves_its_entity_out_and_says_why(world: World, name: str) -> None:
    named(world, "items", [name])
    named(world, "orders", ["good"])
    report = world.discover()
    assert report.added == ("orders",)
    (finding,) = report.findings
    assert (finding.severity, finding.entity) == ("error", "items")
    assert "the output_alias of column 2" in finding.message


def test_columns_that_become_another_by_their_case_alone_are_two(world: World) -> None:
    named(world, "items", ["Label"])
    world.store.insert("items", [{"id": 1, "Label": "old", "label": "new"}])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(KEY, SourceColumn("C0", "VARCHAR2(50)", alias="label")))
    assert [c.kind for c in world.discover().changes] == ["column_added", "column_dropped"]
    world.sync("items")
    assert world.query('SELECT "Label", label FROM erp.items') == [("old", "new")]


def test_a_column_that_comes_and_wants_the_name_of_another_is_filled_and_so_is_the_other(world: World) -> None:
    named(world, "items", ["ctid"])
    world.store.insert("items", [{"id": 1, "ctid": "of ctid", "source_ctid": "of source_ctid"}])
    world.discover()
    world.sync("items")
    columns = (
        SourceColumn("C0", "VARCHAR2(50)", alias="ctid"),
        SourceColumn("C1", "VARCHAR2(50)", alias="source_ctid"),
    )
    change(world, "items", columns=(KEY, *columns))
    world.discover()
    assert world.sync("items").error is None
    live, held = in_use(world, "items")
    assert live == held


SLUGS = [
    "select",
    "a b",
    "a.b",
    "a/b",
    "a%2Fb",
    "ünï",
    "UPPER",
    "upper",
    "1st",
    "x" * 90,
    "x" * 91,
    "🙂",
    "%s",
    "'",
    '"',
    "_",
]


def test_entities_of_every_slug_have_tables_of_their_own(world: World) -> None:
    for slug in SLUGS:
        named(world, slug, ["label"])
        world.store.insert(slug, [{"id": 1, "label": slug[:50]}])
    report = world.discover()
    assert (sorted(report.added), report.refused) == (sorted(SLUGS), {})
    for slug in SLUGS:
        assert world.sync(slug).error is None
        assert world.live(slug) == world.expected(slug)
    assert len({world.entity(slug).table for slug in SLUGS}) == len(SLUGS)


@pytest.mark.slow
def test_a_table_takes_as_many_columns_as_postgresql_and_one_more_is_refused_with_a_sentence(world: World) -> None:
    names = [f"c{n}" for n in range(1589)]
    named(world, "items", names[:1500])
    world.store.insert("items", [{"id": 1, **dict.fromkeys(names, "x")}, {"id": 2, **dict.fromkeys(names, "y" * 9)}])
    world.discover()
    assert world.sync("items").counts.inserted + world.sync("items").counts.rejected >= 1
    change(world, "items", columns=(KEY, *(SourceColumn(n, "VARCHAR2(50)") for n in names)))
    assert world.discover().refused == {}
    outcome = world.sync("items")
    assert (outcome.error, outcome.counts.rejected) == (None, 1)
    assert "is too large for PostgreSQL" in world.query("SELECT reason FROM rejected_rows")[0][0]
    assert list(world.live("items")) == [(1,)]
    do(world, "ALTER TABLE erp.items DROP COLUMN c7, ADD mine1 text, ADD mine2 text, ADD mine3 text, ADD mine4 text")
    outcome = world.sync("items")
    assert outcome.error_type == "SchemaRefused"
    assert f"1 new ones are too many for PostgreSQL, which takes {MAX_COLUMNS} columns in all" in str(outcome.error)
    assert str(outcome.error) in world.discover().refused["items"]


def test_a_catalogue_of_columns_that_only_a_case_or_a_digest_tells_apart_is_stable(world: World) -> None:
    names = ["x" * 70 + tail for tail in ("a", "b", "A")]
    named(world, "items", names)
    world.discover()
    before = {column.alias: column.identifier for column in world.entity("items").spec.columns}
    change(world, "items", columns=(*(SourceColumn(f"C{n}", "VARCHAR2(50)", alias=name)
                                      for n, name in reversed(list(enumerate(names)))), KEY))  # fmt: skip
    assert world.discover().changed == ()
    assert {column.alias: column.identifier for column in world.entity("items").spec.columns} == before
    assert json.dumps(sorted(before.values())) == json.dumps(sorted(types(world, "items")))
