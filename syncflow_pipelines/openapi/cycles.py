"""Schemas that refer to themselves without end, such as `A: {allOf: [{$ref: A}]}`, made finite.

Only what holds of the same value counts: a tree whose `children` are trees is finite. A validator follows an endless
schema until its stack is full.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from syncflow_pipelines.openapi.model import Json

_PREFIX: Final = "#/components/schemas/"
_ONE: Final = ("not", "if", "then", "else")
_SEVERAL: Final = ("allOf", "anyOf", "oneOf")
_CHOICES: Final = frozenset({"anyOf", "oneOf", "discriminator"})

Edge = tuple[dict[str, Json], str, bool]
"""The schema that holds the reference, the name of its target, and whether it is a part of an `allOf`."""


def without_endless_schemas(
    components: dict[str, dict[str, Json]], note: Callable[[str], None]
) -> dict[str, dict[str, Json]]:
    """The components, which are altered where they are endless; `note` is called with their names.

    A subtype whose `allOf` holds a base that is a choice of its subtypes takes the base without the choice, which is
    what is meant by that. Every other circle is cut where it closes.
    """
    with_parts = sorted(name for name, schema in components.items() if any(True for _ in _edges(schema)))
    choices = {name: _choices(schema) for name, schema in components.items()}
    for name in with_parts:
        _take_bases_without_choice(name, components, choices)
    for name, holders in _closing({name: _by_target(components[name]) for name in with_parts}):
        for holder in holders:
            holder.pop("$ref", None)
        note(name)
    return components


def _edges(schema: dict[str, Json], *, is_part: bool = False) -> Iterator[Edge]:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield schema, reference.removeprefix(_PREFIX), is_part
    for word in _ONE:
        if word in schema:
            yield from _edges(schema[word])
    for word in _SEVERAL:
        for part in schema.get(word, ()):
            yield from _edges(part, is_part=word == "allOf")


def _by_target(schema: dict[str, Json]) -> dict[str, list[dict[str, Json]]]:
    found: dict[str, list[dict[str, Json]]] = defaultdict(list)
    for holder, target, _ in _edges(schema):
        found[target].append(holder)
    return dict(sorted(found.items()))


def _take_bases_without_choice(
    name: str, components: dict[str, dict[str, Json]], choices: dict[str, frozenset[str]]
) -> None:
    for holder, target, is_part in list(_edges(components[name])):
        base = components.get(target, {})
        if is_part and target != name and holder.keys() == {"$ref"} and name in choices.get(target, ()):
            holder.clear()
            holder.update({word: value for word, value in base.items() if word not in _CHOICES})


def _choices(schema: dict[str, Json]) -> frozenset[str]:
    parts = (part for word in ("anyOf", "oneOf") for part in schema.get(word, ()))
    return frozenset(str(part.get("$ref")).removeprefix(_PREFIX) for part in parts)


def _closing(graph: dict[str, dict[str, list[dict[str, Json]]]]) -> list[tuple[str, list[dict[str, Json]]]]:
    """Where the circles close, by a walk in depth from each name: the name, and what refers back from there."""
    closing = []
    ways: dict[str, Iterator[str]] = {}
    done: set[str] = set()
    for start in graph:
        stack = [] if start in done else [start]
        while stack:
            name = stack[-1]
            target = next(ways.setdefault(name, iter(graph[name])), None)
            if target is None:
                done.add(stack.pop())
            elif target in ways and target not in done:
                closing.append((name, graph[name][target]))
            elif target in graph and target not in done:
                stack.append(target)
    return closing
