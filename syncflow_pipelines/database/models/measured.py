"""What is measured of syncs and sources, and what people were alerted of."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, String, func, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from syncflow_pipelines.database.models.root import Model


class SyncTotal(Model):
    """What all syncs of an entity came to, by strategy and outcome; the history forgets, this does not."""

    __tablename__ = "sync_totals"

    uid = None  # type: ignore[assignment]
    entity_uid: Mapped[UUID] = mapped_column(ForeignKey("entities.uid", ondelete="CASCADE"), primary_key=True)
    strategy: Mapped[str] = mapped_column(String(20), primary_key=True)
    status: Mapped[str] = mapped_column(String(20), primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
    duration_counts: Mapped[list[Any]] = mapped_column(ARRAY(BigInteger))
    """Runs by duration, a bucket each, not added up; the bounds are in `sync.totals`."""
    fetched: Mapped[int] = mapped_column(BigInteger)
    inserted: Mapped[int] = mapped_column(BigInteger)
    updated: Mapped[int] = mapped_column(BigInteger)
    unchanged: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[int] = mapped_column(BigInteger)
    rejected: Mapped[int] = mapped_column(BigInteger)
    missing: Mapped[int] = mapped_column(BigInteger)


class SyncErrorTotal(Model):
    """How many syncs of an entity ended with an error of that class."""

    __tablename__ = "sync_error_totals"

    uid = None  # type: ignore[assignment]
    entity_uid: Mapped[UUID] = mapped_column(ForeignKey("entities.uid", ondelete="CASCADE"), primary_key=True)
    error_type: Mapped[str] = mapped_column(String(100), primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)


class SourceTotal(Model):
    """How long a source took to answer the requests of an entity's syncs."""

    __tablename__ = "source_totals"

    uid = None  # type: ignore[assignment]
    entity_uid: Mapped[UUID] = mapped_column(ForeignKey("entities.uid", ondelete="CASCADE"), primary_key=True)
    latency_counts: Mapped[list[Any]] = mapped_column(ARRAY(BigInteger))
    """Requests by latency, a bucket each, not added up; the bounds are in `transport.latencies`."""
    seconds: Mapped[float] = mapped_column(Double)
    failed: Mapped[int] = mapped_column(BigInteger)


class PoolTotal(Model):
    """One row, or none: how often a process found all connections of its pool in use for too long."""

    __tablename__ = "pool_totals"
    __table_args__ = (CheckConstraint("is_only", name="is_only"),)

    uid = None  # type: ignore[assignment]
    is_only: Mapped[bool] = mapped_column(server_default=true(), primary_key=True)
    exhausted: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime]
    last_limit: Mapped[int]


class Alert(Model):
    """Something that is wrong, or was: one open row for each rule and subject."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("alerts_open_idx", "rule", "subject", unique=True, postgresql_where=text("recovered_at IS NULL")),
        Index("alerts_recovered_at_idx", "recovered_at", postgresql_where=text("recovered_at IS NOT NULL")),
    )

    rule: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str]
    severity: Mapped[str] = mapped_column(String(20))
    message: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    recovered_at: Mapped[datetime | None]


class AlertMessage(Model):
    """What one channel was told of one alert."""

    __tablename__ = "alert_messages"

    uid = None  # type: ignore[assignment]
    alert_uid: Mapped[UUID] = mapped_column(ForeignKey("alerts.uid", ondelete="CASCADE"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(100), primary_key=True)
    sent_at: Mapped[datetime | None]
    """The last time that it was told of the alert; null: never yet."""
    recovery_sent_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    """In a row; the next evaluation tries again."""
    error: Mapped[str | None]
