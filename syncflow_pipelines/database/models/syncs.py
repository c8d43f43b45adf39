"""Sources, entities, and what became of their syncs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from syncflow_pipelines.database.models.root import Model


class Connector(Model):
    """A source of entities, as the configuration names it, or as it was registered over the API."""

    __tablename__ = "connectors"
    __table_args__ = (CheckConstraint("managed_by IN ('yaml', 'api')", name="managed_by"),)

    name: Mapped[str] = mapped_column(String(100), unique=True)
    base_url: Mapped[str] = mapped_column(String(500))
    auth_token: Mapped[str | None]
    """Encrypted; only of connectors that are managed over the API, and where it is not kept outside."""
    managed_by: Mapped[str] = mapped_column(String(10), server_default="yaml")
    settings: Mapped[dict[str, Any] | None]
    """What was registered over the API, without a secret."""
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    """Grows with every change over the API."""
    is_active: Mapped[bool] = mapped_column(server_default=true())
    catalogue_digest: Mapped[str | None]
    catalogue_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Entity(Model):
    """One entity of a source: what the source says of it, where it goes, and how its syncs stand."""

    __tablename__ = "entities"
    __table_args__ = (UniqueConstraint("connector_uid", "slug"), UniqueConstraint("target_schema", "target_table"))

    connector_uid: Mapped[UUID] = mapped_column(ForeignKey("connectors.uid", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(100))
    api_name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None]
    delta_strategy: Mapped[str] = mapped_column(String(20), server_default="full")
    """What the source asks for."""
    strategy: Mapped[str] = mapped_column(String(20), server_default="full")
    """What is in force."""
    business_keys: Mapped[list[Any]]
    rowversion_column: Mapped[str | None]
    target_schema: Mapped[str] = mapped_column(String(100))
    target_table: Mapped[str] = mapped_column(String(100))
    columns: Mapped[list[Any]]
    sync_enabled: Mapped[bool] = mapped_column(server_default=true())
    sync_interval_seconds: Mapped[int] = mapped_column(server_default=text("300"))
    is_present: Mapped[bool] = mapped_column(server_default=true())
    gone_at: Mapped[datetime | None]
    schema_error: Mapped[str | None]
    last_sync_at: Mapped[datetime | None]
    last_sync_status: Mapped[str | None] = mapped_column(String(20))
    last_rowversion: Mapped[str | None]
    last_run_uid: Mapped[UUID | None]
    consecutive_failures: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    live_rows: Mapped[int | None] = mapped_column(BigInteger)
    choices: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What was chosen over the API, by the names of `EntityChoices`; it counts where the configuration is silent."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


def _rows_counted() -> Mapped[int]:
    return mapped_column(BigInteger, server_default=text("0"))


class SyncRun(Model):
    """One sync of one entity."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'success', 'failed')", name="status"),
        Index("sync_runs_entity_uid_started_at_idx", "entity_uid", text("started_at DESC")),
        Index("sync_runs_running_idx", "entity_uid", postgresql_where=text("status = 'running'")),
        # The same sync is not asked for twice.
        Index(
            "sync_runs_queued_idx",
            "entity_uid",
            "is_full_refresh",
            "requested_strategy",
            unique=True,
            postgresql_where=text("status = 'queued'"),
            postgresql_nulls_not_distinct=True,
        ),
        Index("sync_runs_started_at_uid_idx", text("started_at DESC"), text("uid DESC")),
    )

    entity_uid: Mapped[UUID] = mapped_column(ForeignKey("entities.uid", ondelete="CASCADE"))
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(20))
    strategy: Mapped[str] = mapped_column(String(20))
    is_full_refresh: Mapped[bool] = mapped_column(server_default=false())
    trigger: Mapped[str] = mapped_column(String(40), server_default="manual")
    dagster_run_id: Mapped[str | None]
    records_fetched: Mapped[int] = _rows_counted()
    records_inserted: Mapped[int] = _rows_counted()
    records_updated: Mapped[int] = _rows_counted()
    records_unchanged: Mapped[int] = _rows_counted()
    records_deleted: Mapped[int] = _rows_counted()
    records_rejected: Mapped[int] = _rows_counted()
    records_missing: Mapped[int] = _rows_counted()
    rowversion_start: Mapped[str | None]
    rowversion_end: Mapped[str | None]
    error_message: Mapped[str | None]
    error_details: Mapped[dict[str, Any] | None]
    details: Mapped[dict[str, Any] | None]
    requested_strategy: Mapped[str | None] = mapped_column(String(20))
    """This and the next three are of runs that were asked for; null: the entity's own strategy."""
    claim: Mapped[UUID | None]
    """Whoever has it may run what is queued; each attempt to start it has one of its own."""
    claimed_at: Mapped[datetime | None]
    claims: Mapped[int] = mapped_column(server_default=text("0"))
    cancel_requested_at: Mapped[datetime | None]
    progress: Mapped[dict[str, Any] | None]
    """How far a running one is; renewed while it runs, null once it has ended."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SyncRequest(Model):
    """A key by which somebody asked for a sync, so that asking again changes nothing."""

    __tablename__ = "sync_requests"
    __table_args__ = (Index(None, "run_uid"),)

    uid = None  # type: ignore[assignment]
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    run_uid: Mapped[UUID] = mapped_column(ForeignKey("sync_runs.uid", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RejectedRow(Model):
    """A row of the source that did not fit its table, kept whole."""

    __tablename__ = "rejected_rows"
    __table_args__ = (
        UniqueConstraint("entity_uid", "row_digest"),
        CheckConstraint("status IN ('open', 'resolved', 'dropped')", name="status"),
        Index(None, "entity_uid", "key_digest"),
        Index("rejected_rows_open_idx", "entity_uid", postgresql_where=text("status = 'open'")),
        Index("rejected_rows_last_seen_at_uid_idx", text("last_seen_at DESC"), text("uid DESC")),
    )

    entity_uid: Mapped[UUID] = mapped_column(ForeignKey("entities.uid", ondelete="CASCADE"))
    run_uid: Mapped[UUID]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    row_digest: Mapped[UUID]
    key_digest: Mapped[UUID | None]
    column_name: Mapped[str | None]
    value: Mapped[str | None]
    reason: Mapped[str]
    raw: Mapped[str]
    page: Mapped[int | None]
    status: Mapped[str] = mapped_column(String(20), server_default="open")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]


class SchemaChange(Model):
    """A difference between a table and what its source said, and what became of it."""

    __tablename__ = "schema_changes"
    __table_args__ = (Index("schema_changes_connector_uid_happened_at_idx", "connector_uid", text("happened_at DESC")),)

    connector_uid: Mapped[UUID] = mapped_column(ForeignKey("connectors.uid", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(100))
    happened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    kind: Mapped[str] = mapped_column(String(40))
    column_name: Mapped[str | None]
    before_type: Mapped[str | None]
    after_type: Mapped[str | None]
    applied: Mapped[bool] = mapped_column(server_default=true())
    message: Mapped[str | None]


class RecordChange(Model):
    """What one sync did to one row of an entity's table, for entities with `history: true`."""

    __tablename__ = "record_changes"
    __table_args__ = (
        CheckConstraint("operation IN ('insert', 'update', 'delete', 'revive')", name="operation"),
        # By a hash of the key: a key may be longer than an index entry can be.
        Index("record_changes_entity_uid_key_idx", "entity_uid", text("jsonb_hash_extended(business_key, 0)")),
        Index(None, "run_uid", "changed_at"),
        Index(None, "changed_at"),
    )

    uid = None  # type: ignore[assignment]
    # No foreign keys: each would be looked up for every row, and the history outlives what it is about.
    entity_uid: Mapped[UUID] = mapped_column(primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    """Grows with every change of an entity."""
    run_uid: Mapped[UUID]
    operation: Mapped[str] = mapped_column(String(10))
    business_key: Mapped[dict[str, Any]]
    old_values: Mapped[dict[str, Any] | None]
    new_values: Mapped[dict[str, Any] | None]
