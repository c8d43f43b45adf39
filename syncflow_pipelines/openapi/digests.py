"""What tells whether a document, what callers notice of it, or one operation is still the same.

The order of keys never counts, nor that of lists that are sets (`required`, `enum`, `type`, tags, alternatives).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import md5, sha256
from typing import Final

import orjson

from syncflow_pipelines.openapi.graphs import knots
from syncflow_pipelines.openapi.model import Json, Operation, Spec

_PREFIX: Final = "#/components/schemas/"
_KEYS: Final = frozenset(
    {
        *("openapi", "swagger", "info", "paths", "components", "servers", "security", "tags", "webhooks"),
        *("externalDocs", "jsonSchemaDialect", "$self", "host", "basePath", "schemes", "consumes", "produces"),
        *("definitions", "parameters", "responses", "securityDefinitions"),
    }
)
"""The keys of a document that mean something. Another one counts where something refers to what it holds."""
_DOCUMENTATION: Final = frozenset({"description", "summary", "title", "example", "examples", "externalDocs"})
_DATA: Final = frozenset({"default", "const", "mapping"})
_SETS: Final = frozenset({"required", "enum", "type", "tags", "security", "parameters", "allOf", "anyOf", "oneOf"})
_MAPS: Final = frozenset(
    {
        *("properties", "patternProperties", "dependentSchemas", "responses", "content", "headers", "encoding"),
        *("callbacks", "schemas", "securitySchemes", "paths", "webhooks", "variables", "dependentRequired", "flows"),
    }
)
"""Words whose keys are names, and not words: a property may be called `description`."""


def canonical(document: Json) -> bytes:
    """The document as JSON with its keys in order: the same bytes for the same document, whatever it holds."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError):  # integers beyond 64 bits, halves of characters, more than 254 levels
        return json.dumps(document, sort_keys=True, separators=(",", ":"), default=str).encode()


def checksum(document: Mapping[str, Json]) -> str:
    """MD5 of the canonical document, without what means nothing to anybody (`x-generated-at`)."""
    known = {key: value for key, value in document.items() if key in _KEYS}
    content = canonical(known)
    others = {key: value for key, value in document.items() if key not in _KEYS and f'"#/{key}'.encode() in content}
    if others:
        content = canonical(known | others)
    return md5(content, usedforsecurity=False).hexdigest()


def with_digests(spec: Spec) -> Spec:
    """The spec with the digests of its operations and of its contract."""
    digests = _Digests(spec.document)
    operations = tuple(replace(operation, digest=digests.of_operation(operation)) for operation in spec.operations)
    return replace(spec, operations=operations, contract=digests.of_contract(operations))


class _Digests:
    def __init__(self, document: Mapping[str, Json]) -> None:
        self.document = document
        self.of_schemas = _digests_of_schemas(document["components"]["schemas"])

    def of_operation(self, operation: Operation) -> str:
        noticed = noticeable(operation.definition)
        if noticed.get("servers") == self.document["servers"]:
            # a service that moves as a whole is one change, and not one of each operation
            del noticed["servers"]
        return self.digest([operation.method, operation.path, noticed])

    def of_contract(self, operations: Iterable[Operation]) -> str:
        webhooks = noticeable_map(self.document.get("webhooks", {}))
        schemes = noticeable_map(self.document["components"]["securitySchemes"])
        servers = [noticeable(server) for server in self.document["servers"]]
        return self.digest([[operation.digest for operation in operations], servers, schemes, webhooks])

    def digest(self, noticed: Json) -> str:
        """Of a value with all schemas that it refers to."""
        schemas = [(name, self.of_schemas.get(name, "")) for name in sorted(references(noticed))]
        return sha256(canonical([noticed, schemas])).hexdigest()


def _digests_of_schemas(schemas: Mapping[str, Json]) -> dict[str, str]:
    """A digest for each schema with all that it refers to; schemas that refer to each other have one together."""
    own = {name: noticeable(schema) for name, schema in schemas.items()}
    ahead = {name: references(schema) for name, schema in own.items()}
    digests: dict[str, str] = {}
    for names in knots(ahead):
        further = set().union(*(ahead[name] for name in names)) - set(names)
        parts = [sorted((name, digests.get(name, "")) for name in further), {name: own[name] for name in names}]
        digests.update(dict.fromkeys(names, sha256(canonical(parts)).hexdigest()))
    return digests


def references(value: Json) -> set[str]:
    """The names of the schemas that anything in a value of the inner form refers to."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            reference = item.get("$ref")
            if isinstance(reference, str) and reference.startswith(_PREFIX):
                found.add(reference[len(_PREFIX) :])
            if isinstance(mapping := item.get("mapping"), dict):
                found.update(_mapped(mapping))
            waiting.extend(part for part in item.values() if isinstance(part, dict | list))
        elif isinstance(item, list):
            waiting.extend(part for part in item if isinstance(part, dict | list))
    return found


def _mapped(mapping: dict[str, Json]) -> Iterable[str]:
    targets = (target for target in mapping.values() if isinstance(target, str))
    return [target[len(_PREFIX) :] for target in targets if target.startswith(_PREFIX)]


def noticeable(value: Mapping[str, Json]) -> dict[str, Json]:
    """A part of the inner form without documentation, its sets in order."""
    return {
        word: _noticeable_at(word, item)
        for word, item in value.items()
        if word not in _DOCUMENTATION and not word.startswith("x-")
    }


def noticeable_map(value: Json) -> Json:
    """A mapping from names."""
    if not isinstance(value, dict):
        return value
    return {name: noticeable(item) if isinstance(item, dict) else item for name, item in value.items()}


def _noticeable_at(word: str, value: Json) -> Json:
    if word in _DATA:
        return value
    if word == "scopes":
        return sorted(value)  # what is said of each is documentation
    if word == "security" and isinstance(value, list):
        return sorted(value, key=_sorting_key)  # the keys are names, and often one such as `x-api-key`
    if isinstance(value, dict):
        return noticeable_map(value) if word in _MAPS else noticeable(value)
    if not isinstance(value, list):
        return value
    items = [noticeable(item) if isinstance(item, dict) and word != "enum" else item for item in value]
    return sorted(items, key=_sorting_key) if word in _SETS else items


def _sorting_key(item: Json) -> str:
    # what orjson returns holds on to much more memory than it has bytes
    return f'"{item}' if isinstance(item, str) else canonical(item).decode()
