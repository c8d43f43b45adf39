"""Rejected rows, those met last first, in parts."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import Listing
from syncflow_pipelines.sync.rejects.record import Status

_FIELDS = """
r.uid, r.entity_uid, c.name || '/' || e.slug, r.run_uid, r.first_seen_at, r.last_seen_at, r.column_name, r.reason,
r.page, r.status, r.closed_at, r.closed_by, r.note
"""
_FROM = "FROM rejected_rows r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid"
_FIND = f"SELECT r.value, r.raw, {_FIELDS} {_FROM} WHERE r.uid = %s"
_LISTING = Listing(
    f"SELECT {_FIELDS} {_FROM}",
    {
        "entity_uid": "r.entity_uid = %(entity_uid)s",
        "connector": "c.name = %(connector)s",
        "status": "r.status = %(status)s",
        "run_uid": "r.run_uid = %(run_uid)s",
        "column": "r.column_name = %(column)s",
        "before_uid": "(r.last_seen_at, r.uid) < (%(before_time)s, %(before_uid)s)",
    },
)
_NEWEST_FIRST = "r.last_seen_at DESC, r.uid DESC"


@dataclass(frozen=True, slots=True)
class RejectLine:
    """A rejected row without the row, in the words of `bridge.rejected_rows`."""

    uid: UUID
    entity_uid: UUID
    entity: str
    """`connector/slug`."""
    run_uid: UUID
    first_seen_at: datetime
    last_seen_at: datetime
    column_name: str | None
    reason: str
    page: int | None
    status: Status
    closed_at: datetime | None
    closed_by: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejected rows are asked for; what is None does not matter."""

    entity_uid: UUID | None = None
    connector: str | None = None
    status: Status | None = None
    run_uid: UUID | None = None
    column: str | None = None
    before_time: datetime | None = None
    before_uid: UUID | None = None
    """Both: the row after which to go on."""


def list_reject_lines(connection: psycopg.Connection, wanted: RejectFilter, *, limit: int) -> list[RejectLine]:
    """Those that were met last come first."""
    return _LISTING.rows(connection, RejectLine, asdict(wanted), order=_NEWEST_FIRST, limit=limit)


@dataclass(frozen=True, slots=True)
class RejectDetail:
    """A rejected row, whole."""

    line: RejectLine
    value: str | None
    """The refused literal as the source sent it."""
    raw: str
    """The whole row as the source sent it."""


def find_reject_detail(connection: psycopg.Connection, uid: UUID) -> RejectDetail:
    """The rejected row of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=args_row(_detail)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no rejected row {uid} is known; GET /api/v1/rejects lists them")
    return found


def _detail(value: str | None, raw: str, *fields: Any) -> RejectDetail:
    return RejectDetail(RejectLine(*fields), value, raw)
