"""What one schema says about a value itself: type, values, limits, pattern, format, default."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from syncflow_pipelines.openapi.diff.shapes import Shape
from syncflow_pipelines.openapi.diff.values import contract, fingerprint
from syncflow_pipelines.openapi.model import Json

Own = Mapping[str, Json]

ANY: Final = frozenset({"array", "boolean", "number", "object", "string"})
"""What a schema without a type allows, null aside, which is looked at by itself."""

_WIDER_FORMATS = {("int32", "int64"), ("float", "double")}
_MOST_DIGITS = 27
"""Of a quotient; decimal arithmetic gives up beyond 28."""
_MATCH_ALL = ("", ".*", "^.*$", "^.*", ".*$")
_UPPER = ("maxLength", "maxItems", "maxProperties")
_LOWER = ("minLength", "minItems", "minProperties")
_JUDGED = frozenset(
    {
        *_UPPER, *_LOWER, "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "multipleOf", "uniqueItems",
        "type", "enum", "const", "pattern", "format", "default", "deprecated", "discriminator", "readOnly", "writeOnly",
        "properties", "required", "additionalProperties", "unevaluatedProperties", "items", "prefixItems",
        "allOf", "anyOf", "oneOf", "$ref", "$defs", "$schema", "$id",
    }
)  # fmt: skip
"""Keywords that are compared by their meaning, here or where schemas are walked."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One change of a schema; `kind` is a rule without its direction."""

    kind: str
    message: str
    before: Json = None
    after: Json = None


def constraint_differences(old: Own, new: Own) -> Iterator[Difference]:
    """What is said otherwise about the value, but for its type, its nullability and what lies below it."""
    yield from _enum(old, new)
    yield from _bounds(old, new)
    yield from _multiple(old, new)
    yield from _pattern(old, new)
    yield from _format(old, new)
    yield from _default(old, new)
    yield from _deprecated(old, new)
    yield from _discriminator(old, new)
    yield from _others(old, new)


def types_of(shape: Shape) -> frozenset[str] | None:
    """The types that are possible, null aside; `None` where that is for other schemas to say."""
    own = shape.own
    if "type" in own:
        return frozenset(own["type"])
    if shape.names or own.keys() & {"allOf", "anyOf", "oneOf"}:
        return None
    if "enum" in own or "const" in own:
        return frozenset(_type_of(value) for value in _listed(own).values()) or ANY
    if own.keys() & {"properties", "required", "additionalProperties", "patternProperties"}:
        return frozenset({"object"})
    return frozenset({"array"}) if own.keys() & {"items", "prefixItems"} else ANY


def type_difference(old: frozenset[str], new: frozenset[str]) -> Difference | None:
    """Which way the types went."""
    wider, narrower = _covers(new, old), _covers(old, new)
    if wider and narrower:
        return None
    kind = "type-widened" if wider else "type-narrowed" if narrower else "type-changed"
    before, after = _spelled(old), _spelled(new)
    return Difference(kind, f"the type was {before} and is {after}", before, after)


def share_a_type(old: frozenset[str], new: frozenset[str]) -> bool:
    """Whether some value may be of both; whole numbers are numbers."""
    return bool(old & new) or len((old | new) & {"integer", "number"}) == 2


def _covers(wide: frozenset[str], narrow: frozenset[str]) -> bool:
    return all(name in wide or (name == "integer" and "number" in wide) for name in narrow)


def _spelled(types: frozenset[str]) -> str:
    return "any" if types >= ANY else " or ".join(sorted(types)) or "none"


def allows_null(shape: Shape) -> bool:
    """Whether null is possible, and said to be."""
    values = shape.own.get("enum")
    return shape.is_nullable or ("type" not in shape.own and isinstance(values, list) and None in values)


