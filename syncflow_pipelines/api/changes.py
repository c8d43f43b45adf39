"""`/api/v1/changes`: how tables and their sources came apart and together; and what syncs did to rows."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.api.answers import answer, listed
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.paging import (
    CursorQuery,
    cursor_links,
    cursor_of,
    numbered_position_of,
    part_document,
    position_of,
)
from syncflow_pipelines.api.parameters import EntityUid, Moment, Text
from syncflow_pipelines.api.problems import problems, refused
from syncflow_pipelines.database import Connection
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.entities import entity_by_uid
from syncflow_pipelines.sync.history.changes import ChangeFilter, RecordChange, list_changes
from syncflow_pipelines.sync.history.recording import Operation
from syncflow_pipelines.sync.inspection.schema_change_list import SchemaChangeFilter, list_schema_change_documents
from syncflow_pipelines.sync.model import SchemaChangeKind

router = APIRouter(tags=["changes"])

KeyPart = Annotated[str, Field(max_length=1000, pattern=r"^[^=\x00]+=[^\x00]*$")]


class SchemaChangeDocument(BaseModel):
    """A difference between a table and what its source said, and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uid": "0198a6f5-2a31-7b4c-8d21-9c0e5a7f3b44",
                    "entity_uid": "0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10",
                    "entity": "erp/items",
                    "happened_at": "2026-03-01T12:00:00Z",
                    "kind": "column_widened",
                    "column_name": "item_description",
                    "before_type": "character varying(40)",
                    "after_type": "character varying(80)",
                    "applied": True,
                    "message": None,
                }
            ]
        }
    )

    uid: UUID
    entity_uid: UUID | None = Field(description="Null where the entity was removed since.")
    entity: str = Field(description="`connector/slug`.")
    happened_at: datetime
    kind: SchemaChangeKind
    column_name: str | None
    before_type: str | None
    after_type: str | None
    applied: bool = Field(description="False: it was refused, and a person has to decide.")
    message: str | None


class SchemaChangeList(BaseModel):
    """A part of the record of changes, the newest first."""

    items: list[SchemaChangeDocument]
    next_cursor: str | None = Field(description="What to send as `cursor` for what follows; null at the end.")


class SchemaChangesQuery(CursorQuery):
    """Which changes of tables."""

    connector: Text | None = Field(default=None, description="Only those of this connector's entities.")
    entity_uid: UUID | None = Field(default=None, description="Only those of this entity.")
    kind: SchemaChangeKind | None = Field(default=None, description="Only those of this kind.")
    applied: bool | None = Field(default=None, description="Only those that were made, or were refused.")
    since: Moment | None = Field(default=None, description="Only those since then.")

    def filter(self) -> SchemaChangeFilter:
        time, uid = position_of(self.cursor) or (None, None)
        return SchemaChangeFilter(self.connector, self.entity_uid, self.kind, self.applied, self.since, time, uid)


class RecordChangeDocument(BaseModel):
    """What one sync did to one row."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 4711,
                    "run_uid": "0198a6f3-0b1c-7f10-8a55-6d0f9f6f2c77",
                    "changed_at": "2026-03-01T12:00:00Z",
                    "operation": "update",
                    "business_key": {"item_number": "AK-001000"},
                    "old_values": {"weight_per_unit": 1.25},
                    "new_values": {"weight_per_unit": 1.3},
                }
            ]
        }
    )

    id: int = Field(description="Grows with every change of the entity.")
    run_uid: UUID
    changed_at: datetime
    operation: Operation
    business_key: dict[str, Any]
    old_values: dict[str, Any] | None = Field(description="Of an update: the columns that changed.")
    new_values: dict[str, Any] | None


class RecordChangeList(BaseModel):
    """A part of the changes of an entity's rows, the newest first."""

    items: list[RecordChangeDocument]
    next_cursor: str | None = Field(description="What to send as `cursor` for what follows; null at the end.")


class RecordChangesQuery(CursorQuery):
    """Which changes of rows."""

    key: list[KeyPart] = Field(
        default=[],
        max_length=32,
        description="`column=value` of the business key; once for each column.",
        examples=[["item_number=AK-001000"]],
    )
    run_uid: UUID | None = Field(default=None, description="Only those of this run.")
    since: Moment | None = Field(default=None, description="Only those since then.")
    operation: Operation | None = Field(default=None, description="Only those of this kind.")

    @classmethod
    def repeated(cls) -> frozenset[str]:
        return frozenset({"key"})

    def filter(self) -> ChangeFilter:
        key = dict(part.split("=", 1) for part in self.key)
        return ChangeFilter(key, self.run_uid, self.since, self.operation, numbered_position_of(self.cursor))


@router.get(
    "/changes",
    operation_id="listSchemaChanges",
    summary="List changes of tables",
    response_model=SchemaChangeList,
    responses=listed(problems()),
    openapi_extra=SchemaChangesQuery.described(),
)
async def list_schema_changes(request: Request, database: UsedDatabase) -> Response:
    """What discoveries changed, or refused to change, because a source now says something else."""
    query = SchemaChangesQuery.of(request)
    wanted = query.filter()
    part = await database.read(
        lambda connection: list_schema_change_documents(connection, wanted, limit=query.limit), request
    )
    return answer(request, part_document(part), headers=cursor_links(request, part.next_place))


@router.get(
    "/entities/{uid}/record-changes",
    operation_id="listRecordChanges",
    summary="List changes of an entity's rows",
    response_model=RecordChangeList,
    responses=listed(problems(404)),
    openapi_extra=RecordChangesQuery.described(),
)
async def list_record_changes(request: Request, uid: EntityUid, database: UsedDatabase) -> Response:
    """What syncs changed in the rows of an entity with `history: true`; numbers as PostgreSQL keeps them."""
    query = RecordChangesQuery.of(request)
    wanted = query.filter()
    found = await database.read(lambda connection: _record_changes(connection, uid, wanted, query.limit + 1))
    lines, has_more = found[: query.limit], len(found) > query.limit
    place = f"{lines[-1].changed_at.isoformat()}|{lines[-1].id}" if has_more else None
    document = {"items": [_record_change(line) for line in lines], "next_cursor": cursor_of(place)}
    return answer(request, document, headers=cursor_links(request, place))


def _record_changes(connection: Connection, uid: UUID, wanted: ChangeFilter, limit: int) -> tuple[RecordChange, ...]:
    entity = entity_by_uid(connection, uid)
    try:
        return list_changes(connection, entity, wanted, limit=limit)
    except UnknownEntity as error:  # a key that no row of it can have
        mistake = {"loc": ["query", "key"], "msg": "This is no business key of the entity"}
        keys = ", ".join(entity.spec.business_keys)
        raise refused(422, f"mend query.key: the key of {entity.key} is {keys}", errors=[mistake]) from error


def _record_change(change: RecordChange) -> dict[str, Any]:
    """What PostgreSQL wrote is taken over as it is, so no number is rounded."""
    return {
        "id": change.id,
        "run_uid": change.run_uid,
        "changed_at": change.changed_at,
        "operation": change.operation,
        "business_key": orjson.Fragment(change.business_key),
        "old_values": orjson.Fragment(change.old_values or "null"),
        "new_values": orjson.Fragment(change.new_values or "null"),
    }
