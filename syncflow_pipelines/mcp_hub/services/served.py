"""One generated server while it is being served."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.providers.fastmcp_provider import FastMCPProvider, FastMCPProviderTool
from fastmcp.server.transforms.catalog import CatalogTransform
from fastmcp.tools.base import Tool, ToolResult

LINGER_S = 1.0
END_LIMIT_S = 5.0
LAST_CALLS_S = 300.0
"""How long calls of a server that was replaced may go on."""


class ServedServer:
    """A server with its lifespan, which ends once it was replaced and its last call is over."""

    def __init__(self, server: FastMCP) -> None:
        self._server = server
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._over = asyncio.Event()
        self._at_once = False
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live())
        self.offered: dict[str, Tool] = {}
        """What it lists by itself: two tools only where it lets search."""
        self.offered_bytes = 0
        """Of that list."""
        self._all: dict[str, Tool] | None = None

    async def start(self) -> None:
        """Starts its lifespan and reads its list; raises what they raise, and is over then."""
        try:
            await asyncio.shield(self._ready)
            self.offered = self._callable(await self._server.list_tools())
        except BaseException:
            self.retire(at_once=True)
            raise
        self.offered_bytes = sum(map(listed_bytes, self.offered.values()))

    async def all_tools(self) -> dict[str, Tool]:
        """Every operation, those included that it lets search for; made when first asked for."""
        if self._all is None:
            tools: Sequence[Tool] = [tool for one in self._server.providers for tool in await one.list_tools()]
            for transform in self._server.transforms:
                if not isinstance(transform, CatalogTransform):
                    tools = await transform.list_tools(tools)
            self._all = self._callable(tools)
        return self._all

    def retire(self, *, at_once: bool = False) -> None:
        """Ends it after the calls that are under way."""
        self._at_once = at_once
        if at_once:
            self._idle.set()
        self._over.set()

    async def ended(self) -> None:
        """Returns when its lifespan is over, or was broken off because it did not end."""
        if not (await asyncio.wait([self._life], timeout=END_LIMIT_S))[0]:
            self._life.cancel()

    def begin_call(self) -> None:
        self._calls += 1
        self._idle.clear()

    def end_call(self) -> None:
        self._calls -= 1
        if not self._calls:
            self._idle.set()

    async def _live(self) -> None:
        try:
            async with FastMCPProvider(self._server).lifespan():
                self._ready.set_result(None)
                await self._over.wait()
                await self._linger()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._idle.wait(), LAST_CALLS_S)
        except Exception as error:  # noqa: BLE001 - what generated code does when it starts or ends is its own
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _linger(self) -> None:
        """Waits for those who have found a tool and are about to call it."""
        if not self._at_once:
            await asyncio.sleep(LINGER_S)

    def _callable(self, tools: Sequence[Tool]) -> dict[str, Tool]:
        return {tool.name: ServedTool.of(self, self._server, tool) for tool in tools}


class ServedTool(FastMCPProviderTool):
    """A tool of a served server; a call of it keeps the server alive."""

    _served: Any = None

    @classmethod
    def of(cls, served: ServedServer, server: FastMCP, tool: Tool) -> "ServedTool":
        wrapped = cls.wrap(server, tool)
        assert isinstance(wrapped, cls)
        wrapped._served = served
        return wrapped

    async def _run(self, arguments: dict[str, Any]) -> ToolResult:
        self._served.begin_call()
        try:
            return await super()._run(arguments)
        finally:
            self._served.end_call()

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        self._served.begin_call()
        try:
            return await super().run(arguments)
        finally:
            self._served.end_call()


def listed_bytes(tool: Tool) -> int:
    """How much the tool takes in an answer to `tools/list`."""
    return len(tool.to_mcp_tool().model_dump_json(by_alias=True, exclude_none=True).encode())
