"""Discovery: which table an entity gets, whatever it and the others are called."""

from dataclasses import replace

from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import Table
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines_tests.postgres.changing_world import LABEL, NUMBER, QTY, SITE, change, do
from syncflow_pipelines_tests.postgres.world import World, row


def test_a_foreign_table_in_the_way_is_left_alone_and_named(world: World) -> None:
    do(world, "CREATE SCHEMA erp; CREATE TABLE erp.items (mine text); INSERT INTO erp.items VALUES ('x')")
    world.offer("items", "hash")
    world.offer("orders", "hash")
    report = world.discover()
    assert report.added == ("orders",)
    assert "erp.items exists and is not SyncFlow's" in report.refused["items"]
    assert [finding.entity for finding in report.findings] == ["items"]
    assert world.query("SELECT * FROM erp.items") == [("x",)]
    world.configure("items", target_table="items_too")
    assert world.discover().added == ("items",)
    assert world.entity("items").table == Table("erp", "items_too")


def test_slugs_that_fold_to_one_name_get_tables_of_their_own_that_they_keep(world: World) -> None:
    slugs = ["Items", "items", "ITEMS", "items!"]
    for slug in slugs:
        world.offer(slug, "hash")
        world.store.insert(slug, [row(1, slug)])
    world.discover()
    tables = {slug: world.entity(slug).table for slug in slugs}
    assert len(set(tables.values())) == 4
    for slug in slugs:
        assert world.sync(slug).status == "success"
        assert world.live(slug) == world.expected(slug)
    world.store.drop_entity("ITEMS")
    world.discover()
    world.discover()
    assert {slug: world.entity(slug).table for slug in slugs} == tables


def test_two_connectors_that_fill_one_schema_never_share_a_table(world: World) -> None:
    world.offer("items", "hash")
    other = replace(world.connector, name="crm", target_schema="erp")
    world.discover()
    discover(world.database, other, world.settings)
    with world.database.connection() as connection:
        mine, theirs = (find_entity(connection, name, "items").table for name in ("erp", "crm"))
    assert (mine.schema, theirs.schema) == ("erp", "erp")
    assert mine != theirs


def test_a_target_table_that_another_entity_has_is_refused(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.configure("orders", target_table="Items")
    report = world.discover()
    assert "belongs to erp/items already" in report.refused["orders"]
    assert report.added == ("items",)


def test_another_target_is_filled_from_the_beginning_and_the_old_table_stays(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    world.configure("items", target_schema="elsewhere", target_table="things")
    world.discover()
    assert world.entity("items").table == Table("elsewhere", "things")
    assert world.sync("items").counts.inserted == 3
    assert world.query("SELECT count(*) FROM erp.items") == [(3,)]


def test_a_table_that_was_renamed_away_is_filled_anew_under_its_name(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    do(world, "ALTER TABLE erp.items RENAME TO items_old")
    assert world.discover().changed == ("items",)
    assert world.sync("items").counts.inserted == 3


def test_tables_are_taken_up_where_the_metadata_was_lost(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    do(world, "DELETE FROM connectors")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(5)"), QTY))
    report = world.discover()
    assert report.added == ("items",)
    assert "would narrow" in report.refused["items"]
    assert world.sync("items").counts.unchanged == 3


HOSTILE_SLUGS = [
    "a/b",
    "a?b=c#d",
    "a%2Fb",
    "../../etc",
    "'; DROP TABLE entities; --",
    'quo"ted',
    "select",
    "ж" * 60,
    "A" * 100,
    "ü b",
    "__",
    "1",
    "\U0001f600",
]


def test_hostile_slugs_are_synced_like_any_other(world: World) -> None:
    for slug in HOSTILE_SLUGS:
        world.offer(slug, "hash")
        world.store.insert(slug, [row(1, slug[:40])])
    report = world.discover()
    assert report.entities == tuple(sorted(HOSTILE_SLUGS))
    assert len({world.entity(slug).table for slug in HOSTILE_SLUGS}) == len(HOSTILE_SLUGS)
    for slug in HOSTILE_SLUGS:
        outcome = world.sync(slug)
        assert outcome.status == "success", (slug, outcome.error)
        assert world.live(slug) == world.expected(slug)
