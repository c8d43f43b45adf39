"""Rejected rows: each kept whole, once, until a good row takes its place."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.decode import Reject, key_digest, row_digest

MAX_VALUE_CHARACTERS = 10_000
"""A refused value is shown up to this length; the row itself is kept whole."""

_KEEP = """
INSERT INTO rejected_rows (entity_uid, run_uid, row_digest, key_digest, column_name, value, reason, raw, page)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (entity_uid, row_digest) DO UPDATE
SET run_uid = excluded.run_uid, last_seen_at = now(), reason = excluded.reason,
  column_name = excluded.column_name, value = excluded.value, key_digest = excluded.key_digest, page = excluded.page
"""
_COUNT_OF_RUN = """
SELECT count(DISTINCT coalesce(key_digest, row_digest)), count(*) FILTER (WHERE key_digest IS NULL)
FROM rejected_rows WHERE entity_uid = %s AND run_uid = %s
"""
_OPEN_KEYS = "SELECT DISTINCT key_digest FROM rejected_rows WHERE entity_uid = %s AND key_digest IS NOT NULL"
_FORGET_KEYS = """
DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid <> %s AND key_digest = ANY (%s)
"""
_FORGET_OF_RUN = "DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid = %s AND key_digest = ANY (%s)"
_FORGET_OTHERS = "DELETE FROM rejected_rows WHERE entity_uid = %s AND run_uid <> %s"
_COUNT = "SELECT count(*) FROM rejected_rows WHERE entity_uid = %s"
_COUNT_ALL = """
SELECT c.name || '/' || e.slug, count(*) FROM rejected_rows r
JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid GROUP BY 1 ORDER BY 1
"""
_SELECT = """
SELECT r.uid, c.name || '/' || e.slug AS entity, r.run_uid, r.first_seen_at, r.last_seen_at, r.column_name, r.value,
  r.reason, r.raw, r.page
FROM rejected_rows r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid
"""
_LIST = _SELECT + " WHERE (%(entity)s::text IS NULL OR c.name || '/' || e.slug = %(entity)s)"
_LIST += " ORDER BY r.last_seen_at DESC, r.uid LIMIT %(limit)s"
_FIND = _SELECT + " WHERE r.uid = %s"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One rejected row that nobody has dealt with."""

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


def _row(entity_uid: UUID, run_uid: UUID, reject: Reject, page: int) -> tuple[object, ...]:
    raw = _storable(reject.raw)
    value = _storable(reject.value)[:MAX_VALUE_CHARACTERS] if reject.value is not None else None
    key = key_digest(reject.key) if reject.key is not None else None
    return (entity_uid, run_uid, row_digest(raw), key, reject.column, value, reject.reason, raw, page)


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
    """The entity's rejected rows, of all runs."""
    row = connection.execute(_COUNT, (entity_uid,)).fetchone()
    return int(row[0]) if row else 0


def count_open_rejects(connection: psycopg.Connection) -> dict[str, int]:
    """`connector/slug` to the number of rejected rows, entities without any left out."""
    return dict(connection.execute(_COUNT_ALL).fetchall())


def list_rejects(
    connection: psycopg.Connection, *, entity: str | None = None, limit: int = 50
) -> tuple[RejectedRow, ...]:
    """The rejected rows, newest first; `entity` is `connector/slug`."""
    with connection.cursor(row_factory=class_row(RejectedRow)) as cursor:
        return tuple(cursor.execute(_LIST, {"entity": entity, "limit": limit}).fetchall())


def find_reject(connection: psycopg.Connection, uid: UUID) -> RejectedRow:
    """The rejected row of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=class_row(RejectedRow)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no rejected row {uid} is known; `syncflow rejects list` lists them")
    return found
