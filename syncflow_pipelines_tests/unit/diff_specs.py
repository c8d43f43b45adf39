"""Small specs in the inner form, and what becomes of one when a part of it is changed."""

import hashlib
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.diff.values import fingerprint, references, without_documentation
from syncflow_pipelines.openapi.model import METHODS, Operation, Spec

Document = dict[str, Any]
Edit = Callable[[Document], object]


def spec_of(document: Document) -> Spec:
    """The spec of a document that is written in the inner form already."""
    schemas = document.get("components", {}).get("schemas", {})
    operations = [
        _operation(document, schemas, path, method)
        for path, item in sorted(document["paths"].items())
        for method in sorted(METHODS)
        if method in item
    ]
    return Spec("Pets", "1", "3.1.1", document, tuple(operations), (), checksum="", contract="")


def _operation(document: Document, schemas: dict[str, Any], path: str, method: str) -> Operation:
    definition = document["paths"][path][method]
    identity = definition.get("operationId", f"{method}{path}")
    pointer = f"/paths/{path.replace('/', '~1')}/{method}"
    return Operation(identity, method, path, pointer, definition, digest=_digest(definition, schemas))


def _digest(definition: Document, schemas: dict[str, Any]) -> str:
    written = [fingerprint(without_documentation(definition))]
    left, seen = references(written[0]), set[str]()
    while left:
        name = min(left)
        seen.add(name)
        written.append(fingerprint([name, without_documentation(schemas.get(name))]))
        left = (left | references(written[-1])) - seen
    return hashlib.sha256(b"\n".join([written[0], *sorted(written[1:])])).hexdigest()


def pets() -> Document:
    """A service with something of everything."""
    pet = {"$ref": "#/components/schemas/Pet"}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Pets", "version": "1"},
        "servers": [{"url": "https://pets.example.com/v1"}],
        "paths": {
            "/pets": {
                "get": {
                    "operationId": "listPets",
                    "security": [{"key": []}],
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                        {"name": "status", "in": "query", "schema": {"type": "string", "enum": ["free", "sold"]}},
                        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}},
                    ],
                    "responses": {
                        "200": {
                            "description": "pets",
                            "headers": {"X-Next": {"required": True, "schema": {"type": "string"}}},
                            "content": {"application/json": {"schema": {"type": "array", "items": pet}}},
                        },
                        "404": {"description": "none"},
                    },
                },
                "post": {
                    "operationId": "addPet",
                    "security": [{"oauth": ["write"]}],
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["name"],
                                    "properties": {
                                        "name": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
                                        "age": {"type": "integer", "format": "int32"},
                                        "note": {"type": ["string", "null"], "default": ""},
                                        "food": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                                    },
                                }
                            },
                            "application/xml": {"schema": {"type": "object"}},
                        }
                    },
                    "responses": {"201": {"description": "made", "content": {"application/json": {"schema": pet}}}},
                },
            },
            "/pets/{id}": {
                "put": {
                    "operationId": "putPet",
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": pet}}},
                    "responses": {"204": {"description": "done"}},
                },
                "delete": {
                    "operationId": "deletePet",
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"204": {"description": "done"}},
                },
            },
        },
        "components": {
            "schemas": {
                "Pet": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {
                        "id": {"type": "integer", "readOnly": True},
                        "name": {"type": "string"},
                        "secret": {"type": "string", "writeOnly": True},
                        "status": {"type": "string", "enum": ["free", "sold"]},
                        "owner": {"$ref": "#/components/schemas/Owner"},
                    },
                },
                "Owner": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "pets": {"type": "array", "items": pet}},
                },
            },
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "oauth": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": "https://id.example.com", "scopes": {"write": ""}}},
                },
            },
        },
    }


def changed(edit: Edit, document: Document | None = None) -> SpecDiff:
    """The diff from a document, the pets' if none is named, to the same after the edit."""
    old = pets() if document is None else document
    new = deepcopy(old)
    edit(new)
    return compare(spec_of(old), spec_of(new))


def with_schemas(request: Any = True, response: Any = True, **components: Any) -> Spec:
    """One operation whose body and whose answer have these schemas."""
    operation = {
        "operationId": "only",
        "requestBody": {"content": {"application/json": {"schema": request}}},
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": response}}}},
    }
    return spec_of({"paths": {"/only": {"post": operation}}, "components": {"schemas": components}})


def rules(diff: SpecDiff) -> list[str]:
    return [change.rule for change in diff.changes]


def told(diff: SpecDiff) -> Iterable[tuple[str, str]]:
    """Rules with their places."""
    return [(change.rule, change.where) for change in diff.changes]


def request_rules(old: Any, new: Any) -> list[str]:
    """What is told where a body goes from one schema to another, without `request-`."""
    return _kinds(compare(with_schemas(request=old), with_schemas(request=new)), "request-")


def response_rules(old: Any, new: Any) -> list[str]:
    """What is told where an answer goes from one schema to another, without `response-`."""
    return _kinds(compare(with_schemas(response=old), with_schemas(response=new)), "response-")


def _kinds(diff: SpecDiff, prefix: str) -> list[str]:
    return sorted(change.rule.removeprefix(prefix) for change in diff.changes)
