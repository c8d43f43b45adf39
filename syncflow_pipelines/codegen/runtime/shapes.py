"""What can be told of a schema without a value: whether it is a plain object, and which of its properties are files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncflow_pipelines.codegen.runtime.bodies import kind_of
from syncflow_pipelines.codegen.runtime.definitions import Definitions, component_name

Json = Any

_ALTERNATIVES = ("anyOf", "oneOf")
_BRANCH = frozenset({"required", "title", "description", "type", "not"})
"""What a branch may say without describing properties of its own."""


@dataclass(slots=True)
class ObjectShape:
    """The properties of an object whose schema says hardly more than which there are."""

    properties: dict[str, Json] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    nullable: set[str] = field(default_factory=set)
    takes_more: bool = False


def shape_of(schema: Json, schemas: Definitions) -> ObjectShape | None:
    """The object's properties, those of `allOf` merged; None where it is no object, or one of several."""
    shape = ObjectShape()
    if schema is True or not _merge(schema, schemas, shape, set()):
        return None
    for name in [name for name, each in shape.properties.items() if schemas.is_left_out(each)]:
        del shape.properties[name]
        shape.required.discard(name)
    shape.nullable = {name for name, each in shape.properties.items() if _takes_null(each, schemas)}
    return shape if shape.properties else None


def is_file(schema: Json, encoding: Mapping[str, Json], schemas: Definitions) -> bool:
    """Whether a property of a multipart body, or every item of it, is a file."""
    found = schemas.target(schema)
    if isinstance(found, Mapping) and found.get("type") == "array":
        found = schemas.target(found.get("items", True))
    if not isinstance(found, Mapping):
        return _is_binary(encoding.get("contentType"))
    if found.get("type", "string") != "string" or found.get("contentEncoding"):
        return False
    if found.get("format") in ("binary", "file"):
        return True
    return _is_binary(found.get("contentMediaType")) or _is_binary(encoding.get("contentType"))


def _is_binary(media_types: Json) -> bool:
    if not isinstance(media_types, str) or not media_types:
        return False
    return kind_of(media_types.partition(",")[0]) == "binary"


def _merge(schema: Json, schemas: Definitions, shape: ObjectShape, merged: set[str]) -> bool:
    """False where the schema says something that its properties do not. A component counts once."""
    if not isinstance(schema, Mapping):
        return schema is True
    name = component_name(schema.get("$ref") or "")
    if name is not None and name not in merged:
        merged.add(name)
        if not _merge(schemas.schemas.get(name, False), schemas, shape, merged):
            return False
    if schema.get("type", "object") != "object" or not all(_says_no_more(schema.get(key)) for key in _ALTERNATIVES):
        return False
    if not all(_merge(part, schemas, shape, merged) for part in schema.get("allOf") or ()):
        return False
    properties = schema.get("properties")
    shape.properties |= properties if isinstance(properties, Mapping) else {}
    shape.required |= {name for name in schema.get("required") or () if isinstance(name, str)}
    more = schema.get("additionalProperties")
    shape.takes_more = shape.takes_more or more is True or (isinstance(more, Mapping) and bool(more))
    return True


def _says_no_more(branches: Json) -> bool:
    return branches is None or all(isinstance(branch, Mapping) and branch.keys() <= _BRANCH for branch in branches)


def _takes_null(schema: Json, schemas: Definitions) -> bool:
    waiting, seen = [schema], set[int]()
    while waiting:
        found = schemas.target(waiting.pop())
        if found is True:
            return True
        if isinstance(found, Mapping) and id(found) not in seen:
            seen.add(id(found))
            branches = [branch for key in _ALTERNATIVES for branch in found.get(key) or ()]
            if not branches and _is_null_taken(found):
                return True
            waiting += branches
    return False


def _is_null_taken(schema: Mapping[str, Json]) -> bool:
    kind = schema.get("type")
    if kind is not None:
        return "null" in (kind if isinstance(kind, list) else [kind])
    if "const" in schema or "enum" in schema:
        return schema.get("const", 0) is None or None in (schema.get("enum") or ())
    return not schema.keys() & {"properties", "items", "allOf", "pattern", "format"}
