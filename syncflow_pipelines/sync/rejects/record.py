"""Rejected rows: each kept whole, once, until a good row takes its place.

What the source mends is forgotten. What a person closes, by a retry or by dropping it, stays on record until it is as
old as the oldest runs; the same row is open again when the source sends it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.conversion.decode import Reject, key_digest, row_digest

Status = Literal["open", "resolved", "dropped"]
STATUSES: tuple[Status, ...] = ("open", "resolved", "dropped")

MAX_VALUE_CHARACTERS = 10_000
"""A refused value is shown up to this length; the row itself is kept whole."""

_KEEP = """
INSERT INTO rejected_rows (entity_uid, run_uid, row_digest, key_digest, column_name, value, reason, raw, page)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (entity_uid, row_digest) DO UPDATE
SET run_uid = excluded.run_uid, last_seen_at = now(), reason = excluded.reason,
  column_name = excluded.column_name, value = excluded.value, key_digest = excluded.key_digest, page = excluded.page,
  status = 'open', closed_at = NULL, closed_by = NULL, note = NULL
"""
_COUNT_OF_RUN = """
SELECT count(DISTINCT coalesce(key_digest, row_digest)), count(*) FILTER (WHERE key_digest IS NULL)
FROM rejected_rows WHERE entity_uid = %s AND run_uid = %s AND status = 'open'
"""
_OPEN_KEYS = """
SELECT DISTINCT key_digest FROM rejected_rows WHERE entity_uid = %s AND key_digest IS NOT NULL AND status = 'open'
"""
_KEPT_BEFORE = """
SELECT r.row_digest FROM rejected_rows r JOIN sync_runs s ON s.uid = r.run_uid
WHERE r.entity_uid = %s AND r.status = 'open' AND s.status = 'success'
"""
_FORGET_KEYS = """
DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid <> %s AND key_digest = ANY (%s) AND status = 'open'
"""
_FORGET_OF_RUN = """
DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid = %s AND key_digest = ANY (%s) AND status = 'open'
"""
_FORGET_OTHERS = "DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid <> %s AND status = 'open'"
_COUNT = "SELECT count(*) FROM rejected_rows WHERE entity_uid = %s AND status = 'open'"
_COUNT_ALL = """
SELECT c.name || '/' || e.slug, count(*) FROM rejected_rows r
JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid
WHERE %(status)s::text IS NULL OR r.status = %(status)s GROUP BY 1 ORDER BY 1
"""
_SELECT = """
SELECT r.uid, c.name || '/' || e.slug AS entity, r.run_uid, r.first_seen_at, r.last_seen_at, r.column_name, r.value,
  r.reason, r.raw, r.page, r.status, r.closed_at, r.closed_by, r.note
FROM rejected_rows r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid
"""
_LIST = _SELECT + " WHERE (%(entity)s::text IS NULL OR c.name || '/' || e.slug = %(entity)s)"
_LIST += " AND (%(status)s::text IS NULL OR r.status = %(status)s)"
_LIST += " ORDER BY r.last_seen_at DESC, r.uid LIMIT %(limit)s"
_FIND = _SELECT + " WHERE r.uid = %s"
_CLOSE = """
UPDATE rejected_rows SET status = %s, closed_at = now(), closed_by = %s, note = %s
WHERE uid = ANY (%s) AND status = 'open'
"""
_REFRESH = "UPDATE rejected_rows SET reason = %s, column_name = %s, value = %s, key_digest = %s WHERE uid = %s"
_PURGE = """
DELETE FROM rejected_rows WHERE status <> 'open' AND closed_at < now() - make_interval(days => %s)
"""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One rejected row."""

    uid: UUID
    entity: str
    """`connector/slug`."""
    run_uid: UUID
    """The last run that met it."""
    first_seen_at: datetime
    last_seen_at: datetime
    column_name: str | None
    value: str | None
    """The refused literal as the source sent it."""
    reason: str
    raw: str
    """The whole row as the source sent it."""
    page: int | None
    status: Status
    closed_at: datetime | None
    closed_by: str | None
    """Who retried or dropped it."""
    note: str | None
    """Why it was dropped, or what a retry found."""


@dataclass(frozen=True, slots=True)
class RunRejects:
    """How many rows a run rejected."""

    count: int
    without_key: int
    """The part whose business key could not be read, so that nobody knows which rows they are."""


def keep_rejects(
    connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID, rejects: Iterable[Reject], page: int
) -> None:
    """Keeps the rejects of a page, in the caller's transaction.

    A row met before is kept once, and takes the place of what earlier runs met under its key.
    """
    rejects = list(rejects)
    with connection.cursor() as cursor:
        cursor.executemany(_KEEP, [_row(entity_uid, run_uid, reject, page) for reject in rejects])
    forget_mended(connection, entity_uid, run_uid, {key_digest(reject.key) for reject in rejects if reject.key})


