"""MCP clients look at connectors, entities and the rows of their tables."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.sync.inspection.looking import looking
from syncflow_pipelines_tests.postgres.mcp_calls import call, refusal, tool_names, with_client
from syncflow_pipelines_tests.postgres.world import World, row

HOSTILE = ("'; DROP TABLE erp.items; --", '"; DROP TABLE erp.items; --', "%s", "%(x)s", "{}", "a\\'b", "' OR '1'='1")
OWN = {
    "list_connectors", "list_entities", "describe_entity", "sample_rows", "list_runs", "show_run", "list_rejects",
    "show_reject", "list_schema_changes",
}  # fmt: skip


@pytest.fixture
def items(world: World) -> World:
    """Five rows of `erp/items`, one of which the source has deleted."""
    world.offer("items", description="What we sell")
    world.store.put("items", [row(n, f"label {n}", f"{n}.50") for n in range(1, 6)])
    world.discover()
    assert world.sync("items").error is None
    world.store.delete("items", [("A", 5)])
    assert world.sync("items").error is None
    return world


def alter(world: World, statement: str) -> None:
    with world.database.connection() as connection:
        connection.execute(sql.SQL(statement))


def test_the_reading_tools_are_there_and_say_that_they_only_read(items: World) -> None:
    async def work(client: Any) -> dict[str, Any]:
        return {tool.name: tool for tool in await client.list_tools()}

    tools = with_client(items, work)
    assert tools.keys() == {f"syncflow_{name}" for name in OWN}
    assert all(tool.annotations.read_only_hint for tool in tools.values())
    assert all(tool.description and tool.output_schema for tool in tools.values())


def test_the_connectors_are_listed_with_their_entities(items: World) -> None:
    assert call(items, "list_connectors") == {
        "connectors": [
            {
                "name": "erp",
                "base_url": items.connector.base_url,
                "enabled": True,
                "target_schema": "erp",
                "sync_interval_seconds": 300,
                "entities": 1,
                "failing_entities": 0,
            }
        ]
    }


def test_an_entity_is_listed_with_its_rows_and_how_fresh_they_are(items: World) -> None:
    listed = call(items, "list_entities")
    assert (listed["total"], listed["next_offset"]) == (1, None)
    (found,) = listed["entities"]
    assert (found["entity"], found["table"], found["live_rows"]) == ("erp/items", "erp.items", 4)
    assert (found["freshness"], found["last_sync_status"], found["problem"]) == ("fresh", "success", None)


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ({"connector": "erp"}, 1),
        ({"strategy": "rowversion"}, 1),
        ({"strategy": "hash"}, 0),
        ({"freshness": "stale"}, 0),
        ({"last_sync_status": "failed"}, 0),
        ({"search": "WE SELL"}, 1),
        ({"search": "' OR true --"}, 0),
    ],
)
def test_entities_are_chosen_by_every_filter(items: World, wanted: dict[str, Any], number: int) -> None:
    assert call(items, "list_entities", wanted)["total"] == number


def test_a_long_list_of_entities_comes_in_parts(world: World) -> None:
    for slug in ("a", "b", "c"):
        world.offer(slug)
    world.discover()
    first = call(world, "list_entities", {"limit": 2})
    assert ([one["entity"] for one in first["entities"]], first["next_offset"]) == (["erp/a", "erp/b"], 2)
    rest = call(world, "list_entities", {"limit": 2, "offset": 2})
    assert ([one["entity"] for one in rest["entities"]], rest["next_offset"]) == (["erp/c"], None)


def test_an_old_sync_makes_an_entity_late_and_then_stale(items: World) -> None:
    for age, told in (("11 minutes", "late"), ("26 minutes", "stale")):
        alter(items, f"UPDATE entities SET last_sync_at = now() - interval '{age}'")
        assert call(items, "list_entities")["entities"][0]["freshness"] == told
    alter(items, "UPDATE entities SET last_sync_at = NULL")
    assert call(items, "list_entities")["entities"][0]["freshness"] == "never synced"


def test_an_unknown_connector_is_told_with_the_one_that_may_be_meant(items: World) -> None:
    assert "did you mean 'erp'?" in refusal(items, "list_entities", {"connector": "erq"})


def test_a_table_is_described_with_keys_comments_and_indexes(items: World) -> None:
    alter(items, "COMMENT ON COLUMN erp.items.qty IS 'how many'")
    described = call(items, "describe_entity", {"entity": "erp/items"})
    columns = {column["name"]: column for column in described["columns"]}
    assert described["business_keys"] == ["site", "number"]
    assert (columns["number"]["type"], columns["number"]["business_key"]) == ("integer", True)
    assert (columns["qty"]["type"], columns["qty"]["source_name"]) == ("numeric(12,3)", "QTY")
    assert columns["qty"]["description"] == "how many"
    assert columns["_bridge_deleted"]["source_name"] is None
    assert any(index["unique"] and "(site, number)" in index["definition"] for index in described["indexes"])
    assert described["total_bytes"] > 0


def test_a_table_that_somebody_dropped_is_told_of(items: World) -> None:
    alter(items, "DROP TABLE erp.items")
    described = call(items, "describe_entity", {"entity": "erp/items"})
    assert (described["table_exists"], described["columns"]) == (False, [])
    assert "erp.items of erp/items does not exist" in refusal(items, "sample_rows", {"entity": "erp/items"})


def test_an_unknown_entity_is_told_with_the_nearest(items: World) -> None:
    assert "did you mean erp/items?" in refusal(items, "describe_entity", {"entity": "erp/item"})


def test_a_sample_holds_live_rows_by_key_without_our_own_columns(items: World) -> None:
    answer = call(items, "sample_rows", {"entity": "erp/items", "limit": 2})
    assert answer["rows"] == [
        {"site": "A", "number": 1, "label": "label 1", "qty": 1.5},
        {"site": "A", "number": 2, "label": "label 2", "qty": 2.5},
    ]
    assert (answer["has_more"], answer["cut_values"]) == (True, [])
    assert call(items, "sample_rows", {"entity": "erp/items", "limit": 4})["has_more"] is False


def test_deleted_rows_are_there_when_they_are_asked_for(items: World) -> None:
    wanted = {"entity": "erp/items", "include_deleted": True, "columns": ["number", "_bridge_deleted"]}
    rows = call(items, "sample_rows", wanted)["rows"]
    assert rows[-1] == {"number": 5, "_bridge_deleted": True}
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("equals", "numbers"),
    [
        ({"number": 3}, [3]),
        ({"number": "3"}, [3]),
        ({"qty": 2.5}, [2]),
        ({"qty": "2.500"}, [2]),
        ({"label": "label 4", "site": "A"}, [4]),
        ({"label": None}, []),
        ({"label": "label 4", "site": "B"}, []),
        ({"_bridge_deleted": True}, []),
    ],
)
def test_rows_are_found_by_the_values_of_columns(items: World, equals: dict[str, Any], numbers: list[int]) -> None:
    answer = call(items, "sample_rows", {"entity": "erp/items", "equals": equals})
    assert [one["number"] for one in answer["rows"]] == numbers


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_value_is_but_a_value(items: World, hostile: str) -> None:
    assert call(items, "sample_rows", {"entity": "erp/items", "equals": {"label": hostile}})["rows"] == []
    items.store.put("items", [row(9, hostile)])
    assert items.sync("items").error is None
    (found,) = call(items, "sample_rows", {"entity": "erp/items", "equals": {"label": hostile}})["rows"]
    assert found["label"] == hostile


@pytest.mark.parametrize("hostile", [*HOSTILE, "label = 'x' OR true", "ctid", "tableoid", ""])
def test_a_hostile_column_is_refused_by_name(items: World, hostile: str) -> None:
    for wanted in ({"equals": {hostile: "x"}}, {"columns": [hostile]}):
        assert "has no column" in refusal(items, "sample_rows", {"entity": "erp/items", **wanted})
    assert len(items.live("items")) == 4


@pytest.mark.parametrize("value", ["seven", "1; DROP TABLE erp.items", "99999999999999999999", "\0", True])
def test_a_value_that_the_column_cannot_hold_is_told_with_the_columns_type(items: World, value: object) -> None:
    told = refusal(items, "sample_rows", {"entity": "erp/items", "equals": {"number": value}})
    assert told == "no row of erp/items can have these values: number is integer"


@pytest.mark.parametrize("name", ["erp/items'; --", "erp/../x", "erp/%", "'/x"])
def test_a_hostile_name_of_an_entity_is_unknown(items: World, name: str) -> None:
    assert f"no entity {name} is known" in refusal(items, "sample_rows", {"entity": name})


@pytest.mark.parametrize("wanted", [{"limit": 0}, {"limit": 101}, {"longest_value": 5000}, {"equals": {"label": [1]}}])
def test_more_than_the_bounds_allow_is_refused(items: World, wanted: dict[str, Any]) -> None:
    assert "validation error" in refusal(items, "sample_rows", {"entity": "erp/items", **wanted})


def test_numbers_that_json_would_round_are_texts_with_all_their_digits(world: World) -> None:
    exact = SourceColumn("EXACT", "NUMBER(38,10)", alias="exact")
    whole = SourceColumn("WHOLE", "NUMBER(18)", alias="whole")
    world.offer("exact", columns=(*world.offer("items").columns, exact, whole))
    long = Decimal("1234567890123456789012345678.0123456789")
    world.store.put(
        "exact", [{**row(1), "exact": long, "whole": 2**53 + 1}, {**row(2), "exact": 0.5, "whole": 2**53 - 1}]
    )
    world.discover()
    assert world.sync("exact").error is None
    first, second = call(world, "sample_rows", {"entity": "erp/exact", "columns": ["exact", "whole"]})["rows"]
    assert first == {"exact": str(long), "whole": str(2**53 + 1)}
    assert second == {"exact": 0.5, "whole": 2**53 - 1}


def test_long_values_are_cut_and_said_to_be(items: World) -> None:
    alter(items, "ALTER TABLE erp.items ALTER label TYPE text")
    alter(items, "UPDATE erp.items SET label = repeat('ä', 100000) WHERE number = 2")
    answer = call(items, "sample_rows", {"entity": "erp/items", "longest_value": 50})
    assert answer["rows"][1]["label"] == "ä" * 50 + "…"
    assert answer["cut_values"] == [{"row": 1, "column": "label", "characters": 100_000}]


def test_a_sample_is_bounded_whatever_is_asked_for(items: World) -> None:
    for number in range(300):
        alter(items, f"ALTER TABLE erp.items ADD more_{number} text DEFAULT repeat('x', 2000)")
    answer = call(items, "sample_rows", {"entity": "erp/items", "limit": 100, "longest_value": 2000})
    assert (len(answer["rows"]), answer["has_more"]) == (1, True)


def test_json_and_bytes_and_times_come_as_json(items: World) -> None:
    alter(
        items, "ALTER TABLE erp.items ADD doc jsonb, ADD raw bytea, ADD at timestamptz, ADD nan float8, ADD deep jsonb"
    )
    alter(
        items,
        """UPDATE erp.items SET doc = '{"a": [1, 12345678901234567890]}', raw = '\\x00ff', at = '2026-01-31 18:30+01',
        nan = 'NaN', deep = (repeat('[', 60) || repeat(']', 60))::jsonb WHERE number = 1""",
    )
    wanted = {"entity": "erp/items", "limit": 1, "columns": ["doc", "raw", "at", "nan", "deep"]}
    assert call(items, "sample_rows", wanted)["rows"] == [
        {
            "doc": {"a": [1, "12345678901234567890"]},
            "raw": "\\x00ff",
            "at": "2026-01-31T17:30:00+00:00",
            "nan": "NaN",
            "deep": "[" * 60 + "]" * 60,
        }
    ]


def test_a_filter_that_the_type_does_not_know_is_refused_in_a_sentence(items: World) -> None:
    alter(items, "ALTER TABLE erp.items ADD doc json")
    told = refusal(items, "sample_rows", {"entity": "erp/items", "equals": {"doc": "{}"}})
    assert told.startswith("PostgreSQL refused to read the table of erp/items")


def test_no_tool_that_reads_can_change_a_table(items: World) -> None:
    alter(items, "CREATE TABLE erp.seen (n int)")
    alter(
        items,
        "CREATE FUNCTION erp.trap(integer) RETURNS integer LANGUAGE sql AS "
        "'INSERT INTO erp.seen VALUES (1); SELECT $1'",
    )
    alter(items, "ALTER TABLE erp.items RENAME TO really")
    alter(
        items,
        "CREATE VIEW erp.items AS SELECT site, erp.trap(number) AS number, label, qty, _bridge_deleted FROM erp.really",
    )
    told = refusal(items, "sample_rows", {"entity": "erp/items"})
    assert "read-only transaction" in told
    assert items.query("SELECT count(*) FROM erp.seen") == [(0,)]


def test_a_table_that_is_being_altered_is_not_waited_for_for_ever(items: World) -> None:
    with items.database.connection() as connection:
        connection.execute("LOCK TABLE erp.items IN ACCESS EXCLUSIVE MODE")
        with (
            pytest.raises(DatabaseError, match="to read the items"),
            looking(items.database, "the items", limit_s=0.3) as other,
        ):
            other.execute("SELECT count(*) FROM erp.items")


def test_the_database_is_not_asked_before_a_tool_is_called(world: World) -> None:
    world.settings = replace(world.settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert len(tool_names(world)) == len(OWN)
    assert "127.0.0.1" in refusal(world, "list_entities")


def test_no_answer_holds_the_token_of_a_source(items: World) -> None:
    for tool in ("list_connectors", "list_entities", "list_runs"):
        assert "a-token-that-must-never-be-shown" not in json.dumps(call(items, tool))
