"""The connectors of the table, as the admin API lists, adds, changes and removes them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.config.connectors import default_schema
from syncflow_pipelines.config.managed_connectors import ManagedConnector
from syncflow_pipelines.config.sealed_secrets import Place, SecretKeys, origin_of, secret_keys
from syncflow_pipelines.errors import UnknownEntity

SORTS: Final = {"name": "c.name", "updated_at": "c.updated_at", "created_at": "c.created_at"}

# Two that add the same at once, or one that adds what the other has just found to be free.
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow connectors', 0))"
_COLUMNS: Final = """
SELECT c.uid, c.name, c.base_url, c.is_active, c.managed_by, c.settings, c.auth_token IS NOT NULL AS has_secret,
  c.revision, c.catalogue_at, c.created_at, c.updated_at,
  (SELECT count(*) FROM entities e WHERE e.connector_uid = c.uid AND e.is_present) AS entities
FROM connectors c
"""
_WHERE: Final = """
 WHERE (%(managed_by)s::text IS NULL OR c.managed_by = %(managed_by)s)
  AND (%(enabled)s::boolean IS NULL OR c.is_active = %(enabled)s)
  AND (%(q)s::text IS NULL OR strpos(lower(c.name || ' ' || c.base_url), lower(%(q)s)) > 0)
"""
_COUNT: Final = "SELECT count(*) FROM connectors c" + _WHERE  # noqa: S608 - of constants
_FIND: Final = _COLUMNS + " WHERE c.uid = %s"
_FIND_AND_HOLD: Final = _FIND + " FOR UPDATE OF c"
_NAMES: Final = "SELECT uid, name, managed_by, is_active FROM connectors"
_ADD: Final = """
INSERT INTO connectors AS c (uid, name, base_url, is_active, managed_by, settings, auth_token)
VALUES (%(uid)s, %(name)s, %(base_url)s, %(enabled)s, 'api', %(settings)s, %(sealed)s)
ON CONFLICT (uid) DO UPDATE SET base_url = excluded.base_url, is_active = excluded.is_active, managed_by = 'api',
  settings = excluded.settings, auth_token = excluded.auth_token, revision = c.revision + 1, updated_at = now()
"""
_CHANGE: Final = """
UPDATE connectors SET base_url = %(base_url)s, is_active = %(enabled)s, settings = %(settings)s,
  auth_token = CASE WHEN %(keep)s THEN auth_token ELSE %(sealed)s END, revision = revision + 1, updated_at = now()