def _type_of(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _listed(own: Own) -> dict[bytes, Json]:
    """The values that are possible, null aside, by their fingerprints; empty where none are listed."""
    values = [own["const"]] if "const" in own else own.get("enum")
    return {fingerprint(value): value for value in values if value is not None} if isinstance(values, list) else {}


def _enum(old: Own, new: Own) -> Iterator[Difference]:
    before, after = _listed(old), _listed(new)
    if before and after:
        removed = [value for key, value in before.items() if key not in after]
        added = [value for key, value in after.items() if key not in before]
        if removed:
            yield Difference(
                "enum-value-removed",
                _told(removed, "is not listed any more", "are not listed any more"),
                before=removed,
            )
        if added:
            yield Difference("enum-value-added", _told(added, "is listed, too", "are listed, too"), after=added)
    elif after:
        yield Difference("enum-added", "only listed values are possible", after=list(after.values()))
    elif before:
        yield Difference("enum-removed", "other values than the listed ones are possible", before=list(before.values()))


def _told(values: list[Json], one: str, many: str) -> str:
    return f"a value {one}" if len(values) == 1 else f"{len(values):,} values {many}"


def _bounds(old: Own, new: Own) -> Iterator[Difference]:
    for keyword in _UPPER:
        yield from _moved(keyword, _number(old, keyword), _number(new, keyword), is_upper=True)
    for keyword in _LOWER:
        yield from _moved(keyword, _number(old, keyword) or None, _number(new, keyword) or None, is_upper=False)
    yield from _range(old, new, "maximum", "exclusiveMaximum", is_upper=True)
    yield from _range(old, new, "minimum", "exclusiveMinimum", is_upper=False)
    before, after = old.get("uniqueItems") is True, new.get("uniqueItems") is True
    if before != after:
        yield Difference(_way(after), f"uniqueItems was {before} and is {after}".lower(), before, after)


def _way(is_narrower: bool) -> str:
    return "bound-narrowed" if is_narrower else "bound-widened"


def _number(own: Own, keyword: str) -> int | float | None:
    value = own.get(keyword)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moved(
    keyword: str, before: int | float | None, after: int | float | None, *, is_upper: bool
) -> Iterator[Difference]:
    if before == after:
        return
    is_narrower = before is None or (after is not None and (after < before) == is_upper)
    yield Difference(_way(is_narrower), _went(keyword, before, after), before, after)


def _went(keyword: str, before: Json, after: Json) -> str:
    if before is None:
        return f"{keyword} is stated where it was not"
    return f"{keyword} is not stated any more" if after is None else f"{keyword} has another value"


def _range(old: Own, new: Own, inclusive: str, exclusive: str, *, is_upper: bool) -> Iterator[Difference]:
    before, after = (_edge(own, inclusive, exclusive, is_upper) for own in (old, new))
    if before == after:
        return
    is_narrower = before is None or (after is not None and (after < before) == is_upper)
    keyword = inclusive if inclusive in old or inclusive in new else exclusive
    yield Difference(_way(is_narrower), _went(keyword, before, after), before and before[0], after and after[0])


def _edge(own: Own, inclusive: str, exclusive: str, is_upper: bool) -> tuple[int | float, int] | None:
    """The tighter of the two limits; the second number puts an exclusive limit inside of an inclusive one."""
    inner, step = (-1, 1) if is_upper else (1, -1)
    edges = []
    if (limit := _number(own, inclusive)) is not None:
        edges.append((limit, 0))
    if (limit := _number(own, exclusive)) is not None:
        whole = own.get("type") == ["integer"] and isinstance(limit, int)
        edges.append((limit - step, 0) if whole else (limit, inner))
    if not edges:
        return None
    return min(edges) if is_upper else max(edges)


def _multiple(old: Own, new: Own) -> Iterator[Difference]:
    before, after = _number(old, "multipleOf"), _number(new, "multipleOf")
    if before == after:
        return
    message = _went("multipleOf", before, after)
    if before is None or after is None:
        yield Difference(_way(before is None), message, before, after)
    elif _divides(before, after) or _divides(after, before):
        yield Difference(_way(_divides(before, after)), message, before, after)
    else:
        yield Difference("constraint-changed", message, before, after)


def _divides(part: int | float, whole: int | float) -> bool:
    """Exactly, by the numbers as they are written: 0.3 is a multiple of 0.1."""
    divisor, dividend = (Decimal(repr(one)) if isinstance(one, float) else Decimal(one) for one in (part, whole))
    if not divisor or not dividend or not divisor.is_finite() or not dividend.is_finite():
        return False
    if dividend.adjusted() - divisor.adjusted() > _MOST_DIGITS:
        return False
    return dividend % divisor == 0


def _pattern(old: Own, new: Own) -> Iterator[Difference]:
    before, after = (None if own.get("pattern") in _MATCH_ALL else own.get("pattern") for own in (old, new))
    if before == after:
        return
    kind = "pattern-added" if before is None else "pattern-removed" if after is None else "pattern-changed"
    yield Difference(kind, _went("pattern", before, after), before, after)


def _format(old: Own, new: Own) -> Iterator[Difference]:
    before, after = old.get("format"), new.get("format")
    if before == after:
        return
    kind = "format-added" if before is None else "format-removed" if after is None else "format-changed"
    if (str(before), str(after)) in _WIDER_FORMATS:
        kind = "format-widened"
    elif (str(after), str(before)) in _WIDER_FORMATS:
        kind = "format-narrowed"
    yield Difference(kind, _went("format", before, after), before, after)


def _default(old: Own, new: Own) -> Iterator[Difference]:
    if _written(old, "default") != _written(new, "default"):
        before, after = old.get("default"), new.get("default")
        yield Difference("default-changed", "what is left out means something else", before, after)


def _written(own: Own, keyword: str) -> bytes | None:
    return fingerprint(own[keyword]) if keyword in own else None


def _deprecated(old: Own, new: Own) -> Iterator[Difference]:
    before, after = old.get("deprecated") is True, new.get("deprecated") is True
    if after and not before:
        yield Difference("schema-deprecated", "is deprecated")
    elif before and not after:
        yield Difference("schema-undeprecated", "is no longer deprecated")


def _discriminator(old: Own, new: Own) -> Iterator[Difference]:
    before, after = old.get("discriminator"), new.get("discriminator")
    if contract(before) == contract(after):
        return
    names = [one.get("propertyName") if isinstance(one, Mapping) else None for one in (before, after)]
    if None not in names and fingerprint(names[0]) != fingerprint(names[1]):
        yield Difference("discriminator-changed", "another property tells the shapes apart", *names)
    else:
        yield Difference("discriminator-mapping-changed", "the shapes are told apart otherwise", before, after)


def unjudged(own: Own) -> set[str]:
    """The keywords whose meaning is not looked into."""
    return {*own} - _JUDGED


def _others(old: Own, new: Own) -> Iterator[Difference]:
    for keyword in sorted(unjudged(old) | unjudged(new)):
        before, after = old.get(keyword), new.get(keyword)
        if contract({keyword: before}) != contract({keyword: after}):
            yield Difference("constraint-changed", f"{keyword} has another value", before, after)
