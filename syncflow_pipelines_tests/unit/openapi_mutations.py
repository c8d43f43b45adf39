"""Documents of OpenAPI that are nearly right: one of some seeds, with values changed where a person or a tool may.

    python -m syncflow_pipelines_tests.unit.openapi_mutations

prints how many of them of each version are usable, to see that a change of the seeds has not made them all useless.
"""

import random
from collections import Counter
from copy import deepcopy
from typing import Any, Final

from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.pointers import below

INFO: Final = {"title": "t", "version": "1"}
SWAGGER: Final[Json] = {
    "swagger": "2.0",
    "info": INFO,
    "host": "h",
    "basePath": "/b",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "parameters": {
        "P": {"name": "p", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"}
    },
    "responses": {"R": {"description": "", "schema": {"type": "file"}, "headers": {"H": {"type": "integer"}}}},
    "securityDefinitions": {
        "b": {"type": "basic"},
        "o": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "x", "scopes": {"a": "b"}},
    },
    "security": [{"b": []}],
    "paths": {
        "/a/{x}": {
            "parameters": [{"name": "x", "in": "path", "required": True, "type": "string"}],
            "get": {"parameters": [{"$ref": "#/parameters/P"}], "responses": {"200": {"$ref": "#/responses/R"}}},
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "f", "in": "formData", "type": "file", "required": True},
                    {"name": "g", "in": "formData", "type": "array", "items": {"type": "integer"}},
                ],
                "responses": {"default": {"description": "x", "schema": {"$ref": "#/definitions/D"}}},
            },
            "put": {"parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/D"}}]},
        }
    },
    "definitions": {
        "D": {
            "type": "object",
            "discriminator": "k",
            "x-nullable": True,
            "properties": {"k": {"type": "string"}, "$ref": {"type": "string"}},
        },
        "E": {"allOf": [{"$ref": "#/definitions/D"}, {"type": "object"}]},
    },
}
_A: Final[Json] = {
    "anyOf": [{"$ref": "#/components/schemas/B"}, True],
    "discriminator": {"propertyName": "x", "mapping": {"b": "B"}},
    "xml": {"name": "a"},
    "externalDocs": {"url": "x"},
    "dependencies": {"a": ["b"], "c": {"type": "object"}},
    "if": {},
    "unevaluatedProperties": False,
    "patternProperties": {"^x": {}},
}
_B: Final[Json] = {
    "allOf": [{"$ref": "#/components/schemas/A"}],
    "type": "object",
    "nullable": True,
    "$defs": {"q": {"$anchor": "zz"}},
    "properties": {"z": {"$ref": "#zz"}, "y": {"$ref": "#/components/schemas/B/$defs/q"}, "o": {"$ref": "x.yaml"}},
}
OPENAPI: Final[Json] = {
    "openapi": "3.2.0",
    "info": INFO,
    "paths": {
        "/a/{x}": {
            "query": {"requestBody": {"content": {"a/b": {"itemSchema": {"$ref": "#/components/schemas/A"}}}}},
            "additionalOperations": {
                "COPY": {
                    "parameters": [
                        {
                            "in": "querystring",
                            "name": "q",
                            "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
                        }
                    ]
                }
            },
            "get": {
                "operationId": "g",
                "tags": ["t"],
                "callbacks": {
                    "c": {
                        "{$request.body#/u}": {
                            "post": {"requestBody": {"content": {}}, "responses": {"200": {"description": ""}}}
                        }
                    }
                },
                "security": [{"k": []}],
                "servers": [{"url": "http://{a}", "variables": {"a": {"default": "b", "enum": ["b"]}}}],
                "responses": {
                    "200": {
                        "description": "",
                        "headers": {"H": {"schema": {"type": "string"}}},
                        "content": {"a/b": {"schema": {"$ref": "#/components/schemas/B"}, "encoding": {"f": {}}}},
                    }
                },
            },
        },
        "/b": {"$ref": "x.yaml"},
    },
    "webhooks": {"w": {"post": {"parameters": [{"$ref": "#/components/parameters/H"}]}}},
    "components": {
        "securitySchemes": {
            "k": {"type": "apiKey", "in": "header", "name": "x"},
            "o": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "x", "scopes": {}}}},
        },
        "parameters": {
            "H": {
                "name": "h",
                "in": "header",
                "schema": {"type": ["string", "null"], "enum": ["a", None], "minimum": 1, "exclusiveMinimum": True},
                "examples": {"e": {"value": 1}, "f": {"$ref": "#/components/examples/E"}},
            }
        },
        "examples": {"E": {"value": 2}},
        "schemas": {"A": _A, "B": _B},
    },
}
SEEDS: Final = (SWAGGER, *({**OPENAPI, "openapi": version} for version in ("3.0.3", "3.1.0", "3.2.0")))

