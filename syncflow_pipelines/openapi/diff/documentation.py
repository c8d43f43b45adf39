"""Changes that only a reader notices."""

from collections.abc import Iterator, Mapping

from syncflow_pipelines.openapi.diff.values import LITERALS, NAMES_BELOW, fingerprint, is_documentation
from syncflow_pipelines.openapi.model import Json

_Pair = tuple[Json, Json, bool]


def is_documented_differently(old: Json, new: Json) -> bool:
    """Whether a text, an example or an `x-*` changed, at a place that both have."""
    left: list[_Pair] = [(old, new, False)]
    while left:
        before, after, holds_names = left.pop()
        if before is after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            if not holds_names and _texts(before) != _texts(after):
                return True
            left += _common(before, after, holds_names)
        elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            left += ((ours, theirs, False) for ours, theirs in zip(before, after, strict=True))
    return False


def _texts(node: Mapping[str, Json]) -> dict[str, bytes]:
    return {key: fingerprint(value) for key, value in node.items() if is_documentation(key) and key != "operationId"}


def _common(old: Mapping[str, Json], new: Mapping[str, Json], holds_names: bool) -> Iterator[_Pair]:
    for key in old.keys() & new.keys():
        if holds_names:
            yield old[key], new[key], False
        elif key not in LITERALS and not is_documentation(key):
            yield old[key], new[key], key in NAMES_BELOW
