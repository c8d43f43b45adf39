"""Singer messages, and the streams of them that Meltano's SDK ships to test targets with.

The streams are read where the package is installed, byte by byte: importing the SDK is not needed for that.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import files
from pathlib import Path
from typing import Any

import msgspec


class Schema(msgspec.Struct, tag_field="type", tag="SCHEMA"):
    """What the rows of a stream look like from now on."""

    stream: str
    schema: dict[str, Any]
    key_properties: list[str] | None = None

    @property
    def properties(self) -> Mapping[str, dict[str, Any]]:
        """The columns, in JSON Schema."""
        found: Mapping[str, dict[str, Any]] = self.schema.get("properties", {})
        return found

    @property
    def keys(self) -> list[str]:
        """The business key; where the message has none, what stands for it inside the schema."""
        return list(self.schema.get("key_properties", ()) if self.key_properties is None else self.key_properties)


class Record(msgspec.Struct, tag_field="type", tag="RECORD"):
    """One row as it is now; its values as they are spelled."""

    stream: str
    record: dict[str, msgspec.Raw]
    version: int | None = None


class ActivateVersion(msgspec.Struct, tag_field="type", tag="ACTIVATE_VERSION"):
    """The rows of earlier versions of the stream are gone."""

    stream: str
    version: int


class State(msgspec.Struct, tag_field="type", tag="STATE"):
    """How far the tap is; a target repeats it once everything before it is stored."""

    value: dict[str, Any]


Message = Schema | Record | ActivateVersion | State

_MESSAGE = msgspec.json.Decoder(Message)


def read_messages(lines: Iterable[bytes]) -> list[Message]:
    """The messages, one a line. Raises `msgspec.ValidationError` for a kind that is not known here."""
    return [_MESSAGE.decode(line) for line in lines if line.strip()]


def shipped_streams() -> dict[str, Path]:
    """The streams of the installed SDK, by the names of their files."""
    shipped = [file for file in files("singer-sdk") or () if file.match("target_test_streams/*.singer")]
    return {file.stem: Path(str(file.locate())) for file in sorted(shipped)}


def messages_of(name: str) -> list[Message]:
    """The messages of a stream of the SDK."""
    return read_messages(shipped_streams()[name].read_bytes().splitlines())
