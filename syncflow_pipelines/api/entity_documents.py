"""Entities as the API tells them, and what it is told of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from syncflow_pipelines.config.variables import LONGEST_INTERVAL_S
from syncflow_pipelines.sync.model import EntityChoices, Strategy

RunStatus = Literal["queued", "running", "success", "failed"]

Seconds = Annotated[
    int,
    Field(ge=1, le=LONGEST_INTERVAL_S),
    BeforeValidator(lambda value: int(value) if _is_whole(value) else value),
]
"""A number that JSON may write as `60.0`, and never as text."""

_EXAMPLE: dict[str, Any] = {
    "uid": "0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10",
    "entity": "erp/items",
    "connector": "erp",
    "connector_uid": "0198a6f2-1f00-7d2e-9b7c-2f1f5f0d3a11",
    "slug": "items",
    "api_name": "Items",
    "description": "Product master data",
    "delta_strategy": "rowversion",
    "strategy": "rowversion",
    "business_keys": ["item_number"],
    "rowversion_column": "erp_rowversion",
    "target_schema": "erp",
    "target_table": "items",
    "sync_enabled": True,
    "sync_interval_seconds": 300,
    "is_present": True,
    "gone_at": None,
    "schema_error": None,
    "last_sync_at": "2026-03-01T12:00:00Z",
    "last_sync_status": "success",
    "last_rowversion": "000000004211",
    "last_run_uid": "0198a6f3-0b1c-7f10-8a55-6d0f9f6f2c77",
    "consecutive_failures": 0,
    "next_attempt_at": None,
    "live_rows": 5000,
    "is_due": False,
    "created_at": "2026-02-01T08:00:00Z",
    "updated_at": "2026-03-01T12:00:00Z",
}
_COLUMN_EXAMPLE: dict[str, Any] = {
    "name": "ITEM_NO",
    "alias": "item_number",
    "identifier": "item_number",
    "data_type": "VARCHAR2(50)",
    "pg_type": "character varying(50)",
    "is_nullable": False,
    "is_business_key": True,
    "description": "Number of the item",
}


class EntitySummary(BaseModel):
    """An entity of a source: where it goes, and how its syncs stand."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    uid: UUID
    entity: str = Field(description="`connector/slug`, its name on the command line.")
    connector: str
    connector_uid: UUID
    slug: str = Field(description="As the source spells it.")
    api_name: str = Field(description="The source's name of it, for people.")
    description: str | None
    delta_strategy: Strategy = Field(description="How the source asks to be synced.")
    strategy: Strategy = Field(description="How it is synced.")
    business_keys: list[str] = Field(description="Columns that tell one row from another.")
    rowversion_column: str | None
    target_schema: str
    target_table: str
    sync_enabled: bool = Field(description="Whether it is synced by itself.")
    sync_interval_seconds: int
    is_present: bool = Field(description="False once the source stopped offering it.")
    gone_at: datetime | None = Field(description="When it did.")
    schema_error: str | None = Field(description="Why its columns cannot follow the source, so that it is not synced.")
    last_sync_at: datetime | None = Field(description="When the last sync that succeeded ended.")
    last_sync_status: RunStatus | None = Field(description="Null before the first sync.")
    last_rowversion: str | None
    last_run_uid: UUID | None
    consecutive_failures: int
    next_attempt_at: datetime | None = Field(description="Until then it is not tried again by itself.")
    live_rows: int | None = Field(description="Rows of the table that are not deleted, as the last sync counted them.")
    is_due: bool = Field(description="Whether its next sync is to begin now.")
    created_at: datetime
    updated_at: datetime


class ColumnDocument(BaseModel):
    """A column of an entity, at its source and in its table."""

    name: str = Field(description="The source's own name.")
    alias: str = Field(description="Its key in the source's rows.")
    identifier: str = Field(description="The column in PostgreSQL.")
    data_type: str = Field(description="The source's type.")
    pg_type: str = Field(description="PostgreSQL's.")
    is_nullable: bool
    is_business_key: bool
    description: str | None


class ChoicesDocument(BaseModel):
    """What was chosen over the API. Null: what the configuration or the source says counts."""

    sync_enabled: bool | None
    sync_interval_seconds: int | None
    strategy: Strategy | None


class EntityDocument(EntitySummary):
    """An entity with its columns, and with what was chosen for it over the API."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "columns": [_COLUMN_EXAMPLE],
                    "choices": {"sync_enabled": None, "sync_interval_seconds": 600, "strategy": None},
                    "open_rejects": 0,
                }
            ]
        }
    )

    columns: list[ColumnDocument]
    choices: ChoicesDocument
    open_rejects: int = Field(description="Rows that did not fit the table, and that nobody has dealt with.")


class EntityList(BaseModel):
    """A part of the list of entities."""

    items: list[EntitySummary]
    total: int = Field(description="How many the whole list has.")


class EntityChange(BaseModel):
    """What is to be changed of an entity. A member that is left out stays as it is; null takes back what was chosen."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"sync_interval_seconds": 600}, {"sync_enabled": False}, {"strategy": None}]},
    )

    sync_enabled: bool | None = Field(default=None, description="Whether it is synced by itself.")
    sync_interval_seconds: Seconds | None = Field(default=None, description="How long after one sync the next is due.")
    strategy: Strategy | None = Field(default=None, description="`rowversion` needs row versions from the source.")

    def onto(self, choices: EntityChoices) -> EntityChoices:
        """The choices with this change made to them."""
        said = self.model_fields_set
        return EntityChoices(
            self.sync_enabled if "sync_enabled" in said else choices.enabled,
            self.sync_interval_seconds if "sync_interval_seconds" in said else choices.interval_s,
            self.strategy if "strategy" in said else choices.strategy,
        )

    def names(self) -> set[str]:
        """What it chooses, by the names of `EntityChoices`; what it takes back is not among them."""
        said = EntityChoices(self.sync_enabled, self.sync_interval_seconds, self.strategy)
        return {name for name in ("enabled", "interval_s", "strategy") if getattr(said, name) is not None}


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()
