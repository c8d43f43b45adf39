"""The history of syncs as JSON, in the words of `bridge.sync_runs`, the newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import Listing, Part
from syncflow_pipelines.sync.model import Strategy

_LISTING = Listing(
    """
r.uid, r.entity_uid, c.name || '/' || e.slug AS entity, r.status, r.strategy, r.is_full_refresh, r.trigger,
r.dagster_run_id, %(dagster_url)s || '/runs/' || r.dagster_run_id AS dagster_url, r.started_at, r.completed_at,
round(extract(epoch FROM r.completed_at - r.started_at), 3)::float8 AS seconds, r.records_fetched, r.records_inserted,
r.records_updated, r.records_unchanged, r.records_deleted, r.records_rejected, r.records_missing, r.rowversion_start,
r.rowversion_end, r.error_message, r.error_details, r.details, r.created_at,
r.cancel_requested_at, r.progress
""",
    "FROM sync_runs r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid",
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
    newest_first=("r.started_at", "r.uid"),
)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are asked for; what is None does not matter."""

    dagster_url: str
    """Of Dagster's webserver, for links to it."""
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

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def list_run_documents(connection: psycopg.Connection, wanted: RunFilter, *, limit: int) -> Part:
    """The newest runs first."""
    return _LISTING.newest(connection, wanted.values(), limit)


def run_document(connection: psycopg.Connection, uid: UUID, dagster_url: str) -> str:
    """The run of that uid. Raises `UnknownEntity`."""
    found = _LISTING.one(connection, "r.uid", uid, dagster_url=dagster_url)
    if found is None:
        raise UnknownEntity(f"no run {uid} is known; GET /api/v1/runs lists them")
    return found
