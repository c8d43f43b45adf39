"""The history of syncs, the newest first, in parts."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import Listing
from syncflow_pipelines.sync.model import Strategy

_SELECT = """
SELECT r.uid, r.entity_uid, c.name || '/' || e.slug, r.status, r.strategy, r.is_full_refresh, r.trigger,
  r.dagster_run_id, r.started_at, r.completed_at, r.records_fetched, r.records_inserted, r.records_updated,
  r.records_unchanged, r.records_deleted, r.records_rejected, r.records_missing, r.rowversion_start, r.rowversion_end,
  r.error_message, r.error_details, r.details, r.created_at, r.cancel_requested_at, r.progress
FROM sync_runs r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid
"""
_LISTING = Listing(
    _SELECT,
    {
        "entity_uid": "r.entity_uid = %(entity_uid)s",
        "connector": "c.name = %(connector)s",
        "status": "r.status = %(status)s",
        "strategy": "r.strategy = %(strategy)s",
        "trigger": "r.trigger = %(trigger)s",
        "dagster_run_id": "r.dagster_run_id = %(dagster_run_id)s",
        "since": "r.started_at >= %(since)s",
        "until": "r.started_at < %(until)s",
        "before_uid": "(r.started_at, r.uid) < (%(before_time)s, %(before_uid)s)",
    },
)
_NEWEST_FIRST = "r.started_at DESC, r.uid DESC"
_FIND = _SELECT + "WHERE r.uid = %s"


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run, in the words of `bridge.sync_runs`."""

    uid: UUID
    entity_uid: UUID
    entity: str
    """`connector/slug`."""
    status: str
    strategy: Strategy
    is_full_refresh: bool
    trigger: str
    dagster_run_id: str | None
    started_at: datetime
    completed_at: datetime | None
    records_fetched: int
    records_inserted: int
    records_updated: int
    records_unchanged: int
    records_deleted: int
    records_rejected: int
    records_missing: int
    rowversion_start: str | None
    rowversion_end: str | None
    error_message: str | None
    error_details: dict[str, Any] | None
    details: dict[str, Any] | None
    created_at: datetime
    cancel_requested_at: datetime | None
    progress: dict[str, Any] | None
    """Of a run that takes longer than a second: `phase`, `rows`, `total` and `at`, about a second old."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are asked for; what is None does not matter."""

    entity_uid: UUID | None = None
    connector: str | None = None
    status: str | None = None
    strategy: Strategy | None = None
    trigger: str | None = None
    dagster_run_id: str | None = None
    since: datetime | None = None
    """They began then or later."""
    until: datetime | None = None
    """They began before."""
    before_time: datetime | None = None
    before_uid: UUID | None = None
    """Both: the run after which to go on."""


def list_run_lines(connection: psycopg.Connection, wanted: RunFilter, *, limit: int) -> list[RunLine]:
    """The newest runs first."""
    return _LISTING.rows(connection, RunLine, asdict(wanted), order=_NEWEST_FIRST, limit=limit)


def find_run_line(connection: psycopg.Connection, uid: UUID) -> RunLine:
    """The run of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=args_row(RunLine)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no run {uid} is known; GET /api/v1/runs lists them")
    return found
