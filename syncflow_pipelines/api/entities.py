"""`/api/v1/entities`: what was discovered, and how it is synced."""

from typing import Literal

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from syncflow_pipelines.api.answers import answer, answer_bytes, linked, listed, must_match, tagged
from syncflow_pipelines.api.configured import connector_of
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.entity_documents import (
    EntityChange,
    EntityDocument,
    EntityList,
)
from syncflow_pipelines.api.paging import OffsetQuery, offset_links
from syncflow_pipelines.api.parameters import EntityUid, IfMatch, Text
from syncflow_pipelines.api.problems import problems, refused
from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.database import Connection
from syncflow_pipelines.sync.choices import FILE_NAMES, said_by_file
from syncflow_pipelines.sync.choosing import choose, renew_catalogue_state
from syncflow_pipelines.sync.entities import entity_by_uid
from syncflow_pipelines.sync.inspection.entity_list import (
    EntityFilter,
    EntitySort,
    entity_document,
    list_entity_documents,
)
from syncflow_pipelines.sync.model import Entity, Strategy

router = APIRouter(prefix="/entities", tags=["entities"])

_UID = {"uid": "$response.body#/uid"}
_FIRST = {"uid": "$response.body#/items/0/uid"}
_OF_FIRST = {
    "getEntity": _FIRST, "listEntityRuns": _FIRST, "listEntityRejects": _FIRST, "listRecordChanges": _FIRST,
}  # fmt: skip
_OF_THIS = {
    "updateEntity": {**_UID, "If-Match": "$response.header.ETag"},
    "listEntityRuns": _UID,
    "listEntityRejects": _UID,
    "retryEntityRejects": _UID,
}


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


@router.get(
    "",
    operation_id="listEntities",
    summary="List entities",
    response_model=EntityList,
    responses=linked(listed(problems()), **_OF_FIRST),
    openapi_extra=EntityQuery.described(),
)
async def list_entities(request: Request, database: UsedDatabase) -> Response:
    """Every entity that was discovered at some time, those that have gone from their source included."""
    query = EntityQuery.of(request)
    part = await database.read(
        lambda connection: list_entity_documents(
            connection, query.filter(), sort=query.sort, limit=query.limit, offset=query.offset
        ),
        request,
    )
    document = {"items": [orjson.Fragment(item) for item in part.items], "total": part.total}
    return answer(request, document, headers=offset_links(request, query, part.total))


@router.get(
    "/{uid}",
    operation_id="getEntity",
    summary="Show an entity",
    response_model=EntityDocument,
    responses=linked(tagged(problems(404)), **_OF_THIS),
)
async def get_entity(request: Request, uid: EntityUid, database: UsedDatabase) -> Response:
    """One entity, with its columns. Its `ETag` is what a PUT of it has to send as `If-Match`."""
    document = await database.read(lambda connection: entity_document(connection, uid), request)
    return answer_bytes(request, document.encode())


@router.put(
    "/{uid}",
    operation_id="updateEntity",
    summary="Change how an entity is synced",
    response_model=EntityDocument,
    responses=tagged(problems(404, 409, 412, 413, 428)),
)
async def update_entity(
    request: Request, uid: EntityUid, change: EntityChange, database: UsedDatabase, _if_match: IfMatch = None
) -> Response:
    """Changes the interval, the strategy, or whether it is synced by itself; everything else is the source's.

    What an entity's own section of `connectors.yaml` says cannot be changed here: 409 names it.
    """

    def changed(connection: Connection) -> tuple[str, str]:
        entity = entity_by_uid(connection, uid, lock=True)
        must_match(request, entity_document(connection, uid).encode())
        connector = connector_of(database.settings, entity.connector)
        _refuse_what_the_file_says(connector, entity, change)
        choose(connection, connector, entity, change.onto(entity.choices))
        return entity.connector, entity_document(connection, uid)

    name, document = await database.change(changed)
    await database.work(lambda opened: renew_catalogue_state(opened, database.settings, name))
    return answer_bytes(request, document.encode())


def _refuse_what_the_file_says(connector: ConnectorConfig, entity: Entity, change: EntityChange) -> None:
    fixed = [FILE_NAMES[name] for name in sorted(said_by_file(connector, entity.spec.slug) & change.names())]
    if fixed:
        told, file = " and ".join(fixed), "connectors.yaml" if connector.managed_by == "yaml" else "its connector"
        raise refused(
            409,
            f"{file} says {told} of {entity.key}; change it there, or take it out",
            kind="set-by-configuration",
        )
