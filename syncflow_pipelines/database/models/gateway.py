"""Endpoints of the gateway, and how they stand."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    String,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from syncflow_pipelines.database.models.root import Model


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
