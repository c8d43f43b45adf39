"""`backup_metadata.txt`: where each file of a backup belongs."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from syncflow_pipelines.errors import BackupError

METADATA: Final = "backup_metadata.txt"
_MAX_BYTES: Final = 1_000_000
_FILE: Final = "file: "


class SavedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a backup."""

    path: str
    """Where it belongs: from the project's folder, or absolute where it is not inside."""
    name: str | None = None
    """In the backup's folder; None where there was no such file."""
    mode: str = "0644"
    """Octal."""
    size: int = 0
    sha256: str = ""


class BackupMetadata(msgspec.Struct, frozen=True):
    """What is known of a backup."""

    created_at: datetime
    reason: str
    files: tuple[SavedFile, ...]


def digest_of(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def dump_metadata(name: str, metadata: BackupMetadata) -> bytes:
    """Lines that people can read, and `load_metadata` too."""
    reason = " ".join(metadata.reason.split())
    lines = [
        f"Schemas as they were; `syncflow schemas backup restore --name {name}` brings them back.",
        f"created: {metadata.created_at.astimezone(UTC).isoformat()}",
        f"reason: {reason}",
        *(f"{_FILE}{msgspec.json.encode(file).decode()}" for file in metadata.files),
    ]
    return "\n".join([*lines, ""]).encode()


def load_metadata(folder: Path) -> BackupMetadata:
    """What the file in the folder of a backup says. Raises `BackupError`; no name in it leads out of the folder."""
    path = folder / METADATA
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1).decode()
        if len(text) > _MAX_BYTES:
            raise ValueError("it is too long")
        return _parsed(text)
    except OSError as error:
        raise BackupError(f"{path} cannot be read ({error.strerror}); the backup cannot be used") from error
    except (ValueError, msgspec.MsgspecError) as error:
        raise BackupError(f"{path} is not as it was written ({error}); the backup cannot be used") from error


def _parsed(text: str) -> BackupMetadata:
    lines = text.splitlines()
    facts = dict(line.partition(": ")[::2] for line in lines[1:] if not line.startswith(_FILE))
    files = [msgspec.json.decode(line.removeprefix(_FILE), type=SavedFile) for line in lines if line.startswith(_FILE)]
    for file in files:
        _check(file)
    if "created" not in facts:
        raise ValueError("it does not say when it was made")
    return BackupMetadata(datetime.fromisoformat(facts["created"]), facts.get("reason", ""), tuple(files))


def _check(file: SavedFile) -> None:
    if file.name is not None and (not re.fullmatch(r"[^/\\\x00]+", file.name) or file.name in (".", "..", METADATA)):
        raise ValueError(f"{file.name!r} is no name of a file")
    if not file.path or "\x00" in file.path or ".." in Path(file.path).parts:
        raise ValueError(f"{file.path!r} is no path of a file")
    if not re.fullmatch(r"0?[0-7]{3}", file.mode):
        raise ValueError(f"{file.mode!r} is no mode of a file")
