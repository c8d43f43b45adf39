"""Rejected rows as JSON, in the words of `bridge.rejected_rows`, those met last first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import Listing, Part
from syncflow_pipelines.sync.rejects.record import Status

_FIELDS = """
r.uid, r.entity_uid, c.name || '/' || e.slug AS entity, r.run_uid, r.first_seen_at, r.last_seen_at, r.column_name,
r.reason, r.page, r.status, r.closed_at, r.closed_by, r.note
"""
_SOURCE = "FROM rejected_rows r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid"
_LIST = Listing(
    _FIELDS,
    _SOURCE,
    {
        "entity_uid": "r.entity_uid = %(entity_uid)s",
        "connector": "c.name = %(connector)s",
        "status": "r.status = %(status)s",
        "run_uid": "r.run_uid = %(run_uid)s",
        "column": "r.column_name = %(column)s",
        "before_uid": "(r.last_seen_at, r.uid) < (%(before_time)s, %(before_uid)s)",
    },
    newest_first=("r.last_seen_at", "r.uid"),
)
_WHOLE = Listing(_FIELDS + ", r.value, r.raw", _SOURCE, {})


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

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def list_reject_documents(connection: psycopg.Connection, wanted: RejectFilter, *, limit: int) -> Part:
    """What is known of them, without the rows; those that were met last come first."""
    return _LIST.newest(connection, wanted.values(), limit)


def reject_document(connection: psycopg.Connection, uid: UUID) -> str:
    """The rejected row of that uid, with the row as the source sent it. Raises `UnknownEntity`."""
    found = _WHOLE.one(connection, "r.uid", uid)
    if found is None:
        raise UnknownEntity(f"no rejected row {uid} is known; GET /api/v1/rejects lists them")
    return found
