"""The services' tools as FastMCP takes them in."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from fastmcp.server.context import Context
from fastmcp.server.providers.base import Provider
from fastmcp.server.transforms import GetToolNext
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.tools.base import Tool
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.versions import VersionSpec

from syncflow_pipelines.codegen.runtime.found_tools import show_found
from syncflow_pipelines.mcp_hub.services.keeper import Keeper

_searched: ContextVar[bool] = ContextVar("_searched", default=False)
"""Whether somebody searches, and wants to see what services hide behind a search of their own."""


FOUND_BYTES = 100_000
"""Of the tools that a search shows."""


class ServicesProvider(Provider):
    """The tools of every service, as they are at the moment."""

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self._keeper = keeper

    async def _list_tools(self) -> Sequence[Tool]:
        offer = await self._keeper.fresh()
        return await offer.all_tools() if _searched.get() else offer.offered()

    async def _get_tool(self, name: str, version: VersionSpec | None = None) -> Tool | None:
        return await (await self._keeper.fresh()).find(name)

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return ()  # else the start would wait for every module

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None, None]:
        self._keeper.start()
        try:
            yield
        finally:
            await self._keeper.stop()


class HubSearch(BM25SearchTransform):
    """Lets clients search in the place of listing, while the list of all tools is longer than `budget_bytes`.

    Tools of SyncFlow itself, `pinned`, stay in the list.
    """

    def __init__(self, keeper: Keeper, budget_bytes: int, pinned: Sequence[Tool], pinned_bytes: int) -> None:
        super().__init__(always_visible=[tool.name for tool in pinned], search_result_serializer=_shown)
        self._keeper = keeper
        self._left_bytes = budget_bytes - pinned_bytes

    @property
    def is_needed(self) -> bool:
        return self._keeper.offer.listed_bytes > self._left_bytes

    async def transform_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        return await super().transform_tools(tools) if self.is_needed else tools

    async def get_tool(self, name: str, call_next: GetToolNext, *, version: VersionSpec | None = None) -> Tool | None:
        if self.is_needed:
            return await super().get_tool(name, call_next, version=version)
        return await call_next(name, version=version)

    async def get_tool_catalog(self, ctx: Context, *, run_middleware: bool = True) -> Sequence[Tool]:
        token = _searched.set(True)
        try:
            return await super().get_tool_catalog(ctx, run_middleware=run_middleware)
        finally:
            _searched.reset(token)


def _shown(tools: Sequence[Tool]) -> list[dict[str, object]]:
    return show_found(tools, FOUND_BYTES)