VALUES: Final[tuple[Json, ...]] = (
    *(None, True, False, 0, -1, 1, 1.5, 1e300, 2**63, 2**64, 10**30, [], {}, [[]], [{}]),
    *("", "x", "$ref", "#", "#/", "/a/{x}", "{", "}", "\0", "\ud800", "é", "a" * 1_000, "1e999", "NaN", "x-a", "/"),
    *("object", "file", "formData", "body", "path", "query", "header", "cookie", "querystring", "deepObject", "get"),
    *("default", "200", ["string", "null"], {"type": "object"}, {"$ref": 1}),
    *(
        {"$ref": reference}
        for reference in (
            *("", "#", "#/paths/~1a~1{x}/get", "#/components/schemas", "#/components/schemas/A", "#/definitions/D"),
            *("#zz", "x.yaml", "x.yaml#/a", "http://[", "#/paths"),
        )
    ),
)
KEYS: Final = (
    *("$ref", "type", "properties", "items", "allOf", "anyOf", "oneOf", "not", "enum", "const", "required", "nullable"),
    *("discriminator", "mapping", "default", "example", "examples", "additionalProperties", "exclusiveMinimum", "if"),
    *("minimum", "maxLength", "pattern", "format", "parameters", "in", "name", "schema", "content", "requestBody"),
    *("responses", "headers", "callbacks", "links", "security", "servers", "url", "variables", "tags", "operationId"),
    *("paths", "components", "schemas", "definitions", "get", "post", "query", "x-a", "", "a/b~c", "$id", "$anchor"),
    *("$defs", "then", "dependentRequired", "dependencies", "prefixItems", "collectionFormat", "consumes", "produces"),
    *("encoding", "style", "explode", "description", "title", "version", "info", "openapi", "swagger", "webhooks"),
    *("xml", "externalDocs", "$dynamicRef", "itemSchema", "unevaluatedItems", "additionalOperations"),
)
HOW_MANY: Final = (1, 1, 2, 3, 5, 10, 30)
_LARGEST: Final = 5_000


def mutated(seed: Json, source: random.Random) -> Json:
    """The document with some of its values set to others, to parts of itself, or to references to such parts."""
    document = deepcopy(seed)
    for _ in range(source.choice(HOW_MANY)):
        places = places_in(document)
        if len(places) < _LARGEST:
            _mutate(source.choice(places)[0], places, source)
    return document


def places_in(document: Json) -> list[tuple[Any, str]]:
    """Every mapping and list, with its pointer."""
    found: list[tuple[Any, str]] = []
    waiting = [(document, "")]
    while waiting:
        value, pointer = waiting.pop()
        if isinstance(value, dict | list):
            found.append((value, pointer))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend((item, below(pointer, key)) for key, item in items)
    return found


def _mutate(place: Any, places: list[tuple[Any, str]], source: random.Random) -> None:
    if isinstance(place, list):
        at = source.randrange(len(place) + 1)
        place[at : at + source.choice((0, 1))] = [_value(places, source)]
        return
    key = source.choice(list(place)) if place and source.random() < 0.6 else source.choice(KEYS)
    if source.random() < 0.15:
        place.pop(key, None)
    else:
        place[key] = _value(places, source)


def _value(places: list[tuple[Any, str]], source: random.Random) -> Json:
    drawn = source.random()
    if drawn < 0.6:
        return deepcopy(source.choice(VALUES))
    part, pointer = source.choice(places)
    return deepcopy(part) if drawn < 0.9 else {"$ref": f"#{pointer}"}


def main() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(2_000):
        seed = SEEDS[number % len(SEEDS)]
        try:
            normalise(mutated(seed, random.Random(number)))
            counts[seed.get("openapi", "2.0"), "usable"] += 1
        except SpecError as error:
            counts[seed.get("openapi", "2.0"), type(error).__name__] += 1
    for (version, outcome), count in sorted(counts.items()):
        print(version, outcome, count)


if __name__ == "__main__":
    main()
