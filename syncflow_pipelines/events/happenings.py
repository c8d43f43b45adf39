"""The events that SyncFlow publishes, each by a function that says what its data is."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from syncflow_pipelines.events.model import Event

OPENAPI_SPEC_CHANGED: Final = "openapi_spec_changed"
CODE_GENERATED: Final = "code_generated"
ENTITY_DISCOVERED: Final = "entity_discovered"
SCHEMA_CHANGED: Final = "schema_changed"
SYNC_FINISHED: Final = "sync_finished"
ENDPOINT_HEALTH_CHANGED: Final = "endpoint_health_changed"


def openapi_spec_changed(service: str, spec_file: str, checksum: str, summary: Mapping[str, Any] | None) -> Event:
    """A service's spec is another one. `summary`: what the change means for callers; None for the first version."""
    at = datetime.now(UTC)
    data = {
        "service": service,
        "spec_file": spec_file,
        "timestamp": at.isoformat(),
        "checksum": checksum,
        "diff": summary,
    }
    return Event(OPENAPI_SPEC_CHANGED, service, data, time=at)


def code_generated(service: str, checksum: str | None, files: Sequence[str]) -> Event:
    """Modules were generated from a service's spec. `files`: their names in the generated package."""
    return Event(CODE_GENERATED, service, {"service": service, "checksum": checksum, "files": list(files)})
