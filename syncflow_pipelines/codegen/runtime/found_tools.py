"""Tools that a search found → what the search tool answers, within a bound."""

from collections.abc import Sequence
from typing import Any

import orjson
from fastmcp.tools import Tool

Json = Any


def show_found(tools: Sequence[Tool], max_bytes: int) -> list[dict[str, Json]]:
    """The tools as a list of tools has them, the best first; what would go beyond the bound, without its schemas."""
    shown: list[dict[str, Json]] = []
    left = max_bytes
    for tool in tools:
        whole = tool.to_mcp_tool().model_dump(mode="json", by_alias=True, exclude_none=True)
        whole.pop("_meta", None)
        size = len(orjson.dumps(whole))
        if size > left:
            whole = _outline(tool)
            size = len(orjson.dumps(whole))
        left -= size
        shown.append(whole)
    return shown


def _outline(tool: Tool) -> dict[str, Json]:
    properties = tool.parameters.get("properties", {})
    return {
        "name": tool.name,
        "description": tool.description,
        "arguments": sorted(properties)[:100],
        "required": tool.parameters.get("required", []),
        "note": "The schema of the arguments is too large to be shown here.",
    }
