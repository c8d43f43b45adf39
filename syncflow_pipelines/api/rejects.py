"""`/api/v1/rejects`: rows of a source that did not fit their table, and what is done about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.api.answers import answer, answer_bytes, linked, listed, tagged
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.paging import CursorQuery, cursor_links, part_document, position_of
from syncflow_pipelines.api.parameters import EntityUid, RejectUid, Text
from syncflow_pipelines.api.problems import problems
from syncflow_pipelines.database import Connection
from syncflow_pipelines.sync.inspection.entity_list import require_entity
from syncflow_pipelines.sync.inspection.listing import Part
from syncflow_pipelines.sync.inspection.reject_list import RejectFilter, list_reject_documents, reject_document
from syncflow_pipelines.sync.rejects.record import Status

router = APIRouter(tags=["rejects"])

_UID = {"uid": "$response.body#/uid"}
_OF_FIRST = {"getReject": {"uid": "$response.body#/items/0/uid"}}

_EXAMPLE: dict[str, Any] = {
    "uid": "0198a6f4-91d2-7e0b-9e55-7b0a2f6f1d22",
    "entity_uid": "0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10",
    "entity": "erp/items",
    "run_uid": "0198a6f3-0b1c-7f10-8a55-6d0f9f6f2c77",
    "first_seen_at": "2026-03-01T12:00:00Z",
    "last_seen_at": "2026-03-01T12:00:00Z",
    "column_name": "weight_per_unit",
    "reason": "weight_per_unit holds text that is no number",
    "page": 3,
    "status": "open",
    "closed_at": None,
    "closed_by": None,
    "note": None,
}


class RejectSummary(BaseModel):
    """A row that did not fit its table, without the row."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    uid: UUID
    entity_uid: UUID
    entity: str = Field(description="`connector/slug`.")
    run_uid: UUID = Field(description="The last run that met it.")
    first_seen_at: datetime
    last_seen_at: datetime
    column_name: str | None = Field(description="The column that it did not fit.")
    reason: str
    page: int | None = Field(description="The page of the source that it came with.")
    status: Status
    closed_at: datetime | None
    closed_by: str | None = Field(description="Who retried or dropped it.")
    note: str | None = Field(description="Why it was dropped.")


class RejectDocument(RejectSummary):
    """A row that did not fit its table, whole, as the source sent it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_EXAMPLE, "value": '"heavy"', "raw": '{"oracle_keys": {"ITEM_NO": "AK-001000"}}'}]
        }
    )

    value: str | None = Field(description="The refused literal, up to 10,000 characters of it.")
    raw: str = Field(description="The whole row.")


class RejectList(BaseModel):
    """A part of the rejected rows, those met last first."""

    items: list[RejectSummary]
    next_cursor: str | None = Field(description="What to send as `cursor` for what follows; null at the end.")


class RejectsQuery(CursorQuery):
    """Which rejected rows of an entity."""

    status: Status | None = Field(
        default=None, description="`open`: still to be dealt with; the others were closed by somebody."
    )
    run_uid: UUID | None = Field(default=None, description="Only those that this run was the last to meet.")
    column: Text | None = Field(default=None, description="Only those that did not fit this column.")

    def filter(self, entity_uid: UUID | None, connector: str | None = None) -> RejectFilter:
        time, uid = position_of(self.cursor) or (None, None)
        return RejectFilter(entity_uid, connector, self.status, self.run_uid, self.column, time, uid)


class AllRejectsQuery(RejectsQuery):
    """Which rejected rows."""

    connector: Text | None = Field(default=None, description="Only those of this connector's entities.")
    entity_uid: UUID | None = Field(default=None, description="Only those of this entity.")


@router.get(
    "/rejects",
    operation_id="listRejects",
    summary="List rejected rows",
    response_model=RejectList,
    responses=linked(listed(problems()), **_OF_FIRST),
    openapi_extra=AllRejectsQuery.described(),
)
async def list_rejects(request: Request, database: UsedDatabase) -> Response:
    """Rows that did not fit their tables, of all entities, those met last first."""
    query = AllRejectsQuery.of(request)
    wanted = query.filter(query.entity_uid, query.connector)
    part = await database.read(lambda connection: list_reject_documents(connection, wanted, limit=query.limit), request)
    return answer(request, part_document(part), headers=cursor_links(request, part.next_place))


@router.get(
    "/entities/{uid}/rejects",
    operation_id="listEntityRejects",
    summary="List the rejected rows of an entity",
    response_model=RejectList,
    responses=linked(listed(problems(404)), **_OF_FIRST),
    openapi_extra=RejectsQuery.described(),
)
async def list_entity_rejects(request: Request, uid: EntityUid, database: UsedDatabase) -> Response:
    """Rows of one entity that did not fit its table, those met last first."""
    query = RejectsQuery.of(request)
    wanted = query.filter(uid)

    def read(connection: Connection) -> Part:
        found = list_reject_documents(connection, wanted, limit=query.limit)
        if not found.items:
            require_entity(connection, uid)
        return found

    part = await database.read(read, request)
    return answer(request, part_document(part), headers=cursor_links(request, part.next_place))


@router.get(
    "/rejects/{uid}",
    operation_id="getReject",
    summary="Show a rejected row",
    response_model=RejectDocument,
    responses=linked(
        tagged(problems(404)), getEntity={"uid": "$response.body#/entity_uid"}, retryReject=_UID, dropReject=_UID
    ),
)
async def get_reject(request: Request, uid: RejectUid, database: UsedDatabase) -> Response:
    """One of them, with the row as the source sent it."""
    document = await database.read(lambda connection: reject_document(connection, uid), request)
    return answer_bytes(request, document.encode())
