"""What stands where in a document of OpenAPI: which values may be references, and which are mere data.

A place has a *kind*: `schema`, `parameter`, …; `{}schema` is a mapping from names to schemas, `[]schema` a list of
them. Versions 2.0 to 3.2 share one grammar: where a key means something in one of them only, it does no harm in the
others. What has no kind (examples, defaults, `x-*`) is data, in which `{"$ref": …}` is an object like any other.
"""

from collections.abc import Iterator
from typing import Final

from syncflow_pipelines.openapi.model import METHODS, Json

ANYTHING: Final = "anything"
"""A place below which nothing is known, such as `x-common`: what is there is what it is taken for."""

_PLAIN: Final = frozenset(
    {
        *("openapi", "swagger", "info", "servers", "security", "tags", "externalDocs", "jsonSchemaDialect", "$self"),
        *("host", "basePath", "schemes", "consumes", "produces"),
    }
)
"""Keys of a document that hold no more than data."""
_SCHEMA_WORDS: Final = {
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames", "items", "additionalItems"), "schema"),
    **dict.fromkeys(("additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contentSchema"), "schema"),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "[]schema"),
    **dict.fromkeys(("properties", "patternProperties", "dependentSchemas", "dependencies"), "{}schema"),
    **dict.fromkeys(("$defs", "definitions"), "{}schema"),
}

GRAMMAR: Final[dict[str, dict[str, str]]] = {
    "document": {
        "paths": "{}path_item",
        "webhooks": "{}path_item",
        "components": "components",
        "definitions": "{}schema",
        "parameters": "{}parameter",
        "responses": "{}response",
        "securityDefinitions": "{}security_scheme",
    },
    "components": {
        "schemas": "{}schema",
        "responses": "{}response",
        "parameters": "{}parameter",
        "examples": "{}example",
        "requestBodies": "{}request_body",
        "headers": "{}header",
        "securitySchemes": "{}security_scheme",
        "links": "{}link",
        "callbacks": "{}callback",
        "pathItems": "{}path_item",
        "mediaTypes": "{}media_type",
    },
    "path_item": {
        **dict.fromkeys((*METHODS, "query"), "operation"),
        "additionalOperations": "{}operation",
        "parameters": "[]parameter",
    },
    "operation": {
        "parameters": "[]parameter",
        "requestBody": "request_body",
        "responses": "{}response",
        "callbacks": "{}callback",
    },
    "callback": {},
    "parameter": {
        "schema": "schema",
        "items": "schema",
        "content": "{}media_type",
        "examples": "{}example",
    },
    "request_body": {"content": "{}media_type"},
    "response": {"headers": "{}header", "content": "{}media_type", "links": "{}link", "schema": "schema"},
    "media_type": {
        "schema": "schema",
        "itemSchema": "schema",
        "examples": "{}example",
        "encoding": "{}encoding",
    },
    "encoding": {"headers": "{}header"},
    "header": {"schema": "schema", "items": "schema", "content": "{}media_type", "examples": "{}example"},
    "example": {},
    "link": {},
    "security_scheme": {},
    "schema": _SCHEMA_WORDS,
}


def kind_below(kind: str, key: str) -> str | None:
    """The kind of what stands under a key, or at an index; None for data."""
    if kind[:2] in ("{}", "[]"):
        return kind[2:]
    if kind == "callback":
        return "path_item"
    return GRAMMAR[kind].get(key)


def children(value: Json, kind: str) -> Iterator[tuple[str, Json, str]]:
    """Key, value and kind of all in a place that is more than data and has a form that can be looked into."""
    if isinstance(value, list):
        inner = kind.removeprefix("[]")
        yield from ((str(index), item, inner) for index, item in enumerate(value) if isinstance(item, dict | list))
    elif isinstance(value, dict):
        for key, item in value.items():
            below = kind_below(kind, key) if isinstance(item, dict | list) else None
            if below is not None:
                yield key, item, below


def kind_at(steps: tuple[str, ...]) -> str | None:
    """The kind of the place that the steps of a pointer lead to, None for data, `ANYTHING` where nothing is known.

    A key of the document that OpenAPI does not know, such as `x-common`, may hold anything.
    """
    kind: str | None = "document"
    for depth, step in enumerate(steps):
        below = kind_below(kind, step) if kind else None
        if below is None:
            is_free = step not in _PLAIN if depth == 0 else step.startswith("x-")
            return ANYTHING if is_free else None
        # an array of schemas in `items` is a place of the kind `schema`, too
        kind = kind if kind == "schema" and step.isdecimal() else below
    return kind


def reference_in(value: Json) -> str | None:
    """What a value refers to, or None where it is no reference: a property *named* `$ref` is a mapping."""
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None
