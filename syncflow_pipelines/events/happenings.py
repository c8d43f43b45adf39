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
TYPES: Final = (
    OPENAPI_SPEC_CHANGED,
    CODE_GENERATED,
    ENTITY_DISCOVERED,
    SCHEMA_CHANGED,
    SYNC_FINISHED,
    ENDPOINT_HEALTH_CHANGED,
)


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
    """Modules were generated from a service's spec. `checksum`: of that spec. `files`: their names in the package."""
    return Event(CODE_GENERATED, service, {"service": service, "checksum": checksum, "files": list(files)})


def entity_discovered(connector: str, slug: str, table: str | None) -> Event:
    """A source offers an entity that was not known before; `table` was made for it."""
    data = {"entity": f"{connector}/{slug}", "connector": connector, "slug": slug, "table": table}
    return Event(ENTITY_DISCOVERED, f"{connector}/{slug}", data)


def schema_changed(
    connector: str,
    slug: str,
    kind: str,
    *,
    column: str | None,
    before: str | None,
    after: str | None,
    applied: bool,
    message: str | None,
) -> Event:
    """An entity is not what it was. `kind`: as in `bridge.schema_changes`; `applied`: False where it was refused."""
    data = {
        "entity": f"{connector}/{slug}",
        "connector": connector,
        "slug": slug,
        "kind": kind,
        "column": column,
        "before": before,
        "after": after,
        "applied": applied,
        "message": message,
    }
    return Event(SCHEMA_CHANGED, f"{connector}/{slug}", data)


def sync_finished(entity: str, run: Mapping[str, Any]) -> Event:
    """A sync of an entity (`connector/slug`) ended, well or not. `run`: its record, in JSON values."""
    connector, _, slug = entity.partition("/")
    return Event(SYNC_FINISHED, entity, {"entity": entity, "connector": connector, "slug": slug, **run})


def endpoint_health_changed(endpoint: str, before: str | None, after: str, error: str | None = None) -> Event:
    """An endpoint of the gateway (`name@version`) is in another state of health.

    `before`: None where nothing was known.
    """
    at = datetime.now(UTC)
    data = {"endpoint": endpoint, "before": before, "after": after, "error": error, "timestamp": at.isoformat()}
    return Event(ENDPOINT_HEALTH_CHANGED, endpoint, data, time=at)
