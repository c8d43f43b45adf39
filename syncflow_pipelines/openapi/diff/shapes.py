"""What a schema asks for, however it spells that.

`allOf`, references with siblings, and `anyOf: [X, {type: null}]` are ways to write one object; here they become one set
of keywords, the components that it refers to, and whether null is possible.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncflow_pipelines.openapi.diff.values import fingerprint, is_documentation, referred
from syncflow_pipelines.openapi.model import Json

Schema = Mapping[str, Json]
Components = Mapping[str, Json]

_NOTHING: Schema = {"not": {}}
"""What `false` is short for."""
_MOST_PARTS = 10_000
"""Of one `allOf`, nested ones included."""


@dataclass(slots=True)
class Shape:
    """One schema, flattened."""

    own: dict[str, Json] = field(default_factory=dict)
    """Keywords that hold beside the references; `type` is a list without `null`, where it is stated."""
    names: list[str] = field(default_factory=list)
    """Components that must hold as well."""
    is_nullable: bool = False


def as_schema(value: Json) -> Schema:
    """The schema as an object: `true` and what is no schema ask for nothing, `false` refuses everything."""
    if isinstance(value, Mapping):
        return value
    return _NOTHING if value is False else {}


def shape_of(schema: Json, components: Components, expand: Collection[str] = ()) -> Shape:
    """The schema flattened. Components in `expand` are merged in, and others stay names."""
    shape = Shape()
    seen: set[str] = set()
    left: list[Json] = [schema]
    parts = 0
    while left and (parts := parts + 1) <= _MOST_PARTS:
        part = as_schema(left.pop())
        name = referred(part)
        if name is not None and name not in seen:
            seen.add(name)
            if name in expand and name in components:
                left.append(components[name])
            else:
                shape.names.append(name)
        members = part.get("allOf")
        left += reversed(members) if isinstance(members, list) else ()
        left += _only_alternatives(part, shape)
        _merge(shape, part)
    return shape


def _only_alternatives(part: Schema, shape: Shape) -> list[Json]:
    """Of each `anyOf` and `oneOf` of one schema, null aside, that schema."""
    found = []
    for keyword in ("anyOf", "oneOf"):
        rest = other_than_null(part.get(keyword))
        if len(rest) == 1:
            found.append(rest[0])
            shape.is_nullable |= len(part[keyword]) > 1
    return found


def other_than_null(alternatives: Json) -> list[Json]:
    """The alternatives but `{type: null}`."""
    return [one for one in alternatives if not _is_null(one)] if isinstance(alternatives, list) else []


def _is_null(schema: Json) -> bool:
    if not isinstance(schema, Mapping):
        return False
    return schema.get("type") in ("null", ["null"]) or ("const" in schema and schema["const"] is None)


def _merge(shape: Shape, part: Schema) -> None:
    for keyword in sorted(part):  # what contradicts itself stays a list, whose order must not be that of the keys
        if keyword in ("$ref", "allOf") or is_documentation(keyword):
            continue
        value = part[keyword]
        if keyword in ("anyOf", "oneOf"):
            _merge_alternatives(shape, keyword, value)
        elif keyword == "type":
            _merge_types(shape, value)
        elif keyword not in shape.own:
            shape.own[keyword] = value
        elif fingerprint(value) != fingerprint(shape.own[keyword]):
            _merge_unequal(shape.own, keyword, value)


def _merge_alternatives(shape: Shape, keyword: str, value: Json) -> None:
    rest = other_than_null(value)
    if len(rest) < 2:
        return
    shape.is_nullable |= len(rest) < len(value)
    if keyword in shape.own:
        _beside(shape.own, keyword, rest)
    else:
        shape.own[keyword] = rest


def _merge_types(shape: Shape, value: Json) -> None:
    types = (
        [value]
        if isinstance(value, str)
        else [name for name in value if isinstance(name, str)]
        if isinstance(value, list)
        else []
    )
    if not types:
        return
    known = shape.own.get("type")
    shape.is_nullable |= "null" in types and known is None
    named = [name for name in types if name != "null" or len(types) == 1]
    shape.own["type"] = named if known is None else [name for name in known if name in named] or named


def _merge_unequal(own: dict[str, Json], keyword: str, value: Json) -> None:
    known = own[keyword]
    merge = _MERGED.get(keyword)
    merged = merge(known, value) if merge is not None else None
    if merged is None:
        _beside(own, keyword, value)
    else:
        own[keyword] = merged


def _beside(own: dict[str, Json], keyword: str, value: Json) -> None:
    """Keywords that say two things at once stay two schemas."""
    own["allOf"] = [*own.get("allOf", ()), {keyword: value}]


def _both(known: Json, value: Json) -> Json:
    """The properties of both; one that both have must be both."""
    if not isinstance(known, Mapping) or not isinstance(value, Mapping):
        return None
    merged = {**known, **value}
    for name in known.keys() & value.keys():
        if fingerprint(known[name]) != fingerprint(value[name]):
            merged[name] = {"allOf": [known[name], value[name]]}
    return merged


def _joined(known: Json, value: Json) -> Json:
    return [*known, *value] if isinstance(known, list) and isinstance(value, list) else None


def _of_numbers(choose: Callable[[Any, Any], Any]) -> Callable[[Json, Json], Json]:
    def chosen(known: Json, value: Json) -> Json:
        return choose(known, value) if isinstance(known, int | float) and isinstance(value, int | float) else None

    return chosen


_MERGED: dict[str, Callable[[Json, Json], Json]] = {
    "properties": _both,
    "required": _joined,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _of_numbers(max)),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _of_numbers(min)),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly"), lambda known, value: bool(known) or bool(value)),
    "default": lambda known, value: value,
}
