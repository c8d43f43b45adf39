"""What is done about rejected rows: trying them again, or dropping them."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.api.answers import linked, written
from syncflow_pipelines.api.configured import connector_of
from syncflow_pipelines.api.dependencies import Caller, UsedDatabase
from syncflow_pipelines.api.parameters import EntityUid, RejectUid
from syncflow_pipelines.api.problems import RETRY_AFTER_S, problems, refused
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Connection, Database
from syncflow_pipelines.gateway.control.problems import Refused
from syncflow_pipelines.sync.entities import entity_by_uid, find_entity
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.rejects.dropping import DropRequest, drop_rejects
from syncflow_pipelines.sync.rejects.record import find_reject
from syncflow_pipelines.sync.rejects.retry import RetryRequest, retry_rejects

router = APIRouter(tags=["rejects"])

_STATUSES: Final = {"EntityBusy": 409, "UnknownEntity": 404, "DatabaseError": 503, "TableInUse": 503}
_PROBLEMS: Final = problems(404, 409, 413)
_RETRIED: Final = linked(_PROBLEMS, getRun={"uid": "$response.body#/run_uid"})


class RetryDocument(BaseModel):
    """What became of rejected rows that were tried again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entity": "erp/items",
                    "run_uid": "0198a6f3-0b1c-7f10-8a55-6d0f9f6f2c77",
                    "tried": 3,
                    "resolved": 2,
                    "superseded": 0,
                    "open_rejects": 1,
                }
            ]
        }
    )

    entity: str = Field(description="`connector/slug`.")
    run_uid: UUID | None = Field(description="The run that did it; null where there was nothing to try.")
    tried: int
    resolved: int = Field(description="Those that are rejected no more.")
    superseded: int = Field(description="The part of the resolved of which the table holds a later state.")
    open_rejects: int = Field(description="Rejected rows of the entity that are left.")


class DropChoice(BaseModel):
    """Why rows are dropped."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "test data of the source, see ticket 17"}]}
    )

    reason: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")] = Field(
        description="Kept with each row."
    )


class DropDocument(BaseModel):
    """What became of rejected rows that were dropped."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"entity": "erp/items", "dropped": 3, "open_rejects": 0}]}
    )

    entity: str = Field(description="`connector/slug`.")
    dropped: int
    open_rejects: int = Field(description="Rejected rows of the entity that are left.")


@router.post(
    "/rejects/{uid}/retry",
    operation_id="retryReject",
    summary="Try a rejected row again",
    response_model=RetryDocument,
    responses=_RETRIED,
)
async def retry_reject(uid: RejectUid, database: UsedDatabase, caller: Caller) -> Response:
    """Stores the row if it fits its table by now; the source is not asked. Only an open one can be tried."""
    entity = await database.read(lambda connection: _entity_of(connection, uid))
    return await database.work(lambda opened: _retried(opened, database.settings, entity, caller, (uid,)))


@router.post(
    "/entities/{uid}/rejects/retry",
    operation_id="retryEntityRejects",
    summary="Try the rejected rows of an entity again",
    response_model=RetryDocument,
    responses=_RETRIED,
)
async def retry_entity_rejects(uid: EntityUid, database: UsedDatabase, caller: Caller) -> Response:
    """Stores those open rejected rows that fit the table by now; the source is not asked."""
    entity = await database.read(lambda connection: entity_by_uid(connection, uid))
    return await database.work(lambda opened: _retried(opened, database.settings, entity, caller, None))


@router.post(
    "/rejects/{uid}/drop",
    operation_id="dropReject",
    summary="Drop a rejected row",
    response_model=DropDocument,
    responses=_PROBLEMS,
)
async def drop_reject(uid: RejectUid, choice: DropChoice, database: UsedDatabase, caller: Caller) -> Response:
    """Marks it as dealt with, without storing it; it stays on record. Only an open one can be dropped."""
    entity = await database.read(lambda connection: _entity_of(connection, uid))
    return await database.work(lambda opened: _dropped(opened, entity, caller, choice.reason, (uid,)))


@router.post(
    "/entities/{uid}/rejects/drop",
    operation_id="dropEntityRejects",
    summary="Drop the rejected rows of an entity",
    response_model=DropDocument,
    responses=_PROBLEMS,
)
async def drop_entity_rejects(uid: EntityUid, choice: DropChoice, database: UsedDatabase, caller: Caller) -> Response:
    """Marks every open one as dealt with, without storing it; they stay on record."""
    entity = await database.read(lambda connection: entity_by_uid(connection, uid))
    return await database.work(lambda opened: _dropped(opened, entity, caller, choice.reason, None))


def _entity_of(connection: Connection, uid: UUID) -> Entity:
    """The entity of an open rejected row."""
    found = find_reject(connection, uid)
    if found.status != "open":
        raise refused(409, f"rejected row {uid} of {found.entity} was {found.status} already", kind="reject-closed")
    return find_entity(connection, *found.entity.split("/", 1))


def _retried(
    database: Database, settings: Settings, entity: Entity, caller: str, uids: tuple[UUID, ...] | None
) -> Response:
    slug = entity.spec.slug
    history = connector_of(settings, entity.connector).entity(slug).history
    outcome = retry_rejects(database, RetryRequest(entity.connector, slug, caller, uids, history))
    if outcome.sync.error is not None:
        raise _failed(outcome.sync.error, outcome.sync.error_type)
    return _told(
        {
            "entity": outcome.sync.entity,
            "run_uid": outcome.sync.run_uid,
            "tried": outcome.tried,
            "resolved": outcome.resolved,
            "superseded": outcome.superseded,
            "open_rejects": outcome.sync.open_rejects,
        }
    )


def _dropped(database: Database, entity: Entity, caller: str, reason: str, uids: tuple[UUID, ...] | None) -> Response:
    outcome = drop_rejects(database, DropRequest(entity.connector, entity.spec.slug, caller, reason, uids))
    if outcome.error is not None:
        raise _failed(outcome.error, outcome.error_type)
    return _told({"entity": outcome.entity, "dropped": outcome.dropped, "open_rejects": outcome.open_rejects})


def _failed(error: str, error_type: str | None) -> Refused:
    status = _STATUSES.get(error_type or "", 409)
    kind = {"EntityBusy": "entity-busy"}.get(error_type or "")
    later = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 or kind else None
    return refused(status, error, kind=kind, headers=later)


def _told(document: dict[str, Any]) -> Response:
    return Response(written(document), media_type="application/json", headers={"Cache-Control": "no-store"})
