"""What the registry tells: its endpoints, what a sync with the file came to, and how it stands."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_endpoint import read_endpoint
from syncflow_pipelines.database.gateway_endpoints import EndpointRow, RegistryState
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.registry.changes import current_keys, effective

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync with the file came to; keys are `name@version`, sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    """Endpoints of the file and services."""
    hidden: tuple[str, ...] = ()
    """Registered over the API, and said by the file, too: that holds, until the file does not say it any more."""
    revision: int = 0
    waits_because: str | None = None
    """Why PostgreSQL does not know of it yet. In this process it holds; the rest comes when PostgreSQL is back."""


@dataclass(frozen=True, slots=True)
class RegistryStats:
    """How the registry stands in this process."""

    endpoints: int
    names: int
    by_status: Mapping[str, int]
    by_origin: Mapping[str, int]
    revision: int
    """Of the whole registry; the same in every process that is up to date."""
    is_connected: bool
    """Whether PostgreSQL is there; where it is not, what was known stays in force."""
    error: str | None
    synced_at: datetime | None
    is_file_in_force: bool
    """Whether the registry was synced last with what this process has read of its file."""


class Reader:
    """Makes endpoints of rows, with what the configuration says for all; what was read once is kept."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._known: dict[str, EndpointConfig | None] = {}

    def endpoints(self, state: RegistryState) -> tuple[Registered, ...]:
        """All of them, by name and version. One that this version of SyncFlow cannot read is left out, and logged."""
        rows = effective(state)
        current = current_keys(rows.values())
        self._known = {row.digest: self._read(row) for row in rows.values()}
        read = ((rows[key], self._known[rows[key].digest]) for key in sorted(rows))
        return tuple(_registered(row, config, row.key in current) for row, config in read if config is not None)

    def _read(self, row: EndpointRow) -> EndpointConfig | None:
        if row.digest in self._known:
            return self._known[row.digest]
        try:
            return read_endpoint(row.said, self._config)
        except ConfigurationError as error:
            _LOG.warning("the endpoint %s is left out: %s", row.key, error)
            return None


def compared(before: RegistryState, after: RegistryState) -> SyncReport:
    """What a sync has changed."""
    old = {identity: row for identity, row in before.rows.items() if row.origin != Origin.API}
    new = {identity: row for identity, row in after.rows.items() if row.origin != Origin.API}
    of_file = {row.key for row in new.values() if row.origin == Origin.FILE}
    changed = {identity for identity in new.keys() & old.keys() if new[identity].digest != old[identity].digest}
    return SyncReport(
        added=_keys(new, new.keys() - old.keys()),
        changed=_keys(new, changed),
        removed=_keys(old, old.keys() - new.keys()),
        unchanged=len(new.keys() & old.keys()) - len(changed),
        hidden=tuple(sorted(row.key for row in after.rows.values() if row.origin == Origin.API and row.key in of_file)),
        revision=after.revision,
    )


def counted(endpoints: tuple[Registered, ...]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many there are of each status, and of each origin; each is named."""
    statuses = Counter(endpoint.status.value for endpoint in endpoints)
    origins = Counter(endpoint.origin.value for endpoint in endpoints)
    return (
        {status.value: statuses[status.value] for status in Status},
        {one.value: origins[one.value] for one in Origin},
    )


def _registered(row: EndpointRow, config: EndpointConfig, is_current: bool) -> Registered:
    return Registered(
        config=config,
        origin=Origin(row.origin),
        status=Status.DISABLED if config.disabled else Status(row.status),
        is_current=is_current,
        revision=row.revision,
        registered_at=row.registered_at,
        updated_at=row.updated_at,
    )


def _keys(rows: Mapping[tuple[str, str, str], EndpointRow], identities: set[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(sorted({rows[identity].key for identity in identities}))
