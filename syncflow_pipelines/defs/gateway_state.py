"""The endpoints that were registered over the API, in a file for whoever may not ask the database while it loads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.database.gateway_endpoints import EndpointRow
from syncflow_pipelines.files.replacing import replace_file

FILE: Final = Path("gateway", "endpoints.json")
"""Below SYNCFLOW_HOME."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What is known of an endpoint without asking anybody."""

    name: str
    version: str
    url: str
    description: str = ""
    health_check_path: str | None = None

    def config(self) -> EndpointConfig:
        """As far as it is known."""
        return EndpointConfig(
            name=self.name,
            url=self.url,
            version=self.version,
            description=self.description,
            health_check_path=self.health_check_path,
        )


def read_endpoint_state(home: Path) -> tuple[EndpointState, ...]:
    """The endpoints, in order; none where the file is not there or cannot be used: the next tick writes it anew."""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=tuple[EndpointState, ...])
    except (OSError, msgspec.DecodeError):
        return ()


def write_endpoint_state(home: Path, endpoints: Sequence[EndpointState]) -> bool:
    """Whether the file said something else before. Raises `ConfigurationError` where it cannot be written."""
    if read_endpoint_state(home) == tuple(endpoints):
        return False
    path = home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(endpoints))
    return True


def registered_endpoints(rows: Sequence[EndpointRow]) -> list[EndpointState]:
    """Those that were registered over the API, in order of name and version."""
    return [
        EndpointState(
            row.name,
            row.version,
            str(row.said["url"]),
            str(row.said.get("description", "")),
            row.said.get("health_check_path"),
        )
        for row in rows
        if row.origin == "api"
    ]
