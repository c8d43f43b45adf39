"""What tells whether a document, what callers notice of it, or one operation is still the same.

The order of keys never counts, nor that of lists that are sets (`required`, `enum`, `type`, tags, alternatives).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import md5, sha256
from typing import Final

import orjson

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
_DATA: Final = frozenset({"default", "const", "mapping", "scopes"})
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
        self.schemas = document["components"]["schemas"]
        self._of_schema: dict[str, tuple[str, frozenset[str]]] = {}

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
        names = reachable(references(noticed), self.targets)
        schemas = [(name, self.schema(name)[0]) for name in sorted(names)]
        return sha256(canonical([noticed, schemas])).hexdigest()

    def targets(self, name: str) -> frozenset[str]:
        return self.schema(name)[1]

    def schema(self, name: str) -> tuple[str, frozenset[str]]:
        """The digest of one schema without those that it refers to, and the names of these."""
        if name not in self._of_schema:
            noticed = noticeable(self.schemas.get(name, {}))
            digest = sha256(canonical(noticed)).hexdigest()
            self._of_schema[name] = digest, frozenset(references(noticed))
        return self._of_schema[name]


def reachable(names: Iterable[str], targets: Callable[[str], Iterable[str]]) -> set[str]:
    """The names, and all that can be reached from them."""
    found = set(names)
    waiting = list(found)
    while waiting:
        ahead = [name for name in targets(waiting.pop()) if name not in found]
        found.update(ahead)
        waiting.extend(ahead)
    return found


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
    if isinstance(value, dict):
        return noticeable_map(value) if word in _MAPS else noticeable(value)
    if not isinstance(value, list):
        return value
    items = [noticeable(item) if isinstance(item, dict) and word != "enum" else item for item in value]
    return sorted(items, key=canonical) if word in _SETS else items
