"""Specs of services, and the code that was generated from them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Identity,
    Index,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from syncflow_pipelines.database.models.root import Model


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


class CodeGeneration(Model):
    """The newest generation of a service's code that an event tells of."""

    __tablename__ = "code_generations"

    uid = None  # type: ignore[assignment]
    folder: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    """Of all that the code was made from."""
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())
