"""What the tools of SyncFlow answer. Every model is bounded by the tool that fills it."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

Freshness = Literal["fresh", "late", "stale", "never synced"]


class ConnectorAnswer(BaseModel):
    """One source."""

    name: str
    base_url: str
    enabled: bool
    target_schema: str
    sync_interval_seconds: int
    entities: int = Field(description="How many of its entities are known.")
    failing_entities: int = Field(description="How many of them failed their last sync, or cannot be synced.")


class ConnectorList(BaseModel):
    """All sources."""

    connectors: list[ConnectorAnswer]


class EntitySummary(BaseModel):
    """One entity: a table that is kept in step with a source."""

    entity: str = Field(description="connector/entity; its name for every other tool.")
    table: str = Field(description="schema.table in PostgreSQL.")
    description: str | None
    strategy: Literal["full", "rowversion", "hash"]
    enabled: bool
    live_rows: int | None = Field(description="Rows that are not deleted, as counted by the last sync.")
    last_sync_at: datetime | None
    last_sync_status: Literal["running", "success", "failed"] | None
    freshness: Freshness
    age_seconds: int | None = Field(description="Since the last good sync.")
    interval_seconds: int
    consecutive_failures: int
    problem: str | None = Field(description="Why it is not synced, if it is not.")


class EntityList(BaseModel):
    """Some of the entities that were asked for."""

    total: int = Field(description="How many fit, shown or not.")
    entities: list[EntitySummary]
    next_offset: int | None = Field(description="Where the next part begins; null where this is the last.")


class ColumnAnswer(BaseModel):
    """One column of the table."""

    name: str
    type: str
    nullable: bool
    business_key: bool
    source_name: str | None = Field(description="Its name at the source; null where the source has no such column.")
    source_type: str | None
    description: str | None


class IndexAnswer(BaseModel):
    """One index of the table."""

    name: str
    unique: bool
    primary: bool
    definition: str


class EntityDescription(EntitySummary):
    """One entity and its table."""

    name: str = Field(description="What the source calls it.")
    source_strategy: Literal["full", "rowversion", "hash"]
    business_keys: list[str]
    rowversion_column: str | None
    last_rowversion: str | None
    history: bool = Field(description="Whether every change of its rows is recorded.")
    next_attempt_at: datetime | None
    last_error: str | None
    open_rejects: int = Field(description="Rows of the source that did not fit the table.")
    table_exists: bool
    table_comment: str | None
    estimated_rows: int | None = Field(description="By PostgreSQL's statistics, deleted rows included.")
    total_bytes: int | None
    columns: list[ColumnAnswer]
    indexes: list[IndexAnswer]


class CutValueAnswer(BaseModel):
    """A value that is longer than what is shown of it."""

    row: int = Field(description="Its place in `rows`, from 0.")
    column: str
    characters: int = Field(description="Of the whole value.")


class SampleAnswer(BaseModel):
    """Some rows, by business key."""

    entity: str
    rows: list[dict[str, Any]] = Field(
        description="By column. A number that JSON may round is a text with all its digits; a cut value ends in …"
    )
    cut_values: list[CutValueAnswer]
    has_more: bool = Field(description="Whether further rows fit.")


class RunAnswer(BaseModel):
    """One sync of one entity."""

    run: UUID
    entity: str
    status: str
    strategy: str
    full_refresh: bool
    trigger: str
    started_at: datetime
    completed_at: datetime | None
    seconds: float | None
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    error: str | None


class RunList(BaseModel):
    """The newest runs first."""

    runs: list[RunAnswer]


class RunDescription(RunAnswer):
    """One sync, with all that is on record."""

    missing: int = Field(description="Of `deleted`: rows that a whole read did not see.")
    rowversion_start: str | None
    rowversion_end: str | None
    dagster_run_id: str | None
    error_type: str | None
    details: dict[str, Any] | None = Field(description="Pages, bytes, and notes.")


class RejectAnswer(BaseModel):
    """A row of the source that could not be stored, without its values."""

    reject: UUID
    entity: str
    run: UUID
    first_seen_at: datetime
    last_seen_at: datetime
    column: str | None
    reason: str
    status: Literal["open", "resolved", "dropped"]


class RejectList(BaseModel):
    """The newest first."""

    total: int = Field(description="How many there are, shown or not.")
    rejects: list[RejectAnswer]


class RejectDescription(RejectAnswer):
    """One rejected row."""

    value: str | None = Field(description="The refused value as the source sent it; cut where it ends in …")
    page: int | None
    closed_at: datetime | None
    closed_by: str | None
    note: str | None
    row: str | None = Field(description="The whole row as the source sent it, where that was asked for.")
    row_characters: int = Field(description="Of the whole row, shown or not.")


class SchemaChangeAnswer(BaseModel):
    """A difference between a table and its source, and what became of it."""

    happened_at: datetime
    entity: str
    kind: str
    column: str | None
    before: str | None
    after: str | None
    applied: bool = Field(description="False: it was refused, and a person has to decide.")
    message: str | None


class SchemaChangeList(BaseModel):
    """The newest first."""

    changes: list[SchemaChangeAnswer]


class ServiceAnswer(BaseModel):
    """One generated MCP server."""

    service: str = Field(description="Its tools begin with this name and an underscore.")
    status: Literal["served", "failed", "stale"] = Field(
        description="served: as it was generated last; stale: an older one is served, as the newest does not work; "
        "failed: nothing is served."
    )
    tools: int = Field(description="How many it lists; two where it lets search among its operations.")
    problem: str | None


class ServiceList(BaseModel):
    """Every generated MCP server of the project."""

    services: list[ServiceAnswer]
    search: bool = Field(description="Whether the list of tools was too long, so that they are found by searching.")


class SyncAnswer(BaseModel):
    """What a sync of one entity came to."""

    entity: str
    strategy: str
    status: Literal["success", "failed"]
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    seconds: float
    error: str | None
    run: str | None
    notes: list[str]


class SyncList(BaseModel):
    """What the syncs came to, failed ones first."""

    succeeded: int
    failed: int
    not_shown: int = Field(description="Syncs that ended well and are left out of `syncs`.")
    syncs: list[SyncAnswer]


class RetryAnswer(BaseModel):
    """What became of rejected rows that were tried again."""

    entity: str
    status: Literal["success", "failed"]
    tried: int
    resolved: int
    superseded: int = Field(description="Resolved without being stored, as the table holds a later state.")
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    open: int = Field(description="Rejected rows of the entity that are left.")
    seconds: float
    error: str | None
    run: str | None
