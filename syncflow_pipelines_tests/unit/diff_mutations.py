"""Changes that can be made to any spec, and the rules that have to find them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from syncflow_pipelines.openapi.diff.values import referred
from syncflow_pipelines.openapi.model import METHODS
from syncflow_pipelines_tests.unit.diff_specs import Document

Mutation = Callable[[Document, Random], str | None]
"""Changes a document; the operation that changed, or nothing where there is no place for such a change."""


@dataclass(frozen=True)
class Place:
    """An operation of a document."""

    path: str
    method: str
    operation: Any

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"


def places(document: Document) -> list[Place]:
    return [
        Place(path, method, item[method])
        for path, item in sorted(document["paths"].items())
        for method in METHODS
        if method in item
    ]


def chosen(random: Random, found: list[Any]) -> Any:
    return random.choice(found) if found else None


def shuffled(value: Any, random: Random) -> Any:
    """The same with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = [*value]
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


def objects(document: Document, schema: Any) -> Iterator[Any]:
    """The schema, or the items of the list that it is, if that is an object with properties."""
    for _ in range(5):
        name = referred(schema) if isinstance(schema, dict) else None
        if name is not None:
            schema = document["components"]["schemas"][name]
        elif isinstance(schema, dict) and isinstance(schema.get("items"), dict):
            schema = schema["items"]
    if isinstance(schema, dict) and schema.get("properties") and not schema.keys() & {"allOf", "anyOf", "oneOf"}:
        yield schema


def answers(document: Document) -> Iterator[tuple[str, Any]]:
    for place in places(document):
        for status, answer in place.operation.get("responses", {}).items():
            for media in answer.get("content", {}).values() if status.startswith("2") else ():
                yield from ((place.name, found) for found in objects(document, media.get("schema")))


def bodies(document: Document) -> Iterator[tuple[str, Any]]:
    for place in places(document):
        for media in place.operation.get("requestBody", {}).get("content", {}).values():
            yield from ((place.name, found) for found in objects(document, media.get("schema")))


def parameters(document: Document) -> Iterator[tuple[str, Any]]:
    for place in places(document):
        yield from ((place.name, one) for one in place.operation.get("parameters", ()) if one["in"] == "query")


def named(schema: Any, without: str) -> list[str]:
    """Properties that are sent, and have a schema of their own."""
    found = schema["properties"].items()
    return [name for name, value in found if isinstance(value, dict) and without not in value and "$ref" not in value]


def remove_operation(document: Document, random: Random) -> str | None:
    place = chosen(random, places(document))
    del document["paths"][place.path][place.method]
    return str(place.name)


def deprecate_operation(document: Document, random: Random) -> str | None:
    place = chosen(random, [place for place in places(document) if not place.operation.get("deprecated")])
    place.operation["deprecated"] = True
    return str(place.name)


def require_new_parameter(document: Document, random: Random) -> str | None:
    place = chosen(random, places(document))
    added = {"name": "x-brand-new", "in": "query", "required": True, "schema": {"type": "string"}}
    place.operation.setdefault("parameters", []).append(added)
    return str(place.name)


def remove_parameter(document: Document, random: Random) -> str | None:
    place = chosen(
        random,
        [one for one in places(document) if any(p["in"] == "query" for p in one.operation.get("parameters", ()))],
    )
    if place is None:
        return None
    place.operation["parameters"] = [one for one in place.operation["parameters"] if one["in"] != "query"]
    return str(place.name)


def require_parameter(document: Document, random: Random) -> str | None:
    open_ones = [
        (name, one)
        for name, one in parameters(document)
        if not one.get("required") and "$ref" not in one.get("schema", {}) and "default" not in one.get("schema", {})
    ]
    return _set(chosen(random, open_ones), "required", True)


def retype_parameter(document: Document, random: Random) -> str | None:
    found = [pair for pair in parameters(document) if pair[1].get("schema", {}).get("type") in ("string", ["string"])]
    return _set(chosen(random, found), "schema", {"type": "boolean"})


def narrow_enum_of_parameter(document: Document, random: Random) -> str | None:
    found = [
        (name, one["schema"]) for name, one in parameters(document) if len(one.get("schema", {}).get("enum", ())) > 1
    ]
    pair = chosen(random, found)
    return _set(pair, "enum", pair[1]["enum"][1:]) if pair else None


def remove_success(document: Document, random: Random) -> str | None:
    def successes(operation: Any) -> list[str]:
        return [status for status in operation["responses"] if status.startswith("2")]

    place = chosen(random, [place for place in places(document) if successes(place.operation)])
    del place.operation["responses"][successes(place.operation)[0]]
    place.operation["responses"]["418"] = {"description": ""}
    return str(place.name)


def remove_media_type(document: Document, random: Random) -> str | None:
    found = [place for place in places(document) if place.operation.get("requestBody", {}).get("content")]
    place = chosen(random, found)
    if place is None:
        return None
    place.operation["requestBody"]["content"] = {"application/x-other": {}}
    return str(place.name)


def remove_answered_property(document: Document, random: Random) -> str | None:
    name, schema = chosen(random, [pair for pair in answers(document) if named(pair[1], "writeOnly")]) or (None, None)
    if schema is not None:
        del schema["properties"][random.choice(named(schema, "writeOnly"))]
    return name


def retype_answered_property(document: Document, random: Random) -> str | None:
    name, schema = chosen(random, [pair for pair in answers(document) if _texts(pair[1])]) or (None, None)
    if schema is not None:
        schema["properties"][random.choice(_texts(schema))] = {"type": "array", "items": {"type": "boolean"}}
    return name


def _texts(schema: Any) -> list[str]:
    return [name for name in named(schema, "writeOnly") if schema["properties"][name].get("type") == "string"]


def require_sent_property(document: Document, random: Random) -> str | None:
    name, schema = chosen(random, [*bodies(document)]) or (None, None)
    if schema is not None:
        schema["properties"]["x-brand-new"] = {"type": "string"}
        schema["required"] = [*schema.get("required", ()), "x-brand-new"]
    return name


def secure(document: Document, random: Random) -> str | None:
    place = chosen(random, places(document))
    document["components"].setdefault("securitySchemes", {})["brand-new"] = {"type": "http", "scheme": "bearer"}
    place.operation["security"] = [{"brand-new": []}]
    return str(place.name)


def describe(document: Document, random: Random) -> str | None:
    place = chosen(random, places(document))
    place.operation["description"] = "Brand new words"
    return str(place.name)


def _set(pair: tuple[str, Any] | None, key: str, value: Any) -> str | None:
    if pair is None:
        return None
    pair[1][key] = value
    return pair[0]


MUTATIONS: dict[Mutation, set[str]] = {
    remove_operation: {"operation-removed"},
    deprecate_operation: {"operation-deprecated"},
    require_new_parameter: {"request-required-parameter-added"},
    remove_parameter: {"request-parameter-removed"},
    require_parameter: {"request-parameter-became-required"},
    retype_parameter: {"request-type-changed"},
    narrow_enum_of_parameter: {"request-enum-value-removed"},
    remove_success: {"response-success-removed"},
    remove_media_type: {"request-media-type-removed"},
    remove_answered_property: {"response-property-removed"},
    retype_answered_property: {"response-type-changed"},
    require_sent_property: {"request-required-property-added"},
    secure: {"security-added", "security-alternative-removed"},
    describe: {"documentation-changed"},
}
"""With the rules of which one, at least, has to name the operation."""
