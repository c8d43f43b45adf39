"""The document that generated modules stand on: one file beside them, named by its digest."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines.openapi.model import METHODS

Json = Any


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """One operation of a document in the inner form."""

    id: str
    method: str
    """In lower case."""
    path: str
    definition: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class StoredSpec:
    """What generated modules need of a spec."""

    operations: tuple[StoredOperation, ...]
    schemas: Mapping[str, Json]
    """`#/components/schemas`."""
    servers: Sequence[Mapping[str, Json]] = ()
    """Of operations that name none themselves."""


def read_stored(file: Path, digest: str) -> StoredSpec:
    """The spec of that file.

    Raises `GenerationFailed` where it is not there, or is not the one that the module was generated from.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise GenerationFailed(f"{file} cannot be read ({cause}); generate the service again") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise GenerationFailed(
            f"{file} is not what the module beside it was generated from; generate the service again"
        )
    return from_document(orjson.loads(content))


def from_document(document: Mapping[str, Json]) -> StoredSpec:
    """The operations of the document, also those of methods that only OpenAPI 3.2 has."""
    operations = sorted(_operations(document), key=lambda operation: (operation.path, operation.method))
    schemas = (document.get("components") or {}).get("schemas") or {}
    return StoredSpec(tuple(operations), schemas, document.get("servers") or ())


def _operations(document: Mapping[str, Json]) -> Iterator[StoredOperation]:
    for path, item in document["paths"].items():
        methods = {method: item[method] for method in (*METHODS, "query") if method in item}
        methods |= {method.lower(): each for method, each in (item.get("additionalOperations") or {}).items()}
        for method, definition in methods.items():
            yield StoredOperation(definition["operationId"], method, path, definition)
