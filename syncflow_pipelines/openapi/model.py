"""What an OpenAPI document is to SyncFlow: one inner form, whatever version it was written in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
"""What `json.loads` gives: dict, list, str, int, float, bool, None; keys of objects are texts."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The methods that a path item of OpenAPI 3.1 has. 3.2 adds `query` and free ones."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a document that cannot be used, or only with care; the rest goes on."""

    pointer: str
    """JSON pointer (RFC 6901) into the document as it was fetched, `''` for all of it."""
    reason: str
    is_fatal: bool = True
    """Whether the operation (or whatever stands there) was left out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that a service answers."""

    id: str
    """Unique in the document, `[A-Za-z0-9_]+`, and the same whatever other operations come or go."""
    method: str
    """In lower case."""
    path: str
    """The key in `paths` as the source spells it, placeholders and all."""
    pointer: str
    """Where it stands in the document as it was fetched."""
    definition: Mapping[str, Json]
    """An operation object of OpenAPI 3.1 that stands alone: parameters of the path item merged in, body, parameters,
    responses and headers in place of their references, `servers` and `security` as they hold for it. Only schemas are
    referred to, as `#/components/schemas/NAME`."""
    digest: str
    """Of all that a caller can notice, with the schemas that it refers to; docs, examples and `x-*` left out."""

    @property
    def key(self) -> tuple[str, str]:
        """Path and method, by which operations of two documents are the same."""
        return self.path, self.method


@dataclass(frozen=True, slots=True)
class Spec:
    """A document in the inner form."""

    title: str
    version: str
    """`info.version`."""
    written_as: str
    """The version of OpenAPI that it was written in: `2.0`, `3.0.3`."""
    document: Mapping[str, Json]
    """A valid OpenAPI 3.1.1 document of all operations that 3.1 has methods for, JSON Schema 2020-12 throughout; no
    references but to `#/components/schemas/…`, and no operation that was left out."""
    operations: tuple[Operation, ...]
    """Sorted by path and method; also those of methods that only 3.2 knows."""
    findings: tuple[Finding, ...]
    checksum: str
    """MD5, in hexadecimal, of the canonical document as it was fetched and bundled."""
    contract: str
    """SHA-256, in hexadecimal, of what a caller can notice: documentation, examples and `x-*` left out."""
