"""A folder of MCP servers as a generation leaves it, and a client of a hub that serves it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from fastmcp import Client

from syncflow_pipelines.config import Settings
from syncflow_pipelines.mcp_hub.hub import HubOptions, build_hub

T = TypeVar("T")

MODULE = '''
from fastmcp import FastMCP

mcp = FastMCP("{service}")


def {tool}(number: int = 0) -> str:
    """{description}"""
    return "{answer}"


mcp.tool({tool})
'''
SEARCHING = """
from fastmcp.server.transforms.search import BM25SearchTransform

mcp.add_transform(BM25SearchTransform())
"""


class GeneratedFolder:
    """Writes modules, and after them the manifest, each in one step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0

    def module(
        self, service: str, tool: str = "ping", answer: str = "pong", description: str = "", more: str = ""
    ) -> None:
        """A server with one tool."""
        source = MODULE.format(service=service, tool=tool, answer=answer, description=description or tool)
        self.source(service, source + more)

    def source(self, service: str, source: str) -> None:
        self._put(f"{service}_mcp.py", source)
        self.generated()

    def remove(self, service: str) -> None:
        (self.path / f"{service}_mcp.py").unlink()
        self.generated()

    def generated(self) -> None:
        """Writes another manifest."""
        self._count += 1
        self._put(".syncflow.json", json.dumps({"count": self._count}))

    def _put(self, name: str, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f".{name}.tmp"
        temporary.write_text(text)
        temporary.replace(self.path / name)


def with_hub(
    folder: Path,
    work: Callable[[Client[Any]], Awaitable[T]],
    *,
    mode: Any = "auto",
    message_handler: Any = None,
    **options: Any,
) -> T:
    """What `work` comes to with a client of a hub that serves the folder and has no database."""
    nowhere = Settings(config_dir=folder / "config", home=folder / "home", database_url="postgresql://x@127.0.0.1:1/x")

    async def run() -> T:
        hub = build_hub(nowhere, HubOptions(generated_dir=folder, **options))
        async with Client(hub, mode=mode, message_handler=message_handler) as client:
            return await work(client)

    return asyncio.run(run())


async def names(client: Client[Any]) -> set[str]:
    """Of the tools that are no tools of SyncFlow itself."""
    return {tool.name for tool in await client.list_tools() if not tool.name.startswith("syncflow_")}


async def text(client: Client[Any], tool: str, **arguments: Any) -> str:
    return str((await client.call_tool(tool, arguments)).data)


async def words(client: Client[Any], tool: str, arguments: dict[str, Any]) -> str:
    """The answer as a model reads it."""
    (content,) = (await client.call_tool(tool, arguments)).content
    return str(getattr(content, "text", ""))


async def services(client: Client[Any]) -> dict[str, dict[str, Any]]:
    answer = (await client.call_tool("syncflow_list_services", {})).structured_content or {}
    return {one["service"]: one for one in answer["services"]}


async def until(holds: Callable[[], Awaitable[object]], limit_s: float = 120.0) -> None:
    """Returns once it holds; asks again and again, as a client would."""
    async with asyncio.timeout(limit_s):
        while not await holds():  # noqa: ASYNC110 - what is waited for is what the hub answers
            await asyncio.sleep(0.1)
