"""What becomes of the registry: each change is a function from one state to the next.

Several may say what one version of a name is. The file goes before the API, and that before the service of that name:
what is hidden that way is kept, and holds again once the other is gone.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from syncflow_pipelines.database.gateway_endpoints import EndpointRow, RegistryState
from syncflow_pipelines.errors import EndpointChanged, EndpointRefused, EndpointTaken, UnknownEndpoint
from syncflow_pipelines.gateway.model import Origin, Status

PRECEDENCE: Final = (Origin.FILE, Origin.API, Origin.SERVICE)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the configuration says there is."""

    endpoints: tuple[Mapping[str, Any], ...] = ()
    """Of the file, each as it is said."""
    services: tuple[Mapping[str, Any], ...] | None = None
    """The services that are endpoints by themselves; None: none are."""
    digest: str = ""
    """Of the file; empty where there is none."""

    def __bool__(self) -> bool:
        """Whether anything is said: a file that is not there does not say that there are no endpoints."""
        return bool(self.digest or self.endpoints)


def effective(state: RegistryState) -> dict[str, EndpointRow]:
    """By key, the row that holds."""
    return {row.key: row for origin in reversed(PRECEDENCE) for row in state.rows.values() if row.origin == origin}


def current_keys(rows: Collection[EndpointRow]) -> set[str]:
    """Of each name, the key of the version that the name alone stands for."""
    newest: dict[str, EndpointRow] = {}
    for row in sorted(rows, key=lambda row: (row.activation, row.version)):
        newest[row.name] = row
    return {row.key for row in newest.values()}


def find(state: RegistryState, reference: str) -> EndpointRow:
    """The row of `name@version`, or of the current version of a name. Raises `UnknownEndpoint`."""
    rows = effective(state)
    if reference in rows:
        return rows[reference]
    current = [rows[key] for key in current_keys(rows.values()) if rows[key].name == reference]
    if not current:
        name, _, version = reference.partition("@")
        versions = sorted(row.version for row in rows.values() if row.name == name)
        has = f"; of {name!r} there is {', '.join(versions)}" if version and versions else ""
        raise UnknownEndpoint(f"no endpoint {reference!r} is registered{has}")
    return current[0]


def register(state: RegistryState, said: Mapping[str, Any], origin: Origin, now: datetime) -> RegistryState:
    """With a new endpoint, which becomes the current version of its name; as it was, where the same is said already.

    Raises `EndpointTaken` where its version is registered otherwise.
    """
    row = _new(said, origin, state, now)
    known = _holding(state, row)
    if known is not None and (known.origin, known.digest) == (row.origin, row.digest):
        return state
    if known is not None and known.origin == Origin.FILE:
        raise EndpointTaken(f"{row.key} is said by the gateway's file; change it there, or register another version")
    if known is not None and known.origin == Origin.API:
        raise EndpointTaken(
            f"{row.key} is registered already, with another configuration; change that, or remove it first"
        )
    return _with(state, row)


def declare_service(state: RegistryState, said: Mapping[str, Any], now: datetime) -> RegistryState:
    """With what a service is now; it does not become the current version where somebody else has that name."""
    row = _new(said, Origin.SERVICE, state, now)
    known = state.rows.get(row.identity)
    if known is not None:
        return state if known.digest == row.digest else _with(state, _in_place_of(known, row))
    return _with(state, _beside_others(state, row))


def relocate_service(state: RegistryState, said: Mapping[str, Any], now: datetime) -> RegistryState:
    """With a service where it is now; what else is known of it stays."""
    known = state.rows.get((*_key(said), Origin.SERVICE.value))
    return declare_service(state, {**known.said, **said} if known else said, now)


def update(
    state: RegistryState, reference: str, said: Mapping[str, Any], now: datetime, revision: int | None = None
) -> RegistryState:
    """With another configuration of an endpoint that was registered over the API.

    Raises `UnknownEndpoint`, `EndpointTaken`, `EndpointChanged` where a revision is given that it has not any more, and
    `EndpointRefused` where the name or the version is to be another.
    """
    known = _owned(state, reference, revision)
    row = _new(said, Origin.API, state, now)
    if row.key != known.key:
        raise EndpointRefused(f"{known.key} keeps its name and its version; register {row.key} beside it")
    return state if known.digest == row.digest else _with(state, _in_place_of(known, row))


def set_status(
    state: RegistryState, reference: str, status: Status, now: datetime, revision: int | None = None
) -> RegistryState:
    """With an endpoint switched on or off, whoever registered it. Raises as `update` does, but for `EndpointTaken`."""
    known = _seen(state, reference, revision)
    if status is Status.DISABLED:
        raise EndpointRefused(f"{known.key} is made active or inactive here; only its configuration disables it")
    if status is Status.ACTIVE and known.said.get("disabled"):
        raise EndpointRefused(f"{known.key} is disabled by its configuration (disabled: true); change that")
    return state if known.status == status else _with(state, replace(known, status=status, updated_at=now))


