"""The folder of generated modules: which MCP servers are in it, and whether anything has changed."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MANIFEST = ".syncflow.json"
"""Written last by a generation, so that whoever sees a new one sees new modules too."""
SUFFIX = "_mcp.py"

Mark = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class GeneratedModule:
    """One `{service}_mcp.py`."""

    service: str
    """The service's name as a Python identifier."""
    file: Path
    digest: str
    """Of its text, which holds the digest of its spec."""


def mark(folder: Path) -> Mark:
    """Something that differs once the folder was generated anew; cheap to ask for. Empty where there is nothing."""
    return _mark_of([folder / MANIFEST]) or _mark_of(sorted(folder.glob(f"*{SUFFIX}")))


def modules(folder: Path) -> dict[str, GeneratedModule]:
    """The modules in the folder, by service; one that cannot be read is left out, as it is about to go."""
    found = {}
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        service = file.name.removesuffix(SUFFIX)
        with suppress(OSError):
            if service.isidentifier():
                found[service] = GeneratedModule(service, file, hashlib.sha256(file.read_bytes()).hexdigest())
    return found


def _mark_of(files: list[Path]) -> Mark:
    marks = []
    for file in files:
        with suppress(OSError):
            status = file.stat()
            marks.append((file.name, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(marks)
