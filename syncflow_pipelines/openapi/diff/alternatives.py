"""Which of several alternatives became which: `anyOf` and `oneOf` are sets, and their order says nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from syncflow_pipelines.openapi.diff.shapes import Components, as_schema
from syncflow_pipelines.openapi.diff.values import contract, fingerprint, referred
from syncflow_pipelines.openapi.model import Json

_ALIKE = 0.34
"""The share of traits that two schemas have in common, from which on one is taken for a newer form of the other."""
_MOST_COMPARISONS = 4_000
_MOST_TRAITS = 200


@dataclass(frozen=True, slots=True)
class Matched:
    """Positions in the old and the new list."""

    pairs: tuple[tuple[int, int], ...]
    removed: tuple[int, ...]
    added: tuple[int, ...]


def match(old: Sequence[Json], new: Sequence[Json], old_components: Components, new_components: Components) -> Matched:
    """Equal alternatives first, whatever their documentation, and then the most alike."""
    pairs, removed, added = _equal(old, new)
    if removed and added and len(removed) * len(added) <= _MOST_COMPARISONS:
        pairs += _alike(
            {position: _traits(old[position], old_components) for position in removed},
            {position: _traits(new[position], new_components) for position in added},
        )
    olds, news = {position for position, _ in pairs}, {position for _, position in pairs}
    return Matched(
        tuple(sorted(pairs)),
        tuple(position for position in removed if position not in olds),
        tuple(position for position in added if position not in news),
    )


def _equal(old: Sequence[Json], new: Sequence[Json]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    waiting: defaultdict[bytes, list[int]] = defaultdict(list)
    for position in reversed(range(len(new))):
        waiting[_identity(new[position])].append(position)
    pairs, removed = [], []
    for position, schema in enumerate(old):
        same = waiting[_identity(schema)]
        if same:
            pairs.append((position, same.pop()))
        else:
            removed.append(position)
    return pairs, removed, sorted(position for left in waiting.values() for position in left)


def _identity(schema: Json) -> bytes:
    name = referred(as_schema(schema))
    return contract(schema) if name is None else b"$ref " + name.encode("utf-8", "surrogatepass")


def _alike(old: Mapping[int, frozenset[str]], new: Mapping[int, frozenset[str]]) -> list[tuple[int, int]]:
    scored = sorted(
        (-_likeness(ours, theirs), before, after) for before, ours in old.items() for after, theirs in new.items()
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for likeness, before, after in scored:
        if -likeness >= _ALIKE and before not in pairs and after not in taken:
            pairs[before] = after
            taken.add(after)
    return list(pairs.items())


def _likeness(ours: frozenset[str], theirs: frozenset[str]) -> float:
    return len(ours & theirs) / (len(ours | theirs) or 1)


def _traits(schema: Json, components: Components) -> frozenset[str]:
    written = as_schema(schema)
    name = referred(written)
    return frozenset(_traits_of(as_schema(components.get(name)) if name is not None else written))


def _traits_of(schema: Mapping[str, Json]) -> Iterator[str]:
    types = schema.get("type")
    for name in [types] if isinstance(types, str) else types if isinstance(types, list) else ():
        yield f"type {name}"
        if name == "integer":
            yield "type number"
    if isinstance(schema.get("title"), str):
        yield f"title {schema['title']}"
    properties = schema.get("properties")
    for name, value in islice(properties.items(), _MOST_TRAITS) if isinstance(properties, Mapping) else ():
        yield f"property {name}"
        if isinstance(value, Mapping) and ("const" in value or "enum" in value):
            yield f"value {name} {fingerprint(value.get('const', value.get('enum')))!r}"
