"""What the schemas of Swagger 2.0 and OpenAPI 3.0 say in words of their own, in those of JSON Schema 2020-12."""

from typing import Final

from syncflow_pipelines.openapi.model import Json

ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples", "example"),
        *("externalDocs", "xml", "nullable", "x-nullable"),
    }
)
"""Words that constrain nothing, with `nullable`: they are meant also beside a reference of 3.0."""
_COMPOUND: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if"})
_NULL: Final = {"type": "null"}


def in_2020_12(schema: dict[str, Json]) -> dict[str, Json]:
    """The schema, which is altered, with its last words of older dialects written anew."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(bound), bool):
            _exclusive(schema, bound, limit)
    if "example" in schema:
        example = schema.pop("example")
        schema.setdefault("examples", [example])
    if "additionalItems" in schema:
        _additional_items(schema)
    nullable = schema.pop("nullable", None)
    other = schema.pop("x-nullable", None)
    return _with_null(schema) if nullable or other else schema


def _exclusive(schema: dict[str, Json], bound: str, limit: str) -> None:
    if schema.pop(bound) and limit in schema:
        schema[bound] = schema.pop(limit)


def _additional_items(schema: dict[str, Json]) -> None:
    rest = schema.pop("additionalItems")
    if "prefixItems" in schema:
        schema.setdefault("items", rest)


def _with_null(schema: dict[str, Json]) -> dict[str, Json]:
    """The schema, or null. Without a type and a compound the schema allows null already, unless by `enum`."""
    compound = _COMPOUND & schema.keys()
    if not compound:
        return _with_null_among_types(schema)
    constraints = {word: value for word, value in schema.items() if word not in ANNOTATIONS and word != "discriminator"}
    choice = next((word for word in ("anyOf", "oneOf") if constraints.keys() == {word}), None)
    if choice is not None:
        alternatives = schema[choice]
        return schema if _NULL in alternatives else schema | {choice: [*alternatives, _NULL]}
    rest = {word: value for word, value in schema.items() if word in ANNOTATIONS}
    if "discriminator" in schema:
        constraints["discriminator"] = schema["discriminator"]
    return {"anyOf": [constraints, _NULL], **rest}


def _with_null_among_types(schema: dict[str, Json]) -> dict[str, Json]:
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = types if "null" in types else [*types, "null"]
        schema["type"] = schema["type"] if len(schema["type"]) > 1 else schema["type"][0]
    if "const" in schema and schema["const"] is not None:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    return schema
