"""Connectors that are managed over the API, for whoever can ask no database: one file, without a secret.

Dagster loads the code location from it. It follows the table: whoever reads the connectors there, or changes them,
brings it in step.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.config.managed_connectors import managed_connector
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.files.replacing import replace_file

VERSION: Final = 1
FILE_NAME: Final = "managed_connectors.json"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ManagedRow:
    """What the table has of one, but its secret."""

    uid: str
    name: str
    base_url: str
    enabled: bool
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _File:
    version: int
    connectors: tuple[ManagedRow, ...]


_DECODER = msgspec.json.Decoder(_File)


def write_connector_state(home: Path, rows: tuple[ManagedRow, ...]) -> None:
    """Replaces the file, unless it says the same already. Raises `ConfigurationError` where that cannot be done."""
    path = home / FILE_NAME
    content = msgspec.json.encode(_File(VERSION, rows))
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        if not rows:
            return
    replace_file(path, content)


def read_connector_state(settings: Settings) -> tuple[ConnectorConfig, ...]:
    """The connectors as the file has them; their kept secrets cannot be read from them."""
    return usable(_rows(settings.home / FILE_NAME), settings)


def usable(
    rows: tuple[ManagedRow, ...], settings: Settings, sealed: dict[str, str | None] | None = None
) -> tuple[ConnectorConfig, ...]:
    """The connectors of those rows that can be used; `sealed`: their kept secrets, by uid."""
    found = []
    for row in rows:
        try:
            found.append(
                managed_connector(
                    row.name, row.base_url, row.enabled, row.settings, settings,
                    uid=row.uid, sealed=(sealed or {}).get(row.uid),
                )
            )  # fmt: skip
        except ConfigurationError as error:
            _LOG.warning("%s", error)
    return tuple(found)


def _rows(path: Path) -> tuple[ManagedRow, ...]:
    try:
        state = _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _LOG.warning("%s is passed over: %s; it is written anew from the database", path, type(error).__name__)
        return ()
    return state.connectors if state.version == VERSION else ()
