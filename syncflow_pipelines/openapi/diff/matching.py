"""Which operation of the new spec is which of the old one."""

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from syncflow_pipelines.openapi.model import Operation

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Matching:
    """Operations of two specs, each once."""

    pairs: tuple[tuple[Operation, Operation], ...]
    """At the same path, but for the names of its placeholders, by the same method."""
    moved: tuple[tuple[Operation, Operation], ...]
    removed: tuple[Operation, ...]
    added: tuple[Operation, ...]


def match_operations(old: Iterable[Operation], new: Iterable[Operation]) -> Matching:
    """By path and method; then by path without the names of placeholders; then by the id that the source gives."""
    same, ours, theirs = _matched([*old], [*new], lambda operation: operation.key)
    renamed, ours, theirs = _matched(ours, theirs, lambda operation: (url(operation.path), operation.method))
    moved, ours, theirs = _matched(ours, theirs, _own_id)
    return Matching((*same, *renamed), tuple(moved), tuple(ours), tuple(theirs))


def url(path: str) -> str:
    """The path without the names of its placeholders."""
    return _PLACEHOLDER.sub("{}", path)


def placeholders(path: str) -> list[str]:
    """The names in the path, in its order."""
    return [found[1:-1] for found in _PLACEHOLDER.findall(path)]


def _own_id(operation: Operation) -> Hashable:
    """`operationId`; an operation without one is told by its place alone."""
    named = operation.definition.get("operationId")
    return named if isinstance(named, str) and named else None


def _matched(
    old: list[Operation], new: list[Operation], by: Callable[[Operation], Hashable]
) -> tuple[list[tuple[Operation, Operation]], list[Operation], list[Operation]]:
    """Pairs with the same key, where just one operation of each side has it; and what is left of both sides."""
    ours, theirs = _single(old, by), _single(new, by)
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    gone, come = {before.key for before, _ in pairs}, {after.key for _, after in pairs}
    return pairs, [one for one in old if one.key not in gone], [one for one in new if one.key not in come]


def _single(operations: Iterable[Operation], by: Callable[[Operation], Hashable]) -> dict[Hashable, Operation]:
    found: dict[Hashable, Operation] = {}
    several: set[Hashable] = set()
    for operation in operations:
        key = by(operation)
        if key in found:
            several.add(key)
        found[key] = operation
    return {key: operation for key, operation in found.items() if key is not None and key not in several}
