"""MCP clients sync entities and retry rejected rows, where they are allowed to."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError

from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.model import SyncOutcome
from syncflow_pipelines_tests.postgres.mcp_calls import call, refusal, tool_names, with_client
from syncflow_pipelines_tests.postgres.world import World, row

LIMIT_S = 120
SYNCING = "SELECT 1 FROM sync_runs WHERE status = 'running'"


@pytest.fixture
def items(world: World) -> World:
    """Two discovered entities with rows, not synced yet."""
    for slug in ("items", "orders"):
        world.offer(slug)
        world.store.put(slug, [row(n) for n in range(50)])
    world.discover()
    return world


async def until(holds: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, holds)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_leave_the_tools_that_write_are_not_there_at_all(items: World) -> None:
    writing = {"syncflow_sync_entities", "syncflow_retry_rejects"}
    assert not writing & set(tool_names(items))
    assert writing < set(tool_names(items, allow_writes=True))
    assert refusal(items, "sync_entities", {"connector": "erp"}) == "Unknown tool: 'syncflow_sync_entities'"
    assert items.query("SELECT count(*) FROM sync_runs") == [(0,)]


def test_named_entities_are_synced_and_counted(items: World) -> None:
    answer = call(items, "sync_entities", {"entities": ["erp/items"]}, allow_writes=True)
    (one,) = answer["syncs"]
    assert (answer["succeeded"], answer["failed"], one["entity"], one["inserted"]) == (1, 0, "erp/items", 50)
    assert items.query("SELECT status, trigger FROM sync_runs") == [("success", "mcp")]


def test_all_enabled_entities_of_a_connector_are_synced_and_reported(items: World) -> None:
    reported: list[SyncOutcome] = []
    answer = call(items, "sync_entities", {"connector": "erp"}, allow_writes=True, report=reported.extend)
    assert (answer["succeeded"], {one.entity for one in reported}) == (2, {"erp/items", "erp/orders"})


def test_an_entity_that_fails_is_told_of_first_and_stops_no_other(items: World) -> None:
    items.store.break_entity("orders", Fault(status=404))
    answer = call(items, "sync_entities", {"connector": "erp"}, allow_writes=True)
    assert [(one["entity"], one["status"]) for one in answer["syncs"]] == [
        ("erp/orders", "failed"),
        ("erp/items", "success"),
    ]


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({}, "say what to sync"),
        ({"entities": ["erp/items"], "connector": "erp"}, "say what to sync"),
        ({"entities": ["erp/nothing"]}, "no entity erp/nothing is known"),
        ({"connector": "erq"}, "did you mean 'erp'?"),
        ({"entities": ["erp/items"], "full_refresh": True, "strategy": "hash"}, "leave strategy out"),
        ({"entities": ["items"]}, "validation error"),
    ],
)
def test_an_order_that_says_too_little_or_too_much_is_refused(items: World, order: dict[str, Any], told: str) -> None:
    assert told in refusal(items, "sync_entities", order, allow_writes=True)
    assert items.query("SELECT count(*) FROM sync_runs") == [(0,)]


def test_progress_is_told_and_only_ever_grows(items: World) -> None:
    items.store.break_entity("items", Fault(status=None, delay_s=2))
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        assert total == 2
        assert message

    async def work(client: Client[Any]) -> Any:
        return await client.call_tool("syncflow_sync_entities", {"connector": "erp"}, progress_handler=note)

    answer = with_client(items, work, allow_writes=True)
    assert answer.structured_content["succeeded"] == 2
    assert told
    assert told == sorted(set(told))


def test_a_sync_that_is_cancelled_leaves_a_closed_record_and_no_rows(items: World) -> None:
    items.store.break_entity("items", Fault(status=None, delay_s=30))

    async def work(client: Client[Any]) -> None:
        arguments = {"entities": ["erp/items"]}
        calling = asyncio.create_task(client.call_tool("syncflow_sync_entities", arguments))
        await until(lambda: items.query(SYNCING))
        calling.cancel()
        await until(lambda: not items.query(SYNCING))

    with_client(items, work, allow_writes=True)
    items.store.heal_entity("items")
    assert items.query("SELECT status, error_details->>'type' FROM sync_runs") == [("failed", "SyncCancelled")]
    assert items.live("items") == {}
    assert items.sync("items").error is None


def test_a_hub_that_ends_stops_its_syncs_and_closes_their_records(items: World) -> None:
    items.store.break_entity("items", Fault(status=None, delay_s=30))

    async def work(client: Client[Any]) -> asyncio.Task[Any]:
        arguments = {"entities": ["erp/items"]}
        calling = asyncio.create_task(client.call_tool("syncflow_sync_entities", arguments))
        await until(lambda: items.query(SYNCING))
        return calling

    with_client(items, work, allow_writes=True)
    items.store.heal_entity("items")
    assert items.query("SELECT status FROM sync_runs") == [("failed",)]


def test_two_clients_at_once_both_sync_and_read(items: World) -> None:
    async def work(client: Client[Any]) -> list[Any]:
        calls = [
            client.call_tool("syncflow_sync_entities", {"entities": ["erp/items"], "wait_s": 100}),
            client.call_tool("syncflow_sync_entities", {"entities": ["erp/orders"]}),
            *(client.call_tool("syncflow_list_entities", {}) for _ in range(20)),
        ]
        return await asyncio.gather(*calls)

    items_synced, orders_synced, *lists = with_client(items, work, allow_writes=True)
    assert items_synced.structured_content["succeeded"] + orders_synced.structured_content["succeeded"] == 2
    assert all(one.structured_content["total"] == 2 for one in lists)


def test_an_entity_that_is_being_synced_is_said_to_be_busy(items: World) -> None:
    items.store.break_entity("items", Fault(status=None, delay_s=30))

    async def work(client: Client[Any]) -> Any:
        order = {"entities": ["erp/items"]}
        first = asyncio.create_task(client.call_tool("syncflow_sync_entities", order))
        await until(lambda: items.query(SYNCING))
        second = await client.call_tool("syncflow_sync_entities", order)
        first.cancel()
        await until(lambda: not items.query(SYNCING))
        return second.structured_content

    answer = with_client(items, work, allow_writes=True)
    items.store.heal_entity("items")
    assert "is being synced since" in answer["syncs"][0]["error"]


def test_rejected_rows_that_fit_by_now_are_stored(world: World) -> None:
    world.offer("items", strategy="full")
    world.store.put("items", [row(1), row(2, "x" * 60)])
    world.discover()
    world.sync("items")
    world.store.put("items", [row(2, "x" * 60)])
    with world.database.connection() as connection:
        connection.execute("ALTER TABLE erp.items ALTER label TYPE varchar(100)")
        connection.execute(
            """UPDATE entities SET columns = replace(columns::text, 'character varying(40)',
            'character varying(100)')::jsonb"""
        )
    (reject,) = call(world, "list_rejects")["rejects"]
    order = {"entity": "erp/items", "rejects": [reject["reject"]]}
    dry = call(world, "retry_rejects", {**order, "dry_run": True}, allow_writes=True)
    assert (dry["resolved"], dry["run"], len(world.live("items"))) == (1, None, 1)
    answer = call(world, "retry_rejects", order, allow_writes=True, who="erika")
    assert (answer["tried"], answer["resolved"], answer["inserted"], answer["open"]) == (1, 1, 1, 0)
    assert call(world, "show_reject", {"reject": reject["reject"]})["closed_by"] == "erika"


def test_what_is_unexpected_is_masked(world: World) -> None:
    (world.settings.home).mkdir(exist_ok=True)

    def failing(_outcomes: object) -> None:
        raise RuntimeError("a secret of ours")

    world.offer("items")
    world.discover()
    with pytest.raises(ToolError) as told:
        call(world, "sync_entities", {"connector": "erp"}, allow_writes=True, report=failing)
    assert "secret" not in str(told.value)
