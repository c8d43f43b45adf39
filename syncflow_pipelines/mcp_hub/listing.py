"""The tools of a hub with what each costs a client: `syncflow mcp --list`."""

import asyncio
from dataclasses import dataclass
from typing import Any

import mcp_types
from fastmcp import Client, FastMCP

from syncflow_pipelines.mcp_hub.answers import ServiceList
from syncflow_pipelines.mcp_hub.services.keeper import RESERVED

LIST_SERVICES = f"{RESERVED}_list_services"
BYTES_A_TOKEN = 4
"""Roughly, for text and JSON in English."""


@dataclass(frozen=True, slots=True)
class ListedTool:
    """One line of the list."""

    name: str
    bytes: int
    """In an answer to `tools/list`."""
    read_only: bool
    description: str
    """Its first line."""

    @property
    def tokens(self) -> int:
        """An estimate."""
        return self.bytes // BYTES_A_TOKEN


@dataclass(frozen=True, slots=True)
class Listing:
    """What a client finds, and what it does not."""

    tools: tuple[ListedTool, ...]
    troubles: tuple[str, ...]
    """Services whose newest server does not work, or is not there, each with the reason."""


def listed_tools(hub: FastMCP) -> Listing:
    """The tools that the hub lists, as a client gets them."""
    return asyncio.run(_listed(hub))


async def _listed(hub: FastMCP) -> Listing:
    async with Client(hub) as client:
        tools = tuple(_line(tool) for tool in await client.list_tools())
        is_following = any(tool.name == LIST_SERVICES for tool in tools)
        return Listing(tools, await _troubles(client) if is_following else ())


async def _troubles(client: Client[Any]) -> tuple[str, ...]:
    told = await client.call_tool(LIST_SERVICES, {})
    services = ServiceList.model_validate(told.structured_content).services
    return tuple(f"{service.service}: {service.problem}" for service in services if service.problem)


def _line(tool: mcp_types.Tool) -> ListedTool:
    size = len(tool.model_dump_json(by_alias=True, exclude_none=True).encode())
    read_only = bool(tool.annotations and tool.annotations.read_only_hint)
    return ListedTool(tool.name, size, read_only, (tool.description or "").strip().partition("\n")[0])
