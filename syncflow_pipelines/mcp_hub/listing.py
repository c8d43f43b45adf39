"""The tools of a hub with what each costs a client: `syncflow mcp --list`."""

import asyncio
from dataclasses import dataclass

import mcp_types
from fastmcp import Client, FastMCP

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


def listed_tools(hub: FastMCP) -> tuple[ListedTool, ...]:
    """The tools that the hub lists, as a client gets them."""
    return asyncio.run(_listed(hub))


async def _listed(hub: FastMCP) -> tuple[ListedTool, ...]:
    async with Client(hub) as client:
        return tuple(_line(tool) for tool in await client.list_tools())


def _line(tool: mcp_types.Tool) -> ListedTool:
    size = len(tool.model_dump_json(by_alias=True, exclude_none=True).encode())
    read_only = bool(tool.annotations and tool.annotations.read_only_hint)
    return ListedTool(tool.name, size, read_only, (tool.description or "").strip().partition("\n")[0])
