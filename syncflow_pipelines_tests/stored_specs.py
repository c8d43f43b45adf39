"""Specs as generated modules find them, without the detour by a normaliser."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncflow_pipelines.codegen.runtime.stored import StoredSpec, from_document

Json = Any


def document(paths: Mapping[str, Json], schemas: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """A document in the inner form; operations need say only what a test is about."""
    numbered = {f"{path}": _item(number, item) for number, (path, item) in enumerate(paths.items())}
    return {
        "openapi": "3.1.1",
        "info": {"title": "Pets", "version": "1"},
        "paths": numbered,
        "components": {"schemas": dict(schemas or {})},
    }


def stored(paths: Mapping[str, Json], schemas: Mapping[str, Json] | None = None) -> StoredSpec:
    """What generated modules read of such a document."""
    return from_document(document(paths, schemas))


def write_spec(file: Path, spec: Json) -> str:
    """Writes the document and gives its digest."""
    content = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _item(number: int, item: Mapping[str, Json]) -> dict[str, Json]:
    named = {
        method: {"operationId": f"{method}_{number}", **operation}
        for method, operation in item.items()
        if method != "additionalOperations"
    }
    free = item.get("additionalOperations") or {}
    others = {method: {"operationId": f"{method}_{number}", **operation} for method, operation in free.items()}
    return {**named, **({"additionalOperations": others} if others else {})}
