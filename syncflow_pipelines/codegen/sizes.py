"""How large a service's tools are for whoever lists them."""

from collections.abc import Iterable

import orjson

from syncflow_pipelines.codegen.runtime.catalogue import ToolPlan
from syncflow_pipelines.errors import GenerationFailed

MOST_PARTS = 1_000_000
"""Arguments and schemas of all tools together: each tool holds its own, and many may refer to what is large. GitHub's
tools have 5,000."""

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
    """Bytes of a list of all of them, and the name and bytes of the largest.

    Raises `GenerationFailed` where they have more parts than anybody has memory for.
    """
    sizes: dict[str, int] = {}
    parts = 0
    for plan in plans:
        parts += len(plan.call.schema["properties"]) + len(plan.call.schema.get("$defs", ()))
        if parts > MOST_PARTS:
            raise GenerationFailed(
                f"its tools have more than {MOST_PARTS:,} arguments and schemas; leave operations out with exclude"
            )
        sizes[plan.name] = tool_bytes(plan)
    largest = max(sizes, key=lambda name: (sizes[name], name), default="")
    commas = max(len(sizes) - 1, 0)
    return _ENVELOPE + sum(sizes.values()) + commas, largest, sizes.get(largest, 0)
