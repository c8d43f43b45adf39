"""The questions that asset checks ask of an entity's table."""

from syncflow_pipelines.sync.checks import drift, duplicate_keys
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines_tests.postgres.changing_world import do
from syncflow_pipelines_tests.postgres.world import World, row


def test_drift_tells_every_way_in_which_a_table_does_not_fit(world: World) -> None:
    world.offer("items", "hash")
    world.discover()

    def told_now() -> tuple[str, ...]:
        with world.database.connection() as connection:
            return drift(connection, find_entity(connection, "erp", "items"))

    assert told_now() == ()
    do(world, "ALTER TABLE erp.items DROP COLUMN label, ALTER COLUMN qty TYPE numeric(5,1)")
    assert [sentence.split(" is ")[0] for sentence in told_now()] == ["column label", "column qty of erp.items"]
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key")
    assert "no unique constraint" in told_now()[-1]
    do(world, "DROP TABLE erp.items")
    assert told_now() == ("table erp.items does not exist",)
    do(world, "CREATE VIEW erp.items AS SELECT 1 AS x")
    assert "view erp.items exists" in told_now()[0]


def test_duplicate_keys_are_counted_where_nothing_prevents_them(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")

    def repeated() -> int:
        with world.database.connection() as connection:
            return duplicate_keys(connection, find_entity(connection, "erp", "items"))

    assert repeated() == 0
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key")
    do(world, "INSERT INTO erp.items (site, number) VALUES ('A', 1), ('A', 1), ('A', 2)")
    assert repeated() == 2
    do(world, "UPDATE erp.items SET _bridge_deleted = true WHERE number = 1")
    assert repeated() == 1
    do(world, "ALTER TABLE erp.items DROP COLUMN number")
    assert repeated() == 0
    do(world, "DROP TABLE erp.items")
    assert repeated() == 0
