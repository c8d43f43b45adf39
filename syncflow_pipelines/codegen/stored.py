"""A spec → the file that its generated modules stand on."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import orjson

from syncflow_pipelines.openapi.model import METHODS, Spec

Json = Any


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The document, in bytes that are the same for the same spec."""

    content: bytes
    digest: str
    """SHA-256, in hexadecimal."""

    def name(self, module: str) -> str:
        """The file's name, another one for every spec: a module never finds the spec of a newer one under it."""
        return f"{module}_spec_{self.digest[:16]}.json"


def store(spec: Spec) -> StoredFile:
    """The document of all operations; those whose method OpenAPI 3.1 has no word for stand where 3.2 has them."""
    paths: dict[str, dict[str, Json]] = {}
    for operation in spec.operations:
        item = paths.setdefault(operation.path, {})
        definition = {**operation.definition, "operationId": operation.id}
        if operation.method in (*METHODS, "query"):
            item[operation.method] = definition
        else:
            item.setdefault("additionalOperations", {})[operation.method.upper()] = definition
    content = _sorted_json({**spec.document, "paths": paths})
    return StoredFile(content, hashlib.sha256(content).hexdigest())


def _sorted_json(value: Json) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits, and halves of characters, which no request could carry either
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return text.encode("utf-8", "replace")
