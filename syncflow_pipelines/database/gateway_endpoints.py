"""The registry of the gateway: `bridge.gateway_endpoints`, and in `bridge.gateway_registry` how it stands as a whole.

Whoever changes it holds the lock of the latter's only row, so that changes come one after the other, each with a
revision of its own, and readers need to look at one number.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from syncflow_pipelines.database.pool import Database
from syncflow_pipelines.database.url import one_line
from syncflow_pipelines.errors import DatabaseError

CHANNEL: Final = "'syncflow_gateway_' || md5(current_schema())"
"""Of NOTIFY, as SQL."""

# Whoever is stopped while it holds the lock must not hold up everybody else.
_PATIENCE = """
SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '20s', true),
  set_config('idle_in_transaction_session_timeout', '20s', true)
"""
_REVISION = "SELECT revision FROM gateway_registry"
_STANDING = "SELECT revision, file_digest, synced_at, has_services FROM gateway_registry"
_TAKE_TURN = f"{_STANDING} FOR UPDATE"
_ENDPOINTS = """
SELECT name, version, origin, said, digest, status, activation, revision, registered_at, updated_at
FROM gateway_endpoints ORDER BY name, version, origin
"""
_PUT = """
INSERT INTO gateway_endpoints AS known
  (name, version, origin, said, digest, status, activation, revision, registered_at, updated_at)
VALUES (%(name)s, %(version)s, %(origin)s, %(said)s, %(digest)s, %(status)s, %(activation)s, %(revision)s,
  %(registered_at)s, %(updated_at)s)
ON CONFLICT (name, version, origin) DO UPDATE SET said = excluded.said, digest = excluded.digest,
  status = excluded.status, activation = excluded.activation, revision = excluded.revision,
  updated_at = excluded.updated_at
"""
_REMOVE = "DELETE FROM gateway_endpoints WHERE name = %s AND version = %s AND origin = %s"
_NOTE = """
UPDATE gateway_registry SET revision = %(revision)s, file_digest = %(file_digest)s, synced_at = %(synced_at)s,
  has_services = %(has_services)s
"""
_WAKE = f"SELECT pg_notify({CHANNEL}, '')"


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """What one of those who may register endpoints has said of one."""

    name: str
    version: str
    origin: str
    said: dict[str, Any]
    """As `config.gateway_endpoint.said_of` gives it."""
    digest: str
    """Of what is said."""
    status: str
    """`active` or `inactive`."""
    activation: int
    """Of the versions of a name, the one with the highest is current."""
    revision: int
    """That of the registry with which it was changed last."""
    registered_at: datetime
    updated_at: datetime

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.name, self.version, self.origin

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class RegistryState:
    """The registry at one moment."""

    revision: int = 0
    """Grows with every change, whatever is changed."""
    file_digest: str | None = None
    """Of the `gateway.yaml` with which it was synced last."""
    synced_at: datetime | None = None
    has_services: bool = False
    """Whether that file says that services are endpoints."""
    rows: Mapping[tuple[str, str, str], EndpointRow] = field(default_factory=dict, hash=False)
    """By name, version and origin."""


def registry_revision(connection: psycopg.Connection) -> int:
    """The revision that is in force."""
    return int(_only(connection.execute(_REVISION).fetchone())[0])


def read_registry(connection: psycopg.Connection) -> RegistryState:
    """The registry as it is now, or, where it is just being changed, with rows that are newer than its revision."""
    return _state(connection, _STANDING)


@contextmanager
def changing_registry(
    database: Database, patience_s: float = 10.0
) -> Iterator[tuple[psycopg.Connection, RegistryState]]:
    """The registry as it is, in a transaction in which nobody else changes it; see `write_registry`.

    Raises `DatabaseError` where somebody else has been changing it for longer than that, or PostgreSQL refuses it.
    """
    with database.dedicated("syncflow gateway") as connection:
        try:
            with connection.transaction():
                connection.execute(_PATIENCE, (f"{patience_s * 1000:.0f}ms",))
                yield connection, _state(connection, _TAKE_TURN)
        except psycopg.errors.LockNotAvailable as error:
            raise DatabaseError(
                f"Another process has been changing the registry of the gateway for {patience_s:g} s; try again, or "
                "end that process."
            ) from error
        except psycopg.Error as error:
            if connection.closed:
                raise  # told by the connection
            told = error.diag.message_primary or one_line(error)
            raise DatabaseError(f"The registry of the gateway cannot be changed: {told}") from error


def write_registry(connection: psycopg.Connection, before: RegistryState, after: RegistryState) -> None:
    """Writes what has changed, and has every process that follows the registry look at it."""
    for identity in before.rows.keys() - after.rows.keys():
        connection.execute(_REMOVE, identity)
    for identity, row in after.rows.items():
        if before.rows.get(identity) != row:
            connection.execute(_PUT, _values(row))
    values = {name: getattr(after, name) for name in ("revision", "file_digest", "synced_at", "has_services")}
    connection.execute(_NOTE, values)
    if after.revision != before.revision:
        connection.execute(_WAKE)


def _state(connection: psycopg.Connection, standing: str) -> RegistryState:
    revision, file_digest, synced_at, has_services = _only(connection.execute(standing).fetchone())
    with connection.cursor(row_factory=class_row(EndpointRow)) as cursor:
        rows = {row.identity: row for row in cursor.execute(_ENDPOINTS)}
    return RegistryState(revision, file_digest, synced_at, has_services, rows)


def _values(row: EndpointRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in EndpointRow.__dataclass_fields__} | {"said": Jsonb(row.said)}


def _only(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    if row is None:
        raise DatabaseError(
            "The table gateway_registry has lost its only row; run: INSERT INTO gateway_registry DEFAULT VALUES"
        )
    return row
