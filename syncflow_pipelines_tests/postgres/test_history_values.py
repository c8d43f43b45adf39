"""Recorded values are exactly those of the table, whatever their types, names, sizes and the role's defaults."""

from typing import Any

import pytest
from psycopg import sql

from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines_tests.postgres.changing_world import do
from syncflow_pipelines_tests.postgres.recorded import agrees, changes, live, replayed
from syncflow_pipelines_tests.postgres.world import World, row

NUMBER = SourceColumn("NO", "NUMBER(9)", alias="number", is_nullable=False)
VALUES: dict[str, tuple[str, list[Any]]] = {
    "exact": ("NUMBER", ["12345678901234567890.12345678901234567890", "0.10", "-1e-30", "1e40"]),
    "scaled": ("NUMBER(12,3)", ["1.5", 0, "123456789.125"]),
    "big": ("BIGINT", [9_007_199_254_740_993, -9_223_372_036_854_775_808]),
    "float": ("BINARY_DOUBLE", [0.30000000000000004, 1e308, 5e-324]),
    "single": ("REAL", [0.1, 3.4e38]),
    "day": ("date", ["2024-02-29", "0001-01-01", "9999-12-31"]),
    "moment": ("TIMESTAMP", ["2024-02-29T23:59:59.123456", "1582-10-10T00:00:00"]),
    "zoned": ("TIMESTAMP WITH TIME ZONE", ["2024-02-29T23:59:59.123456+05:30"]),
    "clock": ("TIME", ["23:59:59.999999", "24:00:00"]),
    "bytes": ("RAW(100)", ["00ff10", "", "5c78"]),
    "json": ("JSON", [{"a": [1.10, None, {"b": "é"}]}, [], "text", 1.50]),
    "uid": ("GUID", ["c0ffee00-0000-4000-8000-000000000001"]),
    "flag": ("BOOLEAN", [True, False]),
    "text": ("CLOB", ["", " ", "é\u2028\ufeff😀", '"\\u0000', "\\N", "a\tb\nc"]),
}


def offer(world: World, *columns: SourceColumn, keys: tuple[str, ...] = ("number",), strategy: Any = "hash") -> None:
    world.store.create_entity(SourceEntity("items", "Items", strategy, keys, columns))
    world.configure("items", history=True, page_size=7)
    world.discover()


@pytest.mark.parametrize("name", VALUES)
def test_every_type_survives_the_record(world: World, name: str) -> None:
    data_type, values = VALUES[name]
    offer(world, NUMBER, SourceColumn("V", data_type))
    for turn in (values, values[1:] + values[:1], [None] * len(values), values):
        world.store.put("items", [{"number": n, "v": value} for n, value in enumerate(turn)])
        outcome = world.sync("items")
        assert (outcome.error, outcome.counts.rejected) == (None, 0)
        assert agrees(world, "items", outcome)
        assert replayed(world) == live(world)
    assert_read_back(world)


def assert_read_back(world: World) -> None:
    """PostgreSQL reads the newest values of every row as the row's own."""
    table = sql.Identifier(world.entity("items").table.schema, "items")
    statement = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE t.v IS NOT DISTINCT FROM (jsonb_populate_record(t, c.new_values)).v) "
        "FROM {} t JOIN LATERAL (SELECT new_values FROM record_changes c "
        "WHERE c.business_key = jsonb_build_object('number', t.number) ORDER BY id DESC LIMIT 1) c ON true"
    ).format(table)
    with world.database.connection() as connection:
        rows = connection.execute(statement).fetchone()
    assert rows is not None
    assert rows[0] == rows[1] > 0


def test_defaults_of_the_database_spell_no_value_otherwise(world: World) -> None:
    (name,) = world.query("SELECT current_database()")[0]
    for setting, value in (
        ("bytea_output", "escape"),
        ("extra_float_digits", "-15"),
        ("DateStyle", "SQL, DMY"),
        ("TimeZone", "Asia/Tokyo"),
    ):
        with world.database.connection() as connection:
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            connection.execute(statement.format(sql.Identifier(name), sql.SQL(setting), sql.Literal(value)))
    columns = [SourceColumn(key, VALUES[key][0]) for key in ("bytes", "float", "moment", "zoned")]
    offer(world, NUMBER, *columns)
    world.store.put("items", [{"number": 1, **{column.key: VALUES[column.key][1][0] for column in columns}}])
    assert world.sync("items").counts.inserted == 1
    assert changes(world)[-1].new == {
        "number": "1",
        "bytes": "\\x00ff10",
        "float": "0.30000000000000004",
        "moment": "2024-02-29T23:59:59.123456",
        "zoned": "2024-02-29T18:29:59.123456+00:00",
    }


