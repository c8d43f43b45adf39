"""The inner form as bytes, for the state on disk: what comes back is equal to what was written, and fast to load.

The definition of an operation that stands in the document is written once, there.
"""

import json
from typing import Any, Final

import orjson

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.model import Finding, Json, Operation, Spec

FORMAT: Final = 2
_UNUSUAL: Final = b" "
"""Stands first where the standard library wrote the bytes, because orjson could not."""


def dump_spec(spec: Spec) -> bytes:
    """The spec as JSON. It holds `title`, `version`, `document` and so on under their names."""
    value = {
        "format": FORMAT,
        "title": spec.title,
        "version": spec.version,
        "written_as": spec.written_as,
        "checksum": spec.checksum,
        "contract": spec.contract,
        "findings": [[finding.pointer, finding.reason, finding.is_fatal] for finding in spec.findings],
        "operations": [_operation(operation, spec.document) for operation in spec.operations],
        "document": spec.document,
    }
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError):  # integers beyond 64 bits, halves of characters, more than 254 levels
        return _UNUSUAL + json.dumps(value, separators=(",", ":")).encode()


def load_spec(content: bytes) -> Spec:
    """The spec that was written. Raises `UnusableSpec` where the bytes are none, or of another version of SyncFlow."""
    try:
        value = json.loads(content) if content.startswith(_UNUSUAL) else orjson.loads(content)
    except ValueError as error:
        raise UnusableSpec(f"the stored spec cannot be read ({error}); fetch it again") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise UnusableSpec("the stored spec is of another version of SyncFlow; fetch it again")
    try:
        return _spec(value)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableSpec(f"the stored spec is not whole ({type(error).__name__}: {error}); fetch it again") from error


def _operation(operation: Operation, document: Json) -> list[Json]:
    standing = document["paths"].get(operation.path, {}).get(operation.method)
    definition = None if standing is operation.definition or standing == operation.definition else operation.definition
    return [operation.id, operation.method, operation.path, operation.pointer, operation.digest, definition]


def _spec(value: dict[str, Any]) -> Spec:
    paths = value["document"]["paths"]
    operations = tuple(
        Operation(name, method, path, pointer, paths[path][method] if definition is None else definition, digest)
        for name, method, path, pointer, digest, definition in value["operations"]
    )
    return Spec(
        title=value["title"],
        version=value["version"],
        written_as=value["written_as"],
        document=value["document"],
        operations=operations,
        findings=tuple(Finding(*finding) for finding in value["findings"]),
        checksum=value["checksum"],
        contract=value["contract"],
    )
