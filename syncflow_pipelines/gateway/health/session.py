"""What one process does with the tables of the gateway's health, turn by turn, over one connection."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final

from syncflow_pipelines.config.gateway import HealthConfig
from syncflow_pipelines.database import Connection
from syncflow_pipelines.database.gateway_health import (
    BreakerRow,
    HealthRow,
    add_rows,
    drop_breakers,
    forget_others,
    health_rows,
    lead,
    locked_rows,
    write_breakers,
    write_rows,
)
from syncflow_pipelines.events.happenings import endpoint_health_changed
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.health.standing import CheckOutcome, EndpointStanding, begun, renewed, settled
from syncflow_pipelines.gateway.model import Health, Registered

READ_EVERY_S: Final = 0.9
"""How often all endpoints are read, however many checks are recorded meanwhile."""
SEEN_EVERY_S: Final = 10.0
"""How often a process says that it is still there, and how its breakers stand, changed or not."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A check that is to be recorded."""

    endpoint: Registered
    outcome: CheckOutcome
    config: HealthConfig


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """What is registered; every declaration counts as another one."""

    endpoints: tuple[Registered, ...]
    config: HealthConfig


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn brought."""

    is_leading: bool
    """Whether this process is the one that checks."""
    standings: Mapping[str, EndpointStanding]
    """By key; also of endpoints that this process does not know, or not yet."""
    is_whole: bool
    """Whether these are all; else those that were recorded."""


class Session:
    """One process's hold on the tables, for as long as its connection lasts."""

    def __init__(self, connection: Connection, process: str) -> None:
        self._connection, self._process = connection, process
        self._is_leading = False
        self._settled: Declared | None = None
        self._told: dict[str, BreakerRow] = {}
        self._told_all_at, self._read_at = -SEEN_EVERY_S, -READ_EVERY_S

    def turn(
        self, declared: Declared | None, recordings: Sequence[Recording], breakers: Mapping[str, BreakerSnapshot]
    ) -> Turn:
        """Records checks and breakers, all of it or nothing, and says how endpoints stand, about each second all.

        The process that checks also sees to it that the tables hold what is registered, and nothing else, once it has
        been `declared`.
        """
        self._is_leading = self._is_leading or lead(self._connection)
        is_unsettled = self._is_leading and self._settled is not declared
        with self._connection.transaction():
            if is_unsettled and declared is not None:
                self._settle(declared)
            standings = self._record(recordings)
            told = self._tell_breakers(breakers)
        if is_unsettled:
            self._settled = declared
        self._told = told
        is_whole = time.monotonic() - self._read_at >= READ_EVERY_S
        if is_whole:
            standings = {_key(row): standing_of(row) for row in health_rows(self._connection)}
            self._read_at = time.monotonic()
        return Turn(self._is_leading, standings, is_whole)

    def leave(self) -> None:
        """Takes the breakers of this process out of the tables: it has none any more."""
        with self._connection.transaction():
            drop_breakers(self._connection, self._process, ())

    def _settle(self, declared: Declared) -> None:
        now = datetime.now(UTC)
        registered = {_pair(endpoint): endpoint for endpoint in declared.endpoints}
        self._add(registered.values())
        rows = locked_rows(self._connection, registered)
        self._write((row, renewed(standing_of(row), registered[row.key], declared.config, now)) for row in rows)
        forget_others(self._connection, registered)

    def _record(self, recordings: Sequence[Recording]) -> dict[str, EndpointStanding]:
        """How the endpoints stand then."""
        if not recordings:
            return {}
        of_endpoint: dict[tuple[str, str], list[Recording]] = {}
        for recording in recordings:
            of_endpoint.setdefault(_pair(recording.endpoint), []).append(recording)
        rows = locked_rows(self._connection, of_endpoint)
        if len(rows) < len(of_endpoint):  # somebody asked before the process that checks has heard of them
            self._add(found[0].endpoint for found in of_endpoint.values())
            rows = locked_rows(self._connection, of_endpoint)
        standings = [_recorded(standing_of(row), of_endpoint[row.key]) for row in rows]
        self._write(zip(rows, standings, strict=True))
        return {_key(row): standing for row, standing in zip(rows, standings, strict=True)}

    def _add(self, endpoints: Iterable[Registered]) -> None:
        now = datetime.now(UTC)
        rows = [
            HealthRow(*_pair(endpoint), endpoint.is_current, begun(endpoint, now).health, now) for endpoint in endpoints
        ]
        add_rows(self._connection, rows)

    def _write(self, standings: Iterable[tuple[HealthRow, EndpointStanding]]) -> None:
        changed = [(row, standing) for row, standing in standings if standing_of(row) != standing]
        write_rows(self._connection, [(row, _row(row, standing)) for row, standing in changed])
        publish(self._connection, [event for row, standing in changed for event in _events(row, standing)])

    def _tell_breakers(self, breakers: Mapping[str, BreakerSnapshot]) -> dict[str, BreakerRow]:
        """Writes those that changed, and all of them now and then; returns how they stand."""
        rows = {key: self._breaker(key, snapshot) for key, snapshot in breakers.items()}
        is_all = time.monotonic() - self._told_all_at >= SEEN_EVERY_S
        if is_all or rows != self._told:
            changed = [row for key, row in rows.items() if is_all or self._told.get(key) != row]
            write_breakers(self._connection, changed)
            drop_breakers(self._connection, self._process, [row.key for row in rows.values()])
        if is_all:
            self._told_all_at = time.monotonic()
        return rows

    def _breaker(self, key: str, snapshot: BreakerSnapshot) -> BreakerRow:
        name, _, version = key.rpartition("@")
        return BreakerRow(
            process=self._process,
            name=name,
            version=version,
            state=snapshot.state,
            consecutive_failures=snapshot.consecutive_failures,
            opened_at=snapshot.opened_at,
            times_opened=snapshot.times_opened,
            refused=snapshot.refused,
        )


def _recorded(standing: EndpointStanding, recordings: Iterable[Recording]) -> EndpointStanding:
    for one in recordings:
        standing = settled(standing, one.endpoint, one.outcome, one.config)
    return standing


def standing_of(row: HealthRow) -> EndpointStanding:
    """What a row says."""
    values = {field.name: getattr(row, field.name) for field in fields(EndpointStanding)}
    return EndpointStanding(**{**values, "health": Health(row.health)})


def _row(before: HealthRow, standing: EndpointStanding) -> HealthRow:
    values = {field.name: getattr(standing, field.name) for field in fields(EndpointStanding)}
    return HealthRow(**{**values, "name": before.name, "version": before.version, "is_current": before.is_current})


def _events(before: HealthRow, after: EndpointStanding) -> list[Event]:
    """What is told of that: nothing where nothing is known any more."""
    if before.health == after.health or after.health is Health.UNKNOWN:
        return []
    known = None if before.health == Health.UNKNOWN else before.health
    return [endpoint_health_changed(_key(before), known, after.health, after.last_error)]


def _pair(endpoint: Registered) -> tuple[str, str]:
    return endpoint.config.name, endpoint.config.version


def _key(row: HealthRow) -> str:
    return f"{row.name}@{row.version}"
