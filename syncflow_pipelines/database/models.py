"""SyncFlow's own tables, as SQLAlchemy models.

They carry no schema: every connection has `search_path` set to the schema of the settings, `bridge` by
default. The migrations build them; a test holds the two against each other.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Model(DeclarativeBase):
    """The root of the tables; its `metadata` is what the migrations are compared with."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: Integer(),
        float: Double(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        bytes: LargeBinary(),
    }

    uid: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid(), sort_order=-1)


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


class Spec(Model):
    """How a service's OpenAPI spec stands."""

    __tablename__ = "specs"

    service: Mapped[str] = mapped_column(String(100), unique=True)
    checksum: Mapped[str | None]
    """This and the following are null as long as no look at the spec has succeeded."""
    contract: Mapped[str | None]
    fetched_at: Mapped[datetime | None]
    """The last look that succeeded, changed or not."""
    changed_at: Mapped[datetime | None]
    spec_file: Mapped[str | None]
    url: Mapped[str | None]
    written_as: Mapped[str | None]
    operations: Mapped[int | None]
    findings: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    error: Mapped[str | None]
    """Why the last look failed; null where it did not."""
    error_type: Mapped[str | None]
    failed_at: Mapped[datetime | None]


class SpecVersion(Model):
    """One version of a service's spec. The same one is there again where a spec went back to what it was."""

    __tablename__ = "spec_versions"
    __table_args__ = (Index(None, "service", "id"),)

    uid = None  # type: ignore[assignment]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    service: Mapped[str] = mapped_column(String(100))
    checksum: Mapped[str]
    contract: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    form: Mapped[bytes]
    """The inner form, as zstd."""
    document: Mapped[bytes]
    """The document as it was fetched and bundled, as zstd: what the inner form can be made of again."""


class SpecVerdict(Model):
    """Whether a version of a service's spec is accepted: whether its callers are known to be well."""

    __tablename__ = "spec_verdicts"
    __table_args__ = (Index(None, "service", "version"),)

    uid = None  # type: ignore[assignment]
    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Of `spec_versions`, which forgets old ones."""
    service: Mapped[str] = mapped_column(String(100))
    contract: Mapped[str]
    is_accepted: Mapped[bool]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    """Null where the comparison with the last accepted version decided."""
    note: Mapped[str | None]


class Event(Model):
    """Something that happened, recorded in the transaction that made it happen."""

    __tablename__ = "events"
    __table_args__ = (
        # None on event_id: it would cost every event more than the rare look for one.
        Index("events_seq_idx", "seq", unique=True),
        Index("events_without_seq_idx", "id", postgresql_where=text("seq IS NULL")),
    )

    uid = None  # type: ignore[assignment]
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    """Grows as events are written, which is not the order in which they are committed."""
    seq: Mapped[int | None] = mapped_column(BigInteger)
    """The order in which they are delivered, without gaps; given once the event is committed."""
    event_id: Mapped[str]
    source: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    time: Mapped[datetime]
    data: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EventSequence(Model):
    """One row: where the order of events stands. Whoever orders events holds its lock."""

    __tablename__ = "event_sequence"
    __table_args__ = (CheckConstraint("is_only", name="is_only"),)

    uid = None  # type: ignore[assignment]
    is_only: Mapped[bool] = mapped_column(server_default=true(), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The highest `seq` that was given."""


class EventSubscriber(Model):
    """Somebody who is told of events, by name, and how far."""

    __tablename__ = "event_subscribers"

    uid = None  # type: ignore[assignment]
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    types: Mapped[list[Any]]
    """Of the events; empty: all."""
    position: Mapped[int] = mapped_column(BigInteger)
    """Events up to this `seq` were delivered, or stand in `event_troubles`."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    missed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Events that were removed for their age before it had them."""


class EventTrouble(Model):
    """An event that a subscriber has not had, though its position is beyond it."""

    __tablename__ = "event_troubles"
    __table_args__ = (
        Index("event_troubles_open_idx", "subscriber", "subject", "seq", postgresql_where=text("parked_at IS NULL")),
        Index("event_troubles_seq_idx", "seq"),
    )

    uid = None  # type: ignore[assignment]
    subscriber: Mapped[str] = mapped_column(
        String(100), ForeignKey("event_subscribers.name", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    subject: Mapped[str]
    attempts: Mapped[int]
    """0 where it waits behind an earlier event of its subject."""
    next_attempt_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    error: Mapped[str | None]


class CodeGeneration(Model):
    """The newest generation of a service's code that an event tells of."""

    __tablename__ = "code_generations"

    uid = None  # type: ignore[assignment]
    folder: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """Of all that the code was made from."""
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GatewayEndpoint(Model):
    """What one of those who may register endpoints of the gateway has said of one."""

    __tablename__ = "gateway_endpoints"
    __table_args__ = (
        CheckConstraint("origin IN ('file', 'api', 'service')", name="origin"),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
    )

    uid = None  # type: ignore[assignment]
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[str] = mapped_column(String(40), primary_key=True)
    origin: Mapped[str] = mapped_column(String(20), primary_key=True)
    """Of several for one version, the file goes before the API, and that before the service."""
    said: Mapped[dict[str, Any]]
    digest: Mapped[str]
    status: Mapped[str] = mapped_column(String(20))
    activation: Mapped[int] = mapped_column(BigInteger)
    """Of the versions of a name, the one with the highest is current."""
    revision: Mapped[int] = mapped_column(BigInteger)
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class GatewayRegistry(Model):
    """One row: how the registry of the gateway stands. Whoever changes an endpoint holds its lock."""

    __tablename__ = "gateway_registry"
    __table_args__ = (CheckConstraint("is_only", name="is_only"),)

    uid = None  # type: ignore[assignment]
    is_only: Mapped[bool] = mapped_column(server_default=true(), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Grows with every change."""
    file_digest: Mapped[str | None]
    synced_at: Mapped[datetime | None]
    has_services: Mapped[bool] = mapped_column(server_default=false())


class GatewayHealth(Model):
    """How an endpoint of the gateway stands, by the checks of whichever process makes them."""

    __tablename__ = "gateway_health"
    __table_args__ = (CheckConstraint("health IN ('unknown', 'healthy', 'unhealthy', 'disabled')", name="health"),)

    uid = None  # type: ignore[assignment]
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)
    is_current: Mapped[bool]
    """Whether the name without a version leads to it."""
    health: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime]
    is_good: Mapped[bool | None]
    """How the last check ended; null where there was none."""
    consecutive: Mapped[int] = mapped_column(server_default=text("0"))
    """Checks in a row that ended so."""
    last_error: Mapped[str | None]
    """Of the last check; null where it ended well."""
    last_checked_at: Mapped[datetime | None]
    latency_ms: Mapped[float | None]
    revision: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """Another one with every change of `health`; no two rows share one, and none comes again."""


class GatewayBreaker(Model):
    """How the breaker of an endpoint stands in one process of the gateway, which tells so every few seconds."""

    __tablename__ = "gateway_breakers"
    __table_args__ = (CheckConstraint("state IN ('closed', 'open', 'half_open')", name="state"),)

    uid = None  # type: ignore[assignment]
    process: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[str] = mapped_column(String(100), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    consecutive_failures: Mapped[int]
    opened_at: Mapped[datetime | None]
    times_opened: Mapped[int] = mapped_column(BigInteger)
    """Since the process began, as the next."""
    refused: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
