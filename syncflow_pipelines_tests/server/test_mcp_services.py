"""The hub serves what was generated, whatever is in it, and follows it as it changes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp.client.subscriptions import ToolsListChanged, listen

from syncflow_pipelines_tests.server.generated_folder import (
    SEARCHING,
    GeneratedFolder,
    names,
    services,
    text,
    until,
    with_hub,
    words,
)

BROKEN = {
    "syntax": "def (",
    "import": "import a_module_that_nobody_has",
    "error": "raise ValueError('two\\nlines')",
    "exit": "import sys; sys.exit(3)",
    "nothing": "x = 1",
    "other": "mcp = 'no server'",
    "not_text": "\udcff",
}


@pytest.fixture
def generated(tmp_path: Path) -> GeneratedFolder:
    return GeneratedFolder(tmp_path / "generated")


def test_tools_of_every_service_carry_its_name(generated: GeneratedFolder) -> None:
    generated.module("users", "find", "a user")
    generated.module("orders", "find", "an order")

    async def work(client: Client[Any]) -> tuple[set[str], str, str]:
        return await names(client), await text(client, "users_find"), await text(client, "orders_find")

    assert with_hub(generated.path, work) == ({"users_find", "orders_find"}, "a user", "an order")


def test_a_folder_that_is_not_there_yet_is_served_once_it_is(generated: GeneratedFolder) -> None:
    async def work(client: Client[Any]) -> None:
        assert await names(client) == set()
        assert await services(client) == {}
        generated.module("users")
        await until(lambda: names(client))
        assert await text(client, "users_ping") == "pong"

    with_hub(generated.path, work)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_module_that_does_not_work_is_told_of_and_stops_no_other(generated: GeneratedFolder, kind: str) -> None:
    generated.module("good")
    generated.path.joinpath("bad_mcp.py").write_bytes(BROKEN[kind].encode("utf-8", "surrogateescape"))

    async def work(client: Client[Any]) -> None:
        assert await names(client) == {"good_ping"}
        told = await services(client)
        assert (told["good"]["status"], told["bad"]["status"]) == ("served", "failed")
        assert told["bad"]["problem"].startswith("bad_mcp.py ")
        assert "\n" not in told["bad"]["problem"]

    with_hub(generated.path, work)


def test_a_server_that_fails_to_start_is_told_of(generated: GeneratedFolder) -> None:
    generated.source(
        "bad",
        "from contextlib import asynccontextmanager\nfrom fastmcp import FastMCP\n"
        "@asynccontextmanager\nasync def life(server):\n    raise OSError('no such thing')\n    yield\n"
        "mcp = FastMCP('bad', lifespan=life)\n",
    )
    generated.module("good")

    async def work(client: Client[Any]) -> None:
        assert await names(client) == {"good_ping"}
        assert "cannot be started: OSError: no such thing" in (await services(client))["bad"]["problem"]

    with_hub(generated.path, work)


def test_what_is_generated_anew_is_served_without_a_restart(generated: GeneratedFolder) -> None:
    generated.module("users", "find", "first")

    async def work(client: Client[Any]) -> None:
        assert await text(client, "users_find") == "first"
        generated.module("users", "find", "other")  # as long as the first, within the same second
        await until(lambda: says(client, "users_find", "other"))
        generated.module("users", "search")
        await until(lambda: offers(client, {"users_search"}))
        generated.module("orders")
        await until(lambda: offers(client, {"users_search", "orders_ping"}))
        generated.remove("users")
        await until(lambda: offers(client, {"orders_ping"}))
        with pytest.raises(ToolError, match="Unknown tool"):
            await client.call_tool("users_search", {})

    with_hub(generated.path, work)


def test_an_old_server_serves_on_where_the_new_one_does_not_work(generated: GeneratedFolder) -> None:
    generated.module("users", "find", "old")

    async def work(client: Client[Any]) -> None:
        assert await text(client, "users_find") == "old"
        generated.source("users", "def (")
        await until(lambda: stands(client, "users", "stale"))
        assert await text(client, "users_find") == "old"
        generated.module("users", "find", "new")
        await until(lambda: says(client, "users_find", "new"))
        assert (await services(client))["users"]["status"] == "served"

    with_hub(generated.path, work)


def test_a_call_outlives_the_replacement_of_its_server(generated: GeneratedFolder, tmp_path: Path) -> None:
    waits = (
        "import asyncio\nfrom contextlib import asynccontextmanager\nfrom pathlib import Path\n"
        "from fastmcp import FastMCP\n"
        "open_ = []\n"
        "@asynccontextmanager\nasync def life(server):\n    open_.append(1)\n    try:\n        yield\n    finally:\n"
        f"        open_.clear()\n        Path({str(tmp_path)!r}, 'over').touch()\n"
        "mcp = FastMCP('users', lifespan=life)\n"
        "@mcp.tool\nasync def slow() -> str:\n"
        f"    Path({str(tmp_path)!r}, 'called').touch()\n"
        f"    while not Path({str(tmp_path)!r}, 'go').exists():\n        await asyncio.sleep(0.05)\n"
        "    return 'open' if open_ else 'closed'\n"
    )
    generated.source("users", waits)

    async def work(client: Client[Any]) -> None:
        calling = asyncio.create_task(text(client, "users_slow"))
        await until(lambda: exists(tmp_path / "called"))
        generated.module("users", "quick")
        await until(lambda: offers(client, {"users_quick"}))
        (tmp_path / "go").touch()
        assert await calling == "open"
        await until(lambda: exists(tmp_path / "over"))

    with_hub(generated.path, work)


def test_clients_of_older_versions_are_told_that_the_tools_have_changed(generated: GeneratedFolder) -> None:
    generated.module("users")
    told: list[str] = []

    async def work(client: Client[Any]) -> None:
        await names(client)
        generated.module("orders")
        await until(lambda: heard(told))
        assert await names(client) == {"users_ping", "orders_ping"}

    async def note(message: Any) -> None:
        told.append(getattr(message, "method", ""))

    with_hub(generated.path, work, mode="legacy", message_handler=note)


def test_clients_that_subscribe_are_told_that_the_tools_have_changed(generated: GeneratedFolder) -> None:
    generated.module("users")

    async def work(client: Client[Any]) -> None:
        async with listen(client.session, tools_list_changed=True) as changes:
            await names(client)
            generated.module("orders")
            assert isinstance(await anext(aiter(changes)), ToolsListChanged)
        assert await names(client) == {"users_ping", "orders_ping"}

    with_hub(generated.path, work)


def test_only_the_services_that_were_asked_for_are_served(generated: GeneratedFolder) -> None:
    generated.module("users")
    generated.module("orders")

    async def work(client: Client[Any]) -> None:
        assert await names(client) == {"users_ping"}
        told = await services(client)
        assert told.keys() == {"users", "missing"}
        assert "run: syncflow generate" in told["missing"]["problem"]

    with_hub(generated.path, work, services=["users", "missing"])


def test_a_service_that_is_called_like_the_hub_is_refused(generated: GeneratedFolder) -> None:
    generated.module("syncflow", "list_entities")

    async def work(client: Client[Any]) -> None:
        assert "give the service another" in (await services(client))["syncflow"]["problem"]

    with_hub(generated.path, work)


def test_tools_that_would_be_called_alike_are_both_there(generated: GeneratedFolder) -> None:
    generated.module("a", "b_c", "of a")
    generated.module("a_b", "c", "of a_b")

    async def work(client: Client[Any]) -> dict[str, str]:
        return {name: await text(client, name) for name in await names(client)}

    answers = with_hub(generated.path, work)
    assert answers.pop("a_b_c") == "of a_b"
    ((name, answer),) = answers.items()
    assert (name.startswith("a_b_c_"), answer) == (True, "of a")


def test_no_name_is_longer_than_clients_take(generated: GeneratedFolder) -> None:
    service, tool = "a_service_with_a_rather_long_name", "t" * 56
    generated.module(service, tool)
    generated.module("users", tool[:-1])

    async def work(client: Client[Any]) -> set[str]:
        found = await names(client)
        assert {await text(client, name) for name in found} == {"pong"}
        return found

    found = with_hub(generated.path, work)
    assert len(found) == 2
    assert max(map(len, found)) <= 64


def test_above_the_budget_all_services_are_searched(generated: GeneratedFolder) -> None:
    for number in range(30):
        generated.module(f"service{number}", "do", description=f"About topic number{number}. " + "Words. " * 200)
    generated.module("hidden", "find_whales", "a whale", "Finds whales in the sea", SEARCHING)

    async def work(client: Client[Any]) -> None:
        assert await names(client) == {"search_tools", "call_tool"}
        found = (await client.call_tool("search_tools", {"query": "whales sea"})).structured_content or {}
        assert found["result"][0]["name"] == "hidden_find_whales"
        order = {"name": "hidden_find_whales", "arguments": {"number": 1}}
        assert await words(client, "call_tool", order) == "a whale"
        assert await text(client, "service7_do") == "pong"
        listed = await client.call_tool("syncflow_list_services", {})
        assert (listed.structured_content or {})["search"] is True

    with_hub(generated.path, work, size_budget_bytes=30_000)


def test_below_the_budget_a_service_that_searches_does_so_itself(generated: GeneratedFolder) -> None:
    generated.module("hidden", "find_whales", "a whale", "Finds whales in the sea", SEARCHING)

    async def work(client: Client[Any]) -> None:
        assert await names(client) == {"hidden_search_tools", "hidden_call_tool"}
        assert await words(client, "hidden_call_tool", {"name": "find_whales", "arguments": {}}) == "a whale"
        assert await text(client, "hidden_find_whales") == "a whale"
        with pytest.raises(ToolError, match="Unknown tool"):
            await client.call_tool("search_tools", {"query": "x"})

    with_hub(generated.path, work)


def test_modules_may_import_their_neighbours(generated: GeneratedFolder) -> None:
    generated.module("users")
    (generated.path / "shared.py").write_text("ANSWER = 'from next door'\n")
    generated.source("orders", "from fastmcp import FastMCP\nfrom .shared import ANSWER\nmcp = FastMCP(ANSWER)\n")
    (generated.path / "__init__.py").write_text("raise RuntimeError('never imported')\n")

    async def work(client: Client[Any]) -> None:
        assert {one["status"] for one in (await services(client)).values()} == {"served"}

    with_hub(generated.path, work)


async def says(client: Client[Any], tool: str, wanted: str) -> bool:
    return await text(client, tool) == wanted


async def offers(client: Client[Any], wanted: set[str]) -> bool:
    return await names(client) == wanted


async def stands(client: Client[Any], service: str, status: str) -> bool:
    return bool((await services(client))[service]["status"] == status)


async def exists(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)


async def heard(told: list[str]) -> bool:
    return "notifications/tools/list_changed" in told
