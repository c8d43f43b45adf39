"""`/api/v1/entities`: what was discovered, and how it is synced."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from fastapi import Query as QueryParameters
from fastapi.responses import Response
from pydantic import Field

from syncflow_pipelines.api.answers import answer
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.entity_documents import EntityDocument, EntityList, line_document
from syncflow_pipelines.api.paging import OffsetQuery, offset_links
from syncflow_pipelines.api.problems import problems
from syncflow_pipelines.sync.inspection.entity_list import (
    EntityFilter,
    EntitySort,
    find_entity_line,
    list_entity_lines,
)
from syncflow_pipelines.sync.model import Strategy

router = APIRouter(prefix="/entities", tags=["entities"])

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
EntityUid = Annotated[UUID, Path(description="The uid of an entity, as the list has it.")]


class EntityQuery(OffsetQuery):
    """Which entities, in which order."""

    connector: Text | None = Field(default=None, description="Only those of this connector.", examples=["erp"])
    status: Literal["success", "failed", "running", "never"] | None = Field(
        default=None, description="Only those whose last sync ended so; `never`: there was none."
    )
    strategy: Strategy | None = Field(default=None, description="Only those that are synced so.")
    enabled: bool | None = Field(default=None, description="Only those that are synced by themselves, or are not.")
    present: bool | None = Field(default=None, description="Only those that their source offers, or no longer does.")
    due: bool | None = Field(default=None, description="Only those whose next sync is to begin now, or is not.")
    q: Text | None = Field(default=None, description="Part of its name, its table or its description, in any case.")
    sort: EntitySort = Field(default="entity", description="By what; `-`: the largest first.")

    def filter(self) -> EntityFilter:
        return EntityFilter(self.connector, self.status, self.strategy, self.enabled, self.present, self.due, self.q)


@router.get("", operation_id="listEntities", summary="List entities", response_model=EntityList, responses=problems())
async def list_entities(
    request: Request, query: Annotated[EntityQuery, QueryParameters()], database: UsedDatabase
) -> Response:
    """Every entity that was discovered at some time, those that have gone from their source included."""
    part = await database.read(
        lambda connection: list_entity_lines(
            connection, query.filter(), sort=query.sort, limit=query.limit, offset=query.offset
        )
    )
    document = {"items": [line_document(line) for line in part.lines], "total": part.total}
    return answer(request, document, headers=offset_links(request, query, part.total))


@router.get(
    "/{uid}", operation_id="getEntity", summary="Show an entity", response_model=EntityDocument, responses=problems(404)
)
async def get_entity(request: Request, uid: EntityUid, database: UsedDatabase) -> Response:
    """One entity, with its columns. Its `ETag` is what a PUT of it has to send as `If-Match`."""
    line = await database.read(lambda connection: find_entity_line(connection, uid))
    return answer(request, line_document(line))
