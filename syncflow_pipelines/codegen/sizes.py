"""How large a service's tools are for whoever lists them."""

from collections.abc import Iterable

import orjson

from syncflow_pipelines.codegen.runtime.catalogue import ToolPlan

_ENVELOPE = len(b'{"tools":[]}')


def tool_bytes(plan: ToolPlan) -> int:
    """Of one tool in an answer to `tools/list`."""
    shown = {
        "name": plan.name,
        "title": plan.name,
        "description": plan.description,
        "inputSchema": plan.call.schema,
        "annotations": plan.annotations.model_dump(by_alias=True, exclude_none=True),
    }
    return len(orjson.dumps(shown))


def catalogue_sizes(plans: Iterable[ToolPlan]) -> tuple[int, str, int]:
    """Bytes of a list of all of them, and the name and bytes of the largest."""
    sizes = {plan.name: tool_bytes(plan) for plan in plans}
    largest = max(sizes, key=lambda name: (sizes[name], name), default="")
    commas = max(len(sizes) - 1, 0)
    return _ENVELOPE + sum(sizes.values()) + commas, largest, sizes.get(largest, 0)