WHERE uid = %(uid)s
"""
_IS_BUSY: Final = """
SELECT r.uid FROM sync_runs r JOIN entities e ON e.uid = r.entity_uid
WHERE e.connector_uid = %s AND r.status = 'running' LIMIT 1
"""
_REMOVE: Final = "DELETE FROM connectors WHERE uid = %s"
_SEALED: Final = "SELECT uid, name, base_url, auth_token FROM connectors WHERE auth_token IS NOT NULL FOR UPDATE"
_RESEAL: Final = "UPDATE connectors SET auth_token = %s WHERE uid = %s"


@dataclass(frozen=True, slots=True)
class ConnectorLine:
    """One connector of the table; whatever is secret of it is not here."""

    uid: UUID
    name: str
    base_url: str
    is_active: bool
    managed_by: Literal["yaml", "api"]
    settings: dict[str, Any] | None
    has_secret: bool
    revision: int
    catalogue_at: datetime | None
    created_at: datetime
    updated_at: datetime
    entities: int


@dataclass(frozen=True, slots=True)
class ConnectorFilter:
    """Which ones; None: all."""

    managed_by: Literal["yaml", "api"] | None = None
    enabled: bool | None = None
    q: str | None = None
    """Part of the name or the address, in any case."""


@dataclass(frozen=True, slots=True)
class NotManaged:
    """Why nothing was changed."""

    kind: Literal["in_yaml", "name_taken", "renamed", "secret_missing", "busy"]
    reason: str


def list_managed(
    connection: psycopg.Connection, which: ConnectorFilter, *, sort: str, limit: int, offset: int
) -> tuple[tuple[ConnectorLine, ...], int]:
    """A part of the list, and how many there are. `sort`: of `SORTS`, with `-` before it the largest first."""
    values = {"managed_by": which.managed_by, "enabled": which.enabled, "q": which.q}
    order = sql.SQL(" ORDER BY {} {}, c.uid LIMIT %(limit)s OFFSET %(offset)s").format(
        sql.SQL(SORTS[sort.removeprefix("-")]), sql.SQL("DESC" if sort.startswith("-") else "ASC")
    )
    total = connection.execute(_COUNT, values).fetchone()
    with connection.cursor(row_factory=class_row(ConnectorLine)) as cursor:
        found = cursor.execute(sql.SQL(_COLUMNS + _WHERE) + order, {**values, "limit": limit, "offset": offset})
        return tuple(found), int(total[0]) if total else 0


def find_managed(connection: psycopg.Connection, uid: UUID, *, hold: bool = False) -> ConnectorLine:
    """The connector of that uid; with `hold` nobody else changes it in this transaction. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=class_row(ConnectorLine)) as cursor:
        found = cursor.execute(_FIND_AND_HOLD if hold else _FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no connector {uid} is known; list the connectors to see their uids")
    return found


def add_connector(
    connection: psycopg.Connection, said: ManagedConnector, configured: tuple[ConnectorConfig, ...], settings: Settings
) -> UUID | NotManaged:
    """The uid of the new connector, in the caller's transaction.

    One that the configuration has given up is taken over, with its entities and their history. Raises
    `ConfigurationError` where there is no key for its secret.
    """
    connection.execute(_ONE_AT_A_TIME)
    folded = default_schema(said.name)
    if any(default_schema(one.name) == folded for one in configured):
        return NotManaged(
            "in_yaml", f"connectors.yaml has a connector {said.name}; change it there, or take another name"
        )
    before = [row for row in connection.execute(_NAMES) if default_schema(row[1]) == folded]
    if any(managed_by == "api" or name != said.name for _, name, managed_by, _ in before):
        told = f"there is a connector {before[0][1]}; change that one, or take a name unlike it"
        return NotManaged("name_taken", f"{told} (upper and lower case, - and _ count as equal)")
    uid = before[0][0] if before else uuid4()
    if said.needs_secret and said.secret is None:
        return _no_secret(said)
    connection.execute(_ADD, {"uid": uid, "name": said.name, **_values(said, uid, settings)})
    return UUID(str(uid))


def change_connector(
    connection: psycopg.Connection, line: ConnectorLine, said: ManagedConnector, settings: Settings
) -> NotManaged | None:
    """Makes the connector what is said, in the caller's transaction, which holds it; a secret that is not said stays.

    It stays for the address that it was given for: with another one it has to be said again.
    """
    if refusal := _read_only(line):
        return refusal
    if said.name != line.name:
        told = f"connector {line.name} keeps its name, which its tables and its history bear; add another connector"
        return NotManaged("renamed", f"{told} instead")
    keeps = said.needs_secret and said.secret is None
    if keeps and not _may_keep(line, said):
        return _no_secret(said)
    connection.execute(_CHANGE, {"uid": line.uid, "keep": keeps, **_values(said, line.uid, settings)})
    return None


def remove_connector(connection: psycopg.Connection, line: ConnectorLine) -> NotManaged | None:
    """Forgets the connector, its entities and their runs, in the caller's transaction; their tables stay."""
    if refusal := _read_only(line):
        return refusal
    if busy := connection.execute(_IS_BUSY, (line.uid,)).fetchone():
        return NotManaged("busy", f"run {busy[0]} of connector {line.name} is running; cancel it, or wait for its end")
    connection.execute(_REMOVE, (line.uid,))
    return None


def reseal(connection: psycopg.Connection, settings: Settings) -> int:
    """Encrypts every secret that is kept with the first key, so that older keys can be given up; returns how many.

    Raises `ConfigurationError`, and changes nothing, where one cannot be decrypted.
    """
    keys = secret_keys(settings.environment)
    found = connection.execute(_SEALED).fetchall()
    for uid, name, base_url, sealed in found:
        place = Place(name, str(uid), origin_of(base_url))
        connection.execute(_RESEAL, (keys.seal(keys.unseal(sealed, place), place), uid))
    return len(found)


def _read_only(line: ConnectorLine) -> NotManaged | None:
    if line.managed_by == "api":
        return None
    told = f"connector {line.name} is managed by connectors.yaml, and can be changed there alone"
    return NotManaged("in_yaml", told)


def _may_keep(line: ConnectorLine, said: ManagedConnector) -> bool:
    before = (line.settings or {}).get("auth", {})
    is_same = before.get("type") == said.auth.type and origin_of(line.base_url) == origin_of(said.base_url)
    return line.has_secret and is_same


def _no_secret(said: ManagedConnector) -> NotManaged:
    what = "token" if said.auth.type == "bearer" else "value"
    told = f"auth needs a {what}, or a reference (env:NAME or file:PATH) to where it stands"
    return NotManaged("secret_missing", f"{told}; one that is kept is kept for the same type and address alone")


def _values(said: ManagedConnector, uid: UUID, settings: Settings) -> dict[str, object]:
    return {
        "base_url": said.base_url,
        "enabled": said.enabled,
        "settings": Jsonb(said.kept()),
        "sealed": _sealed(said, uid, settings),
    }


def _sealed(said: ManagedConnector, uid: UUID, settings: Settings) -> str | None:
    if said.secret is None:
        return None
    keys: SecretKeys = secret_keys(settings.environment)
    return keys.seal(said.secret, Place(said.name, str(uid), origin_of(said.base_url)))
