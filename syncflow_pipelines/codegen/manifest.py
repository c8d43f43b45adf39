"""`.syncflow.json`: what was generated into a folder, from what, and how large it came out."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from syncflow_pipelines.errors import GenerationFailed

NAME = ".syncflow.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file that belongs to a service."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ToolSizes:
    """What an MCP client gets to see of a service."""

    tools: int
    """Operations that can be called."""
    mode: str
    """`tools` or `search`."""
    list_bytes: int
    """Of the answer to `tools/list`."""
    catalogue_bytes: int
    """Of that answer if it held every tool."""
    largest: str
    """The name of the largest tool; `''` where there is none."""
    largest_bytes: int

    @property
    def list_tokens(self) -> int:
        """About as many as a model reads with the list: four bytes make one."""
        return -(-self.list_bytes // 4)


@dataclass(frozen=True, slots=True)
class Entry:
    """One service."""

    inputs: str
    """Digest of all that its files are made from: spec, settings and generator."""
    spec: str
    """SHA-256 of its stored spec."""
    files: tuple[OwnedFile, ...]
    exports: tuple[tuple[str, str, str], ...] = ()
    """Of the package: name, module and attribute."""
    sizes: ToolSizes | None = None
    """None where there is no MCP server."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Parts of the spec that were left out: pointer and reason."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All services of a folder, by name."""

    version: int = VERSION
    services: dict[str, Entry] = field(default_factory=dict)


_DECODER = msgspec.json.Decoder(Manifest)


def read_manifest(folder: Path) -> Manifest:
    """The folder's manifest; an empty one where there is none.

    Raises `GenerationFailed` where the file cannot be used.
    """
    file = folder / NAME
    try:
        manifest = _DECODER.decode(file.read_bytes())
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.DecodeError) as error:
        raise GenerationFailed(f"{file} cannot be read ({error}); remove it, and generate everything again") from error
    if manifest.version != VERSION:
        raise GenerationFailed(
            f"{file} has version {manifest.version}, and this SyncFlow knows {VERSION}; use the one that wrote it, "
            "or remove the file and generate everything again"
        )
    return manifest


def dump_manifest(manifest: Manifest) -> bytes:
    """The file's text: services sorted, the same for the same manifest."""
    ordered = Manifest(manifest.version, dict(sorted(manifest.services.items())))
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"
