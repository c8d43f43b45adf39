"""The first rows of an empty table go straight into it, and all that was on the table is there afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql

from syncflow_pipelines.sync import ingest
from syncflow_pipelines.sync.intake import Intake
from syncflow_pipelines.sync.loading import empty_table
from syncflow_pipelines.sync.loading.empty_table import EmptyTable
from syncflow_pipelines.sync.model import Counts
from syncflow_pipelines_tests.misbehaving.faults import lie
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile
from syncflow_pipelines_tests.postgres.world import World, row
from syncflow_pipelines_tests.unit.moving_source import filled

__all__ = ["hostile"]

INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'erp' AND tablename = %s ORDER BY 1"
CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'erp.items'::regclass ORDER BY 1"
)
TRIGGER = """
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE INSERT ON erp.items FOR EACH ROW EXECUTE FUNCTION noted()
"""
NO_DROPS = """
CREATE FUNCTION refused() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not here''; END';
CREATE EVENT TRIGGER refused ON sql_drop WHEN TAG IN ('ALTER TABLE', 'DROP INDEX') EXECUTE FUNCTION refused()
"""
FILE = "SELECT relfilenode FROM pg_class WHERE oid = 'erp.items'::regclass"


@pytest.fixture
def filled_world(world: World) -> World:
    """Thirty rows that wait for their first sync, ten a page."""
    world.offer("items", "hash", versions="counter")
    world.store.insert("items", [row(n) for n in range(30)])
    world.configure("items", page_size=10)
    world.discover()
    return world


def test_rows_indexes_and_constraints_are_there_after_a_load_into_the_table(filled_world: World) -> None:
    before = [
        filled_world.query(INDEXES, "items"),
        filled_world.query(CONSTRAINTS),
        filled_world.query(FILE),
    ]
    outcome = filled_world.sync("items")
    assert (outcome.error, outcome.counts) == (None, Counts(fetched=30, inserted=30))
    assert filled_world.live("items") == filled_world.expected("items")
    assert filled_world.entity("items").live_rows == 30
    assert [filled_world.query(INDEXES, "items"), filled_world.query(CONSTRAINTS)] == before[:2]
    assert filled_world.query(FILE) != before[2]  # it was truncated, which is what this way begins with


@pytest.mark.parametrize("many", [1, 31], ids=["copied", "staged"])
def test_ids_of_new_rows_are_not_left_to_postgresql(
    filled_world: World, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(empty_table, "MANY_ROWS", many)
    with filled_world.database.dedicated("somebody") as other:
        other.execute("ALTER TABLE erp.items ALTER _bridge_id DROP DEFAULT")
    assert filled_world.sync("items").counts.inserted == 30
    filled_world.store.insert("items", [row(n) for n in range(30, 40)])
    assert filled_world.sync("items").counts.inserted == 10
    versions = filled_world.query("SELECT substr(_bridge_id::text, 15, 1), count(*) FROM erp.items GROUP BY 1")
    assert versions == [("7", 40)]


def test_few_rows_are_not_worth_it(filled_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(empty_table, "MANY_ROWS", 31)
    before = filled_world.query(FILE)
    assert filled_world.sync("items").counts.inserted == 30
    assert filled_world.query(FILE) == before


def test_a_load_that_would_keep_readers_waiting_is_staged(filled_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "LONGEST_S", 0.0)
    monkeypatch.setattr(Intake, "load_into_table", lambda intake: pytest.fail("it was not staged"))
    assert filled_world.sync("items").counts.inserted == 30
    assert filled_world.live("items") == filled_world.expected("items")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX mine ON erp.items (label); COMMENT ON INDEX erp.mine IS 'mine'",
        "ALTER TABLE erp.items CLUSTER ON items_pkey",
        "CREATE TABLE notes (item uuid REFERENCES erp.items)",
        "CREATE VIEW shown AS SELECT _bridge_id, label FROM erp.items GROUP BY _bridge_id",
        "ALTER TABLE erp.items ADD CHECK (number < 1000)",
        "ALTER TABLE erp.items ADD COLUMN twice integer GENERATED ALWAYS AS (number * 2) STORED",
        "ALTER TABLE erp.items ENABLE ROW LEVEL SECURITY",
        "ALTER INDEX erp.items_business_key SET (fillfactor = 70)",
        "CREATE INDEX mine ON erp.items (lower(label)); ALTER INDEX erp.mine ALTER COLUMN 1 SET STATISTICS 500",
        "CREATE PUBLICATION others FOR TABLE erp.items",
        NO_DROPS,
        "ALTER TABLE erp.items REPLICA IDENTITY FULL",
        TRIGGER,
    ],
)
def test_a_table_that_somebody_has_plans_for_is_filled_as_it_is(filled_world: World, statement: str) -> None:
    with filled_world.database.dedicated("test") as connection:
        connection.execute(statement)
    before = [filled_world.query(INDEXES, "items"), filled_world.query(FILE)]
    outcome = filled_world.sync("items")
    assert (outcome.error, outcome.counts.inserted) == (None, 30)
    assert [filled_world.query(INDEXES, "items"), filled_world.query(FILE)] == before


def test_a_role_that_may_build_no_index_fills_the_table_as_it_is(filled_world: World) -> None:
    table = filled_world.entity("items").table
    role = f"loader_{uuid4().hex}"
    with filled_world.database.dedicated("test") as connection:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
        try:
            connection.execute(sql.SQL("ALTER TABLE erp.items OWNER TO {}").format(name))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA erp TO {}").format(name))
            before = filled_world.query(INDEXES, "items")
            connection.execute(sql.SQL("SET ROLE {}").format(name))
            assert not EmptyTable(connection, table).strip()
            connection.execute("RESET ROLE")
            assert filled_world.query(INDEXES, "items") == before
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))


def test_an_index_of_somebodys_own_is_built_again(filled_world: World) -> None:
    with filled_world.database.dedicated("test") as connection:
        connection.execute("CREATE INDEX mine ON erp.items (lower(label) DESC) WHERE number > 5")
    before = filled_world.query(INDEXES, "items")
    assert filled_world.sync("items").counts.inserted == 30
    assert filled_world.query(INDEXES, "items") == before


def test_a_table_that_is_left_as_it_is_is_not_locked_either(filled_world: World) -> None:
    with filled_world.database.dedicated("test") as connection, connection.transaction():
        connection.execute("COMMENT ON INDEX erp.items_pkey IS 'mine'")
        connection.execute("SAVEPOINT before")
        assert not EmptyTable(connection, filled_world.entity("items").table).strip()
        held = "SELECT mode FROM pg_locks WHERE relation = 'erp.items'::regclass AND pid = pg_backend_pid()"
        assert "AccessExclusiveLock" not in {mode for (mode,) in connection.execute(held)}


def test_rows_that_somebody_put_in_a_moment_ago_are_not_lost(filled_world: World) -> None:
    with filled_world.database.dedicated("test") as connection, connection.transaction():
        connection.execute("INSERT INTO erp.items (site, number) VALUES ('B', 1)")
        assert not EmptyTable(connection, filled_world.entity("items").table).strip()
        assert connection.execute("SELECT count(*) FROM erp.items").fetchall() == [(1,)]


def test_many_staged_rows_fill_an_empty_table_without_its_indexes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_table, "MANY_ROWS", 20)
    world.offer("items", "rowversion")
    world.store.insert("items", [row(n) for n in range(30)])
    world.discover()
    before = [world.query(INDEXES, "items"), world.query(CONSTRAINTS), world.query(FILE)]
    assert world.sync("items").counts == Counts(fetched=30, inserted=30)
    assert [world.query(INDEXES, "items"), world.query(CONSTRAINTS)] == before[:2]
    assert world.query(FILE) != before[2]
    assert world.live("items") == world.expected("items")


def test_a_table_that_is_being_read_is_not_waited_for(filled_world: World) -> None:
    with filled_world.database.dedicated("reader") as reader, reader.transaction():
        reader.execute("SELECT FROM erp.items").fetchall()
        outcome = filled_world.sync("items")
    assert (outcome.error, outcome.counts.inserted) == (None, 30)


def test_rows_that_are_refused_as_a_whole_leave_an_empty_table_with_its_indexes(filled_world: World) -> None:
    before = filled_world.query(INDEXES, "items")
    with filled_world.store.change() as change:
        change.update("items", [{"site": "A", "number": n, "label": "l" * 41} for n in range(20)])
    outcome = filled_world.sync("items")
    assert outcome.error_type == "TooManyRejects"
    assert filled_world.query("SELECT count(*) FROM erp.items") == [(0,)]
    assert filled_world.query("SELECT count(*) FROM rejected_rows") == [(20,)]
    assert filled_world.query(INDEXES, "items") == before


def test_good_rows_are_loaded_and_bad_ones_kept_aside(filled_world: World) -> None:
    with filled_world.store.change() as change:
        change.update("items", [{"site": "A", "number": n, "label": "l" * 41} for n in (3, 17)])
    outcome = filled_world.sync("items")
    assert (outcome.error, outcome.counts) == (None, Counts(fetched=30, inserted=28, rejected=2))
    assert len(filled_world.live("items")) == 28


def repeated(**members: Any) -> Callable[[dict[str, Any]], object]:
    """Puts a copy of the page's first row to its end, with other members of `data`."""

    def change(page: dict[str, Any]) -> None:
        first = page["rows"][0]
        page["rows"].append({**first, "data": {**first["data"], **members}})

    return change


def test_of_a_key_that_comes_twice_the_last_row_stays(hostile: HostileWorld) -> None:
    rows = hostile.offer(filled([1] * 12), "hash", page_size=4)
    first = min(rows.rows)
    hostile.source.plan = lambda asked: lie(repeated(v="again")) if asked.page == 1 else None
    outcome = hostile.sync()
    assert (outcome.error, outcome.counts.inserted) == (None, 12)
    assert hostile.live()[first] == "again"


def test_a_deletion_among_the_first_rows_counts(hostile: HostileWorld) -> None:
    hostile.offer(filled([1] * 12), "hash", page_size=4)
    gone: list[int] = []

    def bury(page: dict[str, Any]) -> None:
        page["rows"][2]["deleted"] = True
        gone.append(page["rows"][2]["data"]["k"])

    hostile.source.plan = lambda asked: lie(bury) if asked.page == 2 else None
    outcome = hostile.sync()
    assert outcome.error is None
    assert len(hostile.live()) == 11
    assert gone[0] not in hostile.live()
