"""Values ↔ schemas of a spec: what is wrong with a value, and what it may be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from syncflow_pipelines.codegen.runtime.definitions import component_name
from syncflow_pipelines.codegen.runtime.schema_keywords import TooEntangled, steps_left, validator_for

Json = Any

MAX_ERRORS = 20
_COMBINING = ("allOf", "anyOf", "oneOf")
_STEPS = 200_000
_STEPS_A_BYTE = 4
_SHOWN = 200
_MAX_PARTS = 200
"""Of a schema that are looked at for its types and properties."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a value; never the value itself."""

    pointer: str
    """Where in the value (RFC 6901), `''` for all of it."""
    rule: str
    """The keyword of JSON Schema."""
    detail: str


class SchemaChecks:
    """Checks by the schemas of one document, its `#/components/schemas`."""

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        self._schemas = schemas
        self._root = validator_for({"components": {"schemas": schemas}})

    def mistakes(self, value: Json, schema: Json, size: int = 0) -> list[Mistake]:
        """What is wrong with the value, whose text had so many bytes; the first few, in the schema's order.

        Raises `TooEntangled`.
        """
        given = steps_left.set([_STEPS + _STEPS_A_BYTE * size])
        try:
            found = islice(self._root.evolve(schema=schema).iter_errors(value), MAX_ERRORS)
            return [_mistake(each) for each in found]
        except RecursionError as error:
            raise TooEntangled from error
        finally:
            steps_left.reset(given)

    def types(self, schema: Json) -> frozenset[str]:
        """The types that a value may have by the schema; empty where it says nothing of them."""
        return self._types(schema, frozenset())

    def property_schemas(self, schema: Json) -> dict[str, Json]:
        """The properties that an object is said to have, also by the parts of an `allOf` and the like."""
        found: dict[str, Json] = {}
        for part in self._parts(schema):
            properties = part.get("properties")
            if isinstance(properties, Mapping):
                found = {**properties, **found}
        return found

    def item_schema(self, schema: Json) -> Json:
        """What each item of a list has to be."""
        return next((part["items"] for part in self._parts(schema) if "items" in part), True)

    def _parts(self, schema: Json) -> Iterator[Mapping[str, Json]]:
        """The schema, what it refers to, and the alternatives in it."""
        waiting = [schema]
        seen: set[int] = set()
        while waiting and len(seen) < _MAX_PARTS:
            part = waiting.pop(0)
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            if "$ref" in part:
                waiting.append(self._target(part["$ref"]))
            for keyword in _COMBINING:
                waiting += _list(part.get(keyword))

    def _types(self, schema: Json, seen: frozenset[int]) -> frozenset[str]:
        if not isinstance(schema, Mapping) or id(schema) in seen or len(seen) > _MAX_PARTS:
            return frozenset()
        seen |= {id(schema)}
        said = [schema["type"]] if isinstance(schema.get("type"), str) else _list(schema.get("type"))
        if said:
            return frozenset(each for each in said if isinstance(each, str))
        if "const" in schema or "enum" in schema:
            return frozenset(map(_type_of, [schema["const"]] if "const" in schema else _list(schema["enum"])))
        if "$ref" in schema:
            return self._types(self._target(schema["$ref"]), seen)
        for keyword in _COMBINING:
            parts = [self._types(part, seen) for part in _list(schema.get(keyword))]
            if found := frozenset().union(*parts):
                return found
        return frozenset(("object",) if "properties" in schema else ("array",) if "items" in schema else ())

    def _target(self, reference: Json) -> Json:
        return self._schemas.get(component_name(str(reference)) or "", True)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _type_of(value: Json) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _mistake(error: Any) -> Mistake:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path)
    rule = str(error.validator or "false")
    return Mistake(pointer[: 5 * _SHOWN], rule, _detail(rule, error))


def _detail(rule: str, error: Any) -> str:
    if rule in ("required", "dependentRequired", "additionalProperties", "unevaluatedProperties", "false"):
        return str(error.message)[: 2 * _SHOWN]
    if rule in ("anyOf", "oneOf", "not", "if", "contains", "allOf"):
        return f"does not satisfy `{rule}`"
    expected = orjson.dumps(error.validator_value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return f"has to satisfy `{rule}`: {expected if len(expected) <= _SHOWN else expected[:_SHOWN] + '…'}"
