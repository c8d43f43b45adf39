"""Ids of operations → names of tools."""

import hashlib

LONGEST = 56
"""So that a client that puts a server's name before it stays within 64."""
_OURS = frozenset({"search_tools", "call_tool"})
"""The tools of search mode."""


def tool_name(operation_id: str) -> str:
    """The id, at most 56 characters of it; the same whatever other operations there are."""
    if operation_id in _OURS:
        return f"{operation_id}_operation"
    if len(operation_id) <= LONGEST:
        return operation_id
    digest = hashlib.sha256(operation_id.encode()).hexdigest()[:8]
    return f"{operation_id[: LONGEST - 9]}_{digest}"
