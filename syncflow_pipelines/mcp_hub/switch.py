"""Switching the hub off and on while it runs: the feature flag `mcp`."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import mcp_types
from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool, ToolResult

from syncflow_pipelines.config import Settings
from syncflow_pipelines.events.flags import Flag, Standing, standing

LOOK_EVERY_S = 1.0

Call = mcp_types.CallToolRequestParams
ListTools = mcp_types.ListToolsRequest


class Switch(Middleware):
    """While the flag is off, no tool is listed, and a call is refused with the name of the flag."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def watched(self, tell: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
        """While the context lasts, `tell` is called whenever the flag was switched."""
        watching = asyncio.create_task(self._watch(tell))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def on_list_tools(
        self, context: MiddlewareContext[ListTools], call_next: CallNext[ListTools, Sequence[Tool]]
    ) -> Sequence[Tool]:
        return await call_next(context) if (await self._standing()).is_on else []

    async def on_call_tool(self, context: MiddlewareContext[Call], call_next: CallNext[Call, ToolResult]) -> ToolResult:
        found = await self._standing()
        if not found.is_on:
            raise ToolError(refusal(found))
        return await call_next(context)

    async def _watch(self, tell: Callable[[], Awaitable[None]]) -> None:
        known = (await self._standing()).is_on
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            found = (await self._standing()).is_on
            if found != known:
                known = found
                await tell()

    async def _standing(self) -> Standing:
        # in a thread: files are read, and a provider of somebody else may take its time
        return await asyncio.to_thread(standing, Flag.MCP, self._settings)


def refusal(found: Standing) -> str:
    """Why no tool is served."""
    return found.reason("SyncFlow serves no tool until it is switched on")
