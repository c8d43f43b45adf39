"""Connectors as the API tells them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, HeaderAuth, NoAuth, Settings
from syncflow_pipelines.config.managed_connectors import managed_connector
from syncflow_pipelines.config.sealed_secrets import SealedSecret
from syncflow_pipelines.config.secret_references import ReferencedSecret
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.managed import ConnectorLine
from syncflow_pipelines.sync.model import DiscoveryReport


class AuthDocument(BaseModel):
    """Who SyncFlow is to the source; never the secret."""

    type: Literal["none", "bearer", "header"]
    name: str | None = Field(default=None, description="Of the header.", examples=["X-Api-Key"])
    prefix: str | None = Field(default=None, description="Of the header's value.")
    reference: str | None = Field(
        default=None, description="Where the secret stands: `env:NAME` or `file:PATH`.", examples=["env:ERP_TOKEN"]
    )
    is_kept: bool = Field(description="Whether the secret is kept here, encrypted.")


class ConnectorDocument(BaseModel):
    """A source, and how it is read. The settings are null for a connector that connectors.yaml has given up."""

    uid: UUID
    name: str = Field(examples=["erp"])
    base_url: str = Field(examples=["https://erp.example.com"])
    enabled: bool
    managed_by: Literal["yaml", "api"] = Field(description="Who may change it: connectors.yaml, or this API.")
    problem: str | None = Field(description="Why it cannot be used as it is.")
    auth: AuthDocument | None
    target_schema: str | None
    sync_interval_seconds: int | None
    concurrency: int | None
    page_size: int | None
    timeout_s: float | None
    max_reject_ratio: float | None
    min_seen_ratio: float | None
    rowversion_overlap: int | None
    history: bool | None
    max_retry_after_s: float | None
    ca_file: str | None
    service: str | None
    via: str | None = Field(description="The endpoint of the gateway through which it is asked.")
    entities: dict[str, dict[str, Any]] | None = Field(description="What is said of single entities, by slug.")
    entity_count: int = Field(description="Entities that it offers, as it was discovered last.")
    discovered_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


class ConnectorList(BaseModel):
    """A part of the list of connectors."""

    items: list[ConnectorDocument]
    total: int = Field(description="How many the whole list has.")


class ConnectorAnswer(BaseModel):
    """What a test of a source came to."""

    ok: bool = Field(description="Whether the source answers, and takes our credentials.")
    told: str = Field(description="What happened, in a sentence.", examples=["answers"])
    entities: int | None = Field(description="How many it offers.")
    latency_ms: float | None = Field(description="How long it took to tell its health.")


class FoundDocument(BaseModel):
    """Something in a catalogue that cannot be used, or only with care."""

    severity: Literal["error", "warning"]
    entity: str | None
    column: str | None
    message: str


class DiscoveryDocument(BaseModel):
    """What a discovery found and did."""

    connector: str
    entities: list[str] = Field(description="Slugs in use after it.")
    added: list[str]
    changed: list[str]
    gone: list[str]
    refused: dict[str, str] = Field(description="Slug to the reason why its change of columns was not applied.")
    findings: list[FoundDocument]
    seconds: float


_SETTINGS = (
    "target_schema", "sync_interval_seconds", "concurrency", "page_size", "timeout_s", "max_reject_ratio",
    "min_seen_ratio", "rowversion_overlap", "history", "max_retry_after_s", "service", "via",
)  # fmt: skip


def connector_document(
    line: ConnectorLine, configured: Sequence[ConnectorConfig], settings: Settings
) -> dict[str, Any]:
    """The document of a connector of the table."""
    config, problem = _config(line, configured, settings)
    said = {name: getattr(config, name) if config else None for name in _SETTINGS}
    return {
        "uid": line.uid,
        "name": line.name,
        "base_url": line.base_url,
        "enabled": line.is_active,
        "managed_by": line.managed_by,
        "problem": problem,
        "auth": _auth_document(config) if config else None,
        **said,
        "ca_file": str(config.ca_file) if config and config.ca_file else None,
        "entities": {slug: _said(asdict(one)) for slug, one in config.entities.items()} if config else None,
        "entity_count": line.entities,
        "discovered_at": line.catalogue_at,
        "revision": line.revision,
        "created_at": line.created_at,
        "updated_at": line.updated_at,
    }


def discovery_document(report: DiscoveryReport) -> dict[str, Any]:
    return {
        "connector": report.connector,
        "entities": list(report.entities),
        "added": list(report.added),
        "changed": list(report.changed),
        "gone": list(report.gone),
        "refused": dict(report.refused),
        "findings": [asdict(finding) for finding in report.findings],
        "seconds": round(report.seconds, 3),
    }


def _config(
    line: ConnectorLine, configured: Sequence[ConnectorConfig], settings: Settings
) -> tuple[ConnectorConfig | None, str | None]:
    if line.managed_by == "yaml":
        found = next((one for one in configured if one.name == line.name), None)
        return found, None if found else "connectors.yaml does not name it any more; its entities are not synced"
    try:
        config = managed_connector(
            line.name, line.base_url, line.is_active, line.settings or {}, settings, uid=str(line.uid), sealed=None
        )
    except ConfigurationError as error:
        return None, str(error)
    return config, None


def _auth_document(config: ConnectorConfig) -> dict[str, Any]:
    match config.auth:
        case NoAuth():
            return {"type": "none", "name": None, "prefix": None, "reference": None, "is_kept": False}
        case BearerAuth() as bearer:
            return {"type": "bearer", "name": None, "prefix": None, **_secret(bearer)}
        case HeaderAuth() as header:
            return {"type": "header", "name": header.name, "prefix": header.prefix, **_secret(header)}


def _secret(auth: BearerAuth | HeaderAuth) -> dict[str, Any]:
    source = auth.secret()
    if isinstance(source, SealedSecret):
        return {"reference": None, "is_kept": True}
    if isinstance(source, ReferencedSecret):
        return {"reference": source.reference, "is_kept": False}
    where = f"file:{source.file}" if source.file else f"env:{source.variable}"
    return {"reference": where, "is_kept": False}


def _said(override: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in override.items() if value is not None}