def make_current(state: RegistryState, reference: str, now: datetime, revision: int | None = None) -> RegistryState:
    """With that version of a name as the one that the name alone stands for. Raises as `set_status` does."""
    known = _seen(state, reference, revision)
    if known.key in current_keys(effective(state).values()):
        return state
    return _with(state, replace(known, activation=state.revision + 1, updated_at=now))


def unregister(state: RegistryState, reference: str, revision: int | None = None) -> RegistryState:
    """Without an endpoint that was registered over the API, or by an application. Raises as `update` does."""
    known = _owned(state, reference, revision, may_be_service=not state.has_services)
    rows = {identity: row for identity, row in state.rows.items() if identity != known.identity}
    return replace(state, rows=rows, revision=state.revision + 1)


def declare(state: RegistryState, declared: Declared, now: datetime) -> RegistryState:
    """With exactly the endpoints of the file, and exactly the services where the file says that they are endpoints.

    What was registered over the API stays, and so do the status of each endpoint and the current version of each name.
    Where there is no file, everything stays: it may be another process that has one.
    """
    if not declared:
        return state
    for said in declared.services or ():
        state = declare_service(state, said, now)
    for said in declared.endpoints:
        state = _declare_endpoint(state, said, now)
    state = _without_others(state, declared)
    has_services = declared.services is not None
    is_other_file = (has_services, declared.digest) != (state.has_services, state.file_digest)
    return replace(
        state,
        has_services=has_services,
        file_digest=declared.digest,
        synced_at=now,
        revision=state.revision + is_other_file,
    )


def _declare_endpoint(state: RegistryState, said: Mapping[str, Any], now: datetime) -> RegistryState:
    row = _new(said, Origin.FILE, state, now)
    known = state.rows.get(row.identity)
    if known is not None:
        return state if known.digest == row.digest else _with(state, _in_place_of(known, row))
    hidden = _holding(state, row)
    if hidden is not None:
        row = replace(row, status=hidden.status, activation=hidden.activation)
    return _with(state, row)


def _without_others(state: RegistryState, declared: Declared) -> RegistryState:
    """Without endpoints that the file, and services that their file, does not say any more."""
    wanted = {(*_key(said), Origin.FILE) for said in declared.endpoints}
    wanted |= {(*_key(said), Origin.SERVICE) for said in declared.services or ()}
    decides_services = declared.services is not None or state.has_services
    kept = {
        identity: row
        for identity, row in state.rows.items()
        if row.origin == Origin.API or identity in wanted or (row.origin == Origin.SERVICE and not decides_services)
    }
    return state if len(kept) == len(state.rows) else replace(state, rows=kept, revision=state.revision + 1)


def _owned(state: RegistryState, reference: str, revision: int | None, *, may_be_service: bool = False) -> EndpointRow:
    known = _seen(state, reference, revision)
    if known.origin == Origin.FILE:
        raise EndpointTaken(
            f"{known.key} is said by the gateway's file; change it there and reload it, or set its status to inactive"
        )
    if known.origin == Origin.SERVICE and not may_be_service:
        raise EndpointTaken(
            f"{known.key} is the service of that name by itself; register {known.key} over the API, which goes before "
            "it, or set its status to inactive"
        )
    return known


def _seen(state: RegistryState, reference: str, revision: int | None) -> EndpointRow:
    known = find(state, reference)
    if revision is not None and known.revision != revision:
        raise EndpointChanged(
            f"{known.key} is at revision {known.revision}, not {revision}: somebody changed it; look at it again"
        )
    return known


def _new(said: Mapping[str, Any], origin: Origin, state: RegistryState, now: datetime) -> EndpointRow:
    name, version = _key(said)
    place = state.revision + 1
    return EndpointRow(
        name, version, origin.value, dict(said), _digest(said), Status.ACTIVE.value, place, place, now, now
    )


def _beside_others(state: RegistryState, row: EndpointRow) -> EndpointRow:
    others = [each for each in state.rows.values() if each.name == row.name and each.origin != Origin.SERVICE]
    return replace(row, activation=0) if others else row


def _holding(state: RegistryState, row: EndpointRow) -> EndpointRow | None:
    """The row that holds for the same version now."""
    candidates = (state.rows.get((row.name, row.version, origin.value)) for origin in PRECEDENCE)
    return next(filter(None, candidates), None)


def _in_place_of(known: EndpointRow, row: EndpointRow) -> EndpointRow:
    """The row with what an endpoint keeps whoever says what it is."""
    return replace(row, status=known.status, activation=known.activation, registered_at=known.registered_at)


def _with(state: RegistryState, row: EndpointRow) -> RegistryState:
    revision = state.revision + 1
    return replace(state, revision=revision, rows={**state.rows, row.identity: replace(row, revision=revision)})


def _key(said: Mapping[str, Any]) -> tuple[str, str]:
    return str(said["name"]), str(said["version"])


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(said), sort_keys=True).encode()).hexdigest()
