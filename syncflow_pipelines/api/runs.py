"""`/api/v1/runs`: the history of syncs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.api.answers import answer, answer_bytes, linked, listed, tagged
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.entity_documents import RunStatus
from syncflow_pipelines.api.paging import CursorQuery, cursor_links, part_document, position_of
from syncflow_pipelines.api.parameters import EntityUid, Moment, RunUid, Text
from syncflow_pipelines.api.problems import problems
from syncflow_pipelines.database import Connection
from syncflow_pipelines.sync.inspection.entity_list import require_entity
from syncflow_pipelines.sync.inspection.listing import Part
from syncflow_pipelines.sync.inspection.run_list import RunFilter, list_run_documents, run_document
from syncflow_pipelines.sync.model import Strategy

router = APIRouter(tags=["runs"])

_OF_FIRST = {"getRun": {"uid": "$response.body#/items/0/uid"}}

_EXAMPLE: dict[str, Any] = {
    "uid": "0198a6f3-0b1c-7f10-8a55-6d0f9f6f2c77",
    "entity_uid": "0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10",
    "entity": "erp/items",
    "status": "success",
    "strategy": "rowversion",
    "is_full_refresh": False,
    "trigger": "scheduled_sync",
    "dagster_run_id": "6a0f5f0e-4f06-4a53-9d0f-3f0c3a6f3a52",
    "dagster_url": "http://127.0.0.1:3000/runs/6a0f5f0e-4f06-4a53-9d0f-3f0c3a6f3a52",
    "started_at": "2026-03-01T12:00:00Z",
    "completed_at": "2026-03-01T12:00:02.5Z",
    "seconds": 2.5,
    "records_fetched": 12,
    "records_inserted": 2,
    "records_updated": 9,
    "records_unchanged": 0,
    "records_deleted": 1,
    "records_rejected": 0,
    "records_missing": 0,
    "rowversion_start": "000000004199",
    "rowversion_end": "000000004211",
    "error_message": None,
    "error_details": None,
    "details": {"pages": 1},
    "created_at": "2026-03-01T12:00:00Z",
    "cancel_requested_at": None,
    "progress": None,
}


class ProgressDocument(BaseModel):
    """How far a running sync is."""

    phase: str = Field(description="`reading` or `writing`.", examples=["reading"])
    rows: int = Field(description="Rows so far.", examples=[12000])
    total: int | None = Field(description="Of so many, where the source tells.", examples=[50000])
    at: datetime = Field(description="When it was so far; about a second ago.")


class RunDocument(BaseModel):
    """One sync of one entity, and what it came to."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    uid: UUID
    entity_uid: UUID
    entity: str = Field(description="`connector/slug`.")
    status: RunStatus
    strategy: Strategy
    is_full_refresh: bool = Field(description="Whether every row was read and compared.")
    trigger: str = Field(description="What asked for it: a job of Dagster's, `manual`, `retry`, `api`, …")
    dagster_run_id: str | None
    dagster_url: str | None = Field(description="That run in Dagster's UI.")
    started_at: datetime
    completed_at: datetime | None
    seconds: float | None = Field(description="From beginning to end; null while it runs.")
    records_fetched: int = Field(description="Distinct rows received, by business key, rejected ones included.")
    records_inserted: int
    records_updated: int
    records_unchanged: int
    records_deleted: int = Field(description="Marked as deleted in the table.")
    records_rejected: int = Field(description="Did not fit the table; `GET /api/v1/rejects` has them.")
    records_missing: int = Field(description="The part of the deleted that a whole read did not see.")
    rowversion_start: str | None
    rowversion_end: str | None
    error_message: str | None
    error_details: dict[str, Any] | None = Field(description="`type`: the class of the error.")
    details: dict[str, Any] | None
    created_at: datetime = Field(description="When it began, or was asked for.")
    cancel_requested_at: datetime | None = Field(description="When somebody wanted its end.")
    progress: ProgressDocument | None = Field(description="Of one that has been running for more than a second.")


class RunList(BaseModel):
    """A part of the history, the newest first."""

    items: list[RunDocument]
    next_cursor: str | None = Field(description="What to send as `cursor` for what follows; null at the end.")


class RunsQuery(CursorQuery):
    """Which runs of an entity."""

    status: RunStatus | None = Field(default=None, description="Only those that stand so.")
    strategy: Strategy | None = Field(default=None, description="Only those that synced so.")
    trigger: Text | None = Field(default=None, description="Only those that this asked for.", examples=["manual"])
    dagster_run_id: Text | None = Field(default=None, description="Only those of this run of Dagster's.")
    since: Moment | None = Field(default=None, description="Only those that began then or later.")
    until: Moment | None = Field(default=None, description="Only those that began before.")

    def filter(self, dagster_url: str, entity_uid: UUID | None, connector: str | None = None) -> RunFilter:
        time, uid = position_of(self.cursor) or (None, None)
        return RunFilter(
            dagster_url,
            entity_uid, connector, self.status, self.strategy, self.trigger, self.dagster_run_id, self.since,
            self.until, time, uid,
        )  # fmt: skip


class AllRunsQuery(RunsQuery):
    """Which runs."""

    connector: Text | None = Field(default=None, description="Only those of this connector's entities.")
    entity_uid: UUID | None = Field(default=None, description="Only those of this entity.")


@router.get(
    "/runs",
    operation_id="listRuns",
    summary="List runs",
    response_model=RunList,
    responses=linked(listed(problems()), **_OF_FIRST),
    openapi_extra=AllRunsQuery.described(),
)
async def list_runs(request: Request, database: UsedDatabase) -> Response:
    """The history of all entities, the newest run first."""
    query = AllRunsQuery.of(request)
    wanted = query.filter(database.settings.dagster_url, query.entity_uid, query.connector)
    part = await database.read(lambda connection: list_run_documents(connection, wanted, limit=query.limit), request)
    return answer(request, part_document(part), headers=cursor_links(request, part.next_place))


@router.get(
    "/entities/{uid}/runs",
    operation_id="listEntityRuns",
    summary="List the runs of an entity",
    response_model=RunList,
    responses=linked(listed(problems(404)), **_OF_FIRST),
    openapi_extra=RunsQuery.described(),
)
async def list_entity_runs(request: Request, uid: EntityUid, database: UsedDatabase) -> Response:
    """The history of one entity, the newest run first."""
    query = RunsQuery.of(request)
    wanted = query.filter(database.settings.dagster_url, uid)

    def read(connection: Connection) -> Part:
        found = list_run_documents(connection, wanted, limit=query.limit)
        if not found.items:
            require_entity(connection, uid)
        return found

    part = await database.read(read, request)
    return answer(request, part_document(part), headers=cursor_links(request, part.next_place))


@router.get(
    "/runs/{uid}",
    operation_id="getRun",
    summary="Show a run",
    response_model=RunDocument,
    responses=linked(tagged(problems(404)), getEntity={"uid": "$response.body#/entity_uid"}),
)
async def get_run(request: Request, uid: RunUid, database: UsedDatabase) -> Response:
    """One sync: how it stands while it runs, what it came to afterwards."""
    url = database.settings.dagster_url
    document = await database.read(lambda connection: run_document(connection, uid, url), request)
    return answer_bytes(request, document.encode())
