"""Tools that a search found → what the search tool answers, within a bound."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastmcp.tools import Tool

Json = Any

_SHALLOW = ("type", "format", "description", "enum", "const", "default")
_SHOWN_VALUE = 200
"""Bytes of a keyword's value in an outline."""
_SHOWN_ARGUMENTS = 100


def show_found(tools: Sequence[Tool], max_bytes: int) -> list[dict[str, Json]]:
    """The tools as a list of tools has them, the best first; those that go beyond the bound in outline."""
    shown: list[dict[str, Json]] = []
    left = max_bytes
    for tool in tools:
        whole = tool.to_mcp_tool().model_dump(mode="json", by_alias=True, exclude_none=True)
        if len(orjson.dumps(whole)) > left:
            whole["inputSchema"] = _outline(whole["inputSchema"])
        left -= len(orjson.dumps(whole))
        shown.append(whole)
    return shown


def _outline(schema: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments without what is within them."""
    arguments = list(schema["properties"].items())[:_SHOWN_ARGUMENTS]
    return {
        "type": "object",
        "properties": {name: _shallow(each) for name, each in arguments},
        "required": schema["required"],
        "description": "In outline: the whole schema is too large to be shown.",
    }


def _shallow(schema: Json) -> Json:
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: schema[key] for key in _SHALLOW if key in schema}
    return {key: value for key, value in kept.items() if len(orjson.dumps(value)) <= _SHOWN_VALUE}
