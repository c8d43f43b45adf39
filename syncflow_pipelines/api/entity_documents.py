"""Entities as the API tells them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from syncflow_pipelines.sync.inspection.entity_list import EntityLine


class EntitySummary(BaseModel):
    """An entity of a source: where it goes, and how its syncs stand."""

    uid: UUID
    entity: str = Field(description="`connector/slug`, its name on the command line.", examples=["erp/items"])
    connector: str
    connector_uid: UUID
    slug: str = Field(description="As the source spells it.")
    api_name: str = Field(description="The source's name of it, for people.")
    description: str | None
    delta_strategy: str = Field(description="How the source asks to be synced: `full`, `rowversion` or `hash`.")
    strategy: str = Field(description="How it is synced.")
    business_keys: list[str] = Field(description="Columns that tell one row from another.")
    rowversion_column: str | None
    target_schema: str
    target_table: str
    sync_enabled: bool = Field(description="Whether it is synced by itself.")
    sync_interval_seconds: int
    is_present: bool = Field(description="False once the source stopped offering it.")
    gone_at: datetime | None = Field(description="When it did.")
    schema_error: str | None = Field(
        description="Why its columns cannot follow the source; it is not synced until then."
    )
    last_sync_at: datetime | None = Field(description="When the last sync that succeeded ended.")
    last_sync_status: str | None = Field(description="`success`, `failed` or `running`; null before the first.")
    last_rowversion: str | None
    last_run_uid: UUID | None
    consecutive_failures: int
    next_attempt_at: datetime | None = Field(description="Until then it is not tried again by itself.")
    live_rows: int | None = Field(description="Rows of the table that are not deleted, as the last sync counted them.")
    is_due: bool = Field(description="Whether its next sync is to begin now.")
    created_at: datetime
    updated_at: datetime


class EntityDocument(EntitySummary):
    """An entity with its columns."""


class EntityList(BaseModel):
    """A part of the list of entities."""

    items: list[EntitySummary]
    total: int = Field(description="How many the whole list has.")


def line_document(line: EntityLine) -> dict[str, Any]:
    return {
        "uid": line.uid,
        "entity": line.entity,
        "connector": line.connector,
        "connector_uid": line.connector_uid,
        "slug": line.slug,
        "api_name": line.api_name,
        "description": line.description,
        "delta_strategy": line.delta_strategy,
        "strategy": line.strategy,
        "business_keys": line.business_keys,
        "rowversion_column": line.rowversion_column,
        "target_schema": line.target_schema,
        "target_table": line.target_table,
        "sync_enabled": line.sync_enabled,
        "sync_interval_seconds": line.sync_interval_seconds,
        "is_present": line.is_present,
        "gone_at": line.gone_at,
        "schema_error": line.schema_error,
        "last_sync_at": line.last_sync_at,
        "last_sync_status": line.last_sync_status,
        "last_rowversion": line.last_rowversion,
        "last_run_uid": line.last_run_uid,
        "consecutive_failures": line.consecutive_failures,
        "next_attempt_at": line.next_attempt_at,
        "live_rows": line.live_rows,
        "is_due": line.is_due,
        "created_at": line.created_at,
        "updated_at": line.updated_at,
    }