def test_a_key_may_be_of_any_type_and_as_long_as_an_index_allows(world: World) -> None:
    types = ("NUMBER", "TIMESTAMP WITH TIME ZONE", "RAW(16)", "GUID", "CLOB", "date", "BOOLEAN")
    columns = [SourceColumn(f"k{n}", data_type, is_nullable=False) for n, data_type in enumerate(types)]
    offer(world, *columns, SourceColumn("V", "CLOB"), keys=tuple(column.key for column in columns))
    uid = "c0ffee00-0000-4000-8000-000000000001"
    values = ("1.10", "2024-02-29T23:59:59+02:00", "00ff", uid, "é" * 1200, "2024-02-29", True)
    key: dict[str, Any] = {column.key: value for column, value in zip(columns, values, strict=True)}
    for value in ("a", "b", "c"):
        world.store.put("items", [{**key, "v": value}])
        assert agrees(world, "items", world.sync("items"))
    assert [change.operation for change in changes(world)] == ["insert", "update", "update"]
    assert changes(world)[0].key == {
        "k0": "1.10",
        "k1": "2024-02-29T21:59:59+00:00",
        "k2": "\\x00ff",
        "k3": uid,
        "k4": "é" * 1200,
        "k5": "2024-02-29",
        "k6": True,
    }
    assert replayed(world) == live(world)


def test_columns_may_have_any_name(world: World) -> None:
    names = ["t", "o", "s", "_row", "_values", "name", "value", "differs", "changed", "business_key", 'a"b', "a%sb",
             "a{b}", "it's", "new_values", "select", "n n"]  # fmt: skip
    offer(world, NUMBER, *(SourceColumn(name, "CLOB", alias=name) for name in names))
    for turn in range(3):
        world.store.put("items", [{"number": 1, **{name: f"{name} {turn // 2}" for name in names}}])
        assert agrees(world, "items", world.sync("items"))
    world.store.put("items", [{"number": 1, **{name: f"{name} 1" for name in names}, "t": None}])
    assert agrees(world, "items", world.sync("items"))
    assert [len(change.new or {}) for change in changes(world)] == [len(names) + 1, len(names), 1]
    assert replayed(world) == live(world)


def test_a_table_may_be_as_wide_as_postgresql_allows(world: World) -> None:
    names = [f"c{n}" for n in range(1500)]
    offer(world, NUMBER, *(SourceColumn(name, "INTEGER") for name in names))
    world.store.put("items", [{"number": 1, **dict.fromkeys(names), "c7": 7}])
    assert agrees(world, "items", world.sync("items"))
    world.store.put("items", [{"number": 1, "c7": 8, "c1499": 9}])
    assert agrees(world, "items", world.sync("items"))
    assert changes(world)[-1][:4] == ("update", {"number": "1"}, {"c7": "7", "c1499": None}, {"c7": "8", "c1499": "9"})
    assert replayed(world) == live(world)


@pytest.fixture
def large(world: World) -> World:
    """Two rows, whose texts a test makes as long as it needs them."""
    offer(world, NUMBER, SourceColumn("LABEL", "CLOB"))
    world.store.insert("items", [{"number": n, "label": "x"} for n in range(2)])
    world.sync("items")
    return world


@pytest.mark.slow
def test_a_value_of_a_hundred_megabytes_is_recorded(large: World) -> None:
    do(large, "UPDATE erp.items SET label = repeat('0123456789', 10000000) WHERE number = 1")
    large.store.delete("items", [(1,)])
    assert large.sync("items").counts.deleted == 1
    assert large.query(
        "SELECT md5(c.old_values ->> 'label') = md5(t.label), length(t.label) "
        "FROM record_changes c, erp.items t WHERE operation = 'delete' AND number = 1"
    ) == [(True, 100_000_000)]


@pytest.mark.slow
def test_a_row_too_large_for_the_record_fails_the_sync_and_says_what_helps(large: World) -> None:
    do(large, "UPDATE erp.items SET label = repeat('0123456789', 27000000) WHERE number = 1")
    large.store.delete("items", [(1,)])
    outcome = large.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "DatabaseError")
    assert str(outcome.error).startswith("erp/items: a row is too large to be recorded")
    assert "history: false" in str(outcome.error)
    assert large.query("SELECT count(*) FROM erp.items WHERE _bridge_deleted") == [(0,)]
    assert len(changes(large)) == 2
    large.configure("items", history=False)
    assert large.sync("items").counts.deleted == 1


def test_the_record_is_found_by_key_by_run_and_by_age_through_its_indexes(world: World) -> None:
    world.offer("items", "hash")
    world.configure("items", history=True)
    world.store.insert("items", [row(n) for n in range(2000)])
    world.discover()
    world.sync("items")
    key = 'jsonb_hash_extended(business_key, 0) = jsonb_hash_extended(\'{"site": "A", "number": 7}\', 0)'
    for condition, index in (
        (f"entity_uid = gen_random_uuid() AND {key}", "record_changes_entity_uid_key_idx"),
        ("entity_uid = (SELECT uid FROM entities) ORDER BY changed_at DESC, id DESC LIMIT 5", "record_changes_pkey"),
        ("run_uid = (SELECT last_run_uid FROM entities)", "record_changes_run_uid_changed_at_idx"),
        ("changed_at < now() - interval '1 day' ORDER BY changed_at LIMIT 5", "record_changes_changed_at_idx"),
    ):
        with world.database.connection() as connection:
            connection.execute("ANALYZE record_changes")
            connection.execute("SET LOCAL enable_seqscan = off")
            plan = connection.execute(f"EXPLAIN SELECT 1 FROM record_changes WHERE {condition}".encode()).fetchall()
        assert any(index in line for (line,) in plan), plan
