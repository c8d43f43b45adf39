"""What happened, and who was told of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from syncflow_pipelines.database.models.root import Model


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
