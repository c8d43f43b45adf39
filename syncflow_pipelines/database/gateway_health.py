"""How the gateway's endpoints stand: `bridge.gateway_health`, and their breakers in `bridge.gateway_breakers`.

Nothing here decides what is healthy. Every function works on the connection that it is given, in its transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import psycopg
from psycopg.rows import class_row

STALE_AFTER_S: Final = 60
"""A process that said nothing for so long is gone, and so are its breakers."""

_LEAD = "SELECT pg_try_advisory_lock(hashtextextended('syncflow gateway health of ' || current_schema(), 0))"
# A machine that vanished gives the lock back within seconds.
_QUICK = """
SELECT set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
  set_config('tcp_keepalives_count', '3', false)
"""
_COLUMNS = """
name, version, is_current, health, since, is_good, consecutive, last_error, last_checked_at, latency_ms, revision
"""
_ROWS = f"SELECT {_COLUMNS} FROM gateway_health ORDER BY name, version"  # noqa: S608 - of constants
_LOCKED = f"""
SELECT {_COLUMNS} FROM gateway_health
WHERE (name, version) IN (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY name, version FOR UPDATE
"""  # noqa: S608 - of constants
_ADD = """
INSERT INTO gateway_health (name, version, is_current, health, since)
SELECT name, version, is_current, health, now()
FROM unnest(%s::text[], %s::text[], %s::boolean[], %s::text[]) AS given (name, version, is_current, health)
ON CONFLICT (name, version) DO UPDATE SET is_current = excluded.is_current
  WHERE gateway_health.is_current <> excluded.is_current
"""
_WRITE = """
UPDATE gateway_health SET is_good = %(is_good)s, consecutive = %(consecutive)s, last_error = %(last_error)s,
  last_checked_at = %(last_checked_at)s, latency_ms = %(latency_ms)s
WHERE name = %(name)s AND version = %(version)s
"""
_CHANGE = """
UPDATE gateway_health SET health = %(health)s, since = %(since)s, revision = DEFAULT
WHERE name = %(name)s AND version = %(version)s
"""
# What is registered is kept, also where the process that checks has not heard of it yet.
_FORGET = """
DELETE FROM gateway_health AS known WHERE (name, version) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[]))
  AND NOT EXISTS (SELECT FROM gateway_endpoints AS e WHERE e.name = known.name AND e.version = known.version)
"""
_BREAKER_COLUMNS = "process, name, version, state, consecutive_failures, opened_at, times_opened, refused, seen_at"
_BREAKERS = f"""
SELECT {_BREAKER_COLUMNS} FROM gateway_breakers WHERE seen_at > now() - make_interval(secs => %s)
ORDER BY name, version, process
"""  # noqa: S608 - of constants
_WRITE_BREAKER = """
INSERT INTO gateway_breakers (process, name, version, state, consecutive_failures, opened_at, times_opened, refused)
VALUES (%(process)s, %(name)s, %(version)s, %(state)s, %(consecutive_failures)s, %(opened_at)s, %(times_opened)s,
  %(refused)s)
ON CONFLICT (process, name, version) DO UPDATE SET state = excluded.state,
  consecutive_failures = excluded.consecutive_failures, opened_at = excluded.opened_at,
  times_opened = excluded.times_opened, refused = excluded.refused, seen_at = now()
"""
_DROP_BREAKERS = """
DELETE FROM gateway_breakers WHERE seen_at < now() - make_interval(secs => %(stale)s)
  OR (process = %(process)s
      AND (name, version) NOT IN (SELECT * FROM unnest(%(names)s::text[], %(versions)s::text[])))
"""

Key = tuple[str, str]
"""Name and version."""


@dataclass(frozen=True, slots=True)
class HealthRow:
    """How an endpoint stands."""

    name: str
    version: str
    is_current: bool
    health: str
    since: datetime
    is_good: bool | None = None
    consecutive: int = 0
    last_error: str | None = None
    last_checked_at: datetime | None = None
    latency_ms: float | None = None
    revision: int = 0
    """Given by the database; another one with every change of `health`."""

    @property
    def key(self) -> Key:
        return self.name, self.version


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """How a breaker stands in one process."""

    process: str
    name: str
    version: str
    state: str
    consecutive_failures: int
    opened_at: datetime | None
    times_opened: int
    refused: int
    seen_at: datetime | None = None
    """Given by the database."""

    @property
    def key(self) -> Key:
        return self.name, self.version


def lead(connection: psycopg.Connection) -> bool:
    """Whether this session is the one that has endpoints checked; it is until its connection ends.

    To be asked until it says so, and no more then.
    """
    connection.execute(_QUICK)
    row = connection.execute(_LEAD).fetchone()
    return row == (True,)


def health_rows(connection: psycopg.Connection) -> list[HealthRow]:
    """How every endpoint stands, by name and version."""
    with connection.cursor(row_factory=class_row(HealthRow)) as cursor:
        return cursor.execute(_ROWS).fetchall()


def locked_rows(connection: psycopg.Connection, keys: Collection[Key]) -> list[HealthRow]:
    """The same of these endpoints, which nobody else changes until the transaction ends."""
    with connection.cursor(row_factory=class_row(HealthRow)) as cursor:
        return cursor.execute(_LOCKED, _columns(keys)).fetchall()


def add_rows(connection: psycopg.Connection, rows: Sequence[HealthRow]) -> None:
    """Adds the endpoints that are not there; of the others, only which is current is changed."""
    columns = [[getattr(row, name) for row in rows] for name in ("name", "version", "is_current", "health")]
    connection.execute(_ADD, columns)


def write_rows(connection: psycopg.Connection, changed: Sequence[tuple[HealthRow, HealthRow]]) -> None:
    """Writes how endpoints stand, which were so before and are now; their rows are locked."""
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, [asdict(after) for _, after in changed])
        cursor.executemany(_CHANGE, [asdict(after) for before, after in changed if before.health != after.health])


def forget_others(connection: psycopg.Connection, keys: Collection[Key]) -> None:
    """Removes every endpoint but these and those of the registry."""
    connection.execute(_FORGET, _columns(keys))


def breaker_rows(connection: psycopg.Connection) -> list[BreakerRow]:
    """Breakers in every process that was heard of in the last minute; of endpoints that had requests."""
    with connection.cursor(row_factory=class_row(BreakerRow)) as cursor:
        return cursor.execute(_BREAKERS, (STALE_AFTER_S,)).fetchall()


def write_breakers(connection: psycopg.Connection, rows: Sequence[BreakerRow]) -> None:
    """Writes how breakers of a process stand, and that it is still there."""
    for row in rows:
        connection.execute(_WRITE_BREAKER, asdict(row))


def drop_breakers(connection: psycopg.Connection, process: str, keys: Collection[Key]) -> None:
    """Removes the breakers of processes that are gone, and those of this one but for these endpoints."""
    names, versions = _columns(keys)
    values = {"stale": STALE_AFTER_S, "process": process, "names": names, "versions": versions}
    connection.execute(_DROP_BREAKERS, values)


def _columns(keys: Collection[Key]) -> tuple[list[str], list[str]]:
    return [name for name, _ in keys], [version for _, version in keys]
