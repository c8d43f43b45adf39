"""A real MCP client on a hub in the same process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastmcp import Client
from fastmcp.exceptions import ToolError

from syncflow_pipelines.mcp_hub.hub import HubOptions, build_hub
from syncflow_pipelines_tests.postgres.world import World

T = TypeVar("T")


def with_client(world: World, work: Callable[[Client[Any]], Awaitable[T]], **options: Any) -> T:
    """What `work` comes to with a client of a hub of the world."""
    (world.settings.config_dir).mkdir(exist_ok=True)
    (world.settings.config_dir / "connectors.yaml").write_text(connectors_yaml(world))

    async def run() -> T:
        async with Client(build_hub(world.settings, HubOptions(**options))) as client:
            return await work(client)

    return asyncio.run(run())


def call(world: World, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """The structured answer of one of SyncFlow's tools."""

    async def work(client: Client[Any]) -> dict[str, Any]:
        return dict((await client.call_tool(f"syncflow_{tool}", arguments or {})).structured_content or {})

    return with_client(world, work, **options)


def refusal(world: World, tool: str, arguments: dict[str, Any] | None = None, **options: Any) -> str:
    """What the tool says where it does not do it."""
    try:
        answer = call(world, tool, arguments, **options)
    except ToolError as error:
        return str(error)
    raise AssertionError(f"it answered {answer}")


def tool_names(world: World, **options: Any) -> list[str]:
    async def work(client: Client[Any]) -> list[str]:
        return [tool.name for tool in await client.list_tools()]

    return with_client(world, work, **options)


def connectors_yaml(world: World) -> str:
    token_file = getattr(world.connector.auth, "token_file", None)
    lines = [
        "connectors:",
        f"  - name: {world.connector.name}",
        f"    base_url: {world.connector.base_url}",
        f"    auth: {{type: bearer, token_file: '{token_file}'}}",
    ]
    return "\n".join(lines) + "\n"