def refresh_reject(connection: psycopg.Connection, uid: UUID, reject: Reject) -> None:
    """Notes why a row that was tried again is still refused; who met it, and when, stays."""
    value, key = _shown(reject.value), _key_digest(reject)
    connection.execute(_REFRESH, (reject.reason, reject.column, value, key, uid))


def close_rejects(
    connection: psycopg.Connection, uids: Sequence[UUID], status: Status, *, by: str, note: str | None
) -> int:
    """Closes those of the rejected rows that are open; returns how many were."""
    return connection.execute(_CLOSE, (status, by, note, list(uids))).rowcount


def purge_rejects(connection: psycopg.Connection, older_than_days: int) -> int:
    """Deletes the rejected rows that were closed longer ago; returns how many."""
    return connection.execute(_PURGE, (older_than_days,)).rowcount


def digest_of(reject: Reject) -> UUID:
    """The digest under which the reject's row is kept."""
    return row_digest(_storable(reject.raw))


def _row(entity_uid: UUID, run_uid: UUID, reject: Reject, page: int) -> tuple[object, ...]:
    raw = _storable(reject.raw)
    value, key = _shown(reject.value), _key_digest(reject)
    return (entity_uid, run_uid, row_digest(raw), key, reject.column, value, reject.reason, raw, page)


def _shown(value: str | None) -> str | None:
    return _storable(value)[:MAX_VALUE_CHARACTERS] if value is not None else None


def _key_digest(reject: Reject) -> UUID | None:
    return key_digest(reject.key) if reject.key is not None else None


def _storable(text: str) -> str:
    """The text with what PostgreSQL cannot keep written as JSON escapes."""
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode("utf-8")


def count_run_rejects(connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID) -> RunRejects:
    """The rejects of one run, each row once."""
    row = connection.execute(_COUNT_OF_RUN, (entity_uid, run_uid)).fetchone()
    return RunRejects(*row) if row else RunRejects(0, 0)


def open_keys(connection: psycopg.Connection, entity_uid: UUID) -> set[UUID]:
    """Digests of the business keys of the entity's rejected rows."""
    return {digest for (digest,) in connection.execute(_OPEN_KEYS, (entity_uid,))}


def kept_before(connection: psycopg.Connection, entity_uid: UUID) -> set[UUID]:
    """Digests of the open rejected rows with which an earlier sync succeeded."""
    return {digest for (digest,) in connection.execute(_KEPT_BEFORE, (entity_uid,))}


def forget_mended(connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID, keys: set[UUID]) -> None:
    """Drops the rejects that earlier runs met of these rows."""
    if keys:
        connection.execute(_FORGET_KEYS, (entity_uid, run_uid, list(keys)))


def forget_replaced(connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID, keys: set[UUID]) -> None:
    """Drops the rejects of rows that this run met first, and read well later on."""
    if keys:
        connection.execute(_FORGET_OF_RUN, (entity_uid, run_uid, list(keys)))


def forget_older(connection: psycopg.Connection, entity_uid: UUID, run_uid: UUID) -> None:
    """Drops every reject that this run, a read of all rows, did not meet again."""
    connection.execute(_FORGET_OTHERS, (entity_uid, run_uid))


def count_rejects(connection: psycopg.Connection, entity_uid: UUID) -> int:
    """The entity's open rejected rows, of all runs."""
    row = connection.execute(_COUNT, (entity_uid,)).fetchone()
    return int(row[0]) if row else 0


def count_rejects_by_entity(connection: psycopg.Connection, status: Status | None = "open") -> dict[str, int]:
    """`connector/slug` to the number of rejected rows, entities without any left out; a status of None counts all."""
    return dict(connection.execute(_COUNT_ALL, {"status": status}).fetchall())


def list_rejects(
    connection: psycopg.Connection, *, entity: str | None = None, status: Status | None = "open", limit: int = 50
) -> tuple[RejectedRow, ...]:
    """The rejected rows, newest first; `entity` is `connector/slug`. A status of None lists them all."""
    with connection.cursor(row_factory=class_row(RejectedRow)) as cursor:
        return tuple(cursor.execute(_LIST, {"entity": entity, "status": status, "limit": limit}).fetchall())


def find_reject(connection: psycopg.Connection, uid: UUID) -> RejectedRow:
    """The rejected row of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=class_row(RejectedRow)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no rejected row {uid} is known; `syncflow rejects list` lists them")
    return found
