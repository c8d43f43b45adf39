"""An OpenAPI document → a file, replaced whole, and only where that changes it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.files.replacing import replace_file
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.versions import version_of

DEFAULT_FILE: Final = "openapi.json"
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of a document."""

    path: Path
    changed: bool
    """Whether the file was written; it stays untouched where it holds the same already."""
    operations: int
    size: int
    """Bytes."""


def export_document(path: Path, document: Json) -> Exported:
    """Writes the document to the file as JSON, its keys in their order.

    Raises `UnusableSpec` where it is no OpenAPI document, or holds what JSON cannot, and `ConfigurationError` where the
    file cannot be written; the file stays as it is then.
    """
    version_of(document)
    content = _as_json(document)
    changed = _held(path) != content
    if changed:
        replace_file(path, content)
    return Exported(path, changed, _operations(document), len(content))


def _as_json(document: Json) -> bytes:
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UnusableSpec(
            f"the document cannot be written as JSON ({error}); mend what the app puts into it"
        ) from error


def _held(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None


def _operations(document: Json) -> int:
    paths = document.get("paths") if isinstance(document, Mapping) else None
    items = paths.values() if isinstance(paths, Mapping) else ()
    return sum(len(_METHODS.intersection(item)) for item in items if isinstance(item, Mapping))
