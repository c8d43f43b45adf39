"""The sources that SyncFlow reads from, as `connectors.yaml` names them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

T = TypeVar("T")

Strategy = Literal["full", "rowversion", "hash"]


@dataclass(frozen=True, slots=True)
class EntityOverride:
    """What `entities:` says of one entity; None leaves the matter to the connector or the source."""

    enabled: bool | None = None
    sync_interval_seconds: int | None = None
    strategy: Strategy | None = None
    target_schema: str | None = None
    target_table: str | None = None
    page_size: int | None = None
    concurrency: int | None = None
    max_reject_ratio: float | None = None
    min_seen_ratio: float | None = None
    rowversion_overlap: int | None = None


@dataclass(frozen=True, slots=True)
class EntitySettings:
    """How one entity is synced, after its overrides."""

    enabled: bool
    interval_s: int
    strategy: Strategy | None
    """None: the strategy that the source recommends."""
    target_schema: str
    target_table: str | None
    """None: the slug, as a safe identifier."""
    page_size: int
    concurrency: int
    max_reject_ratio: float
    min_seen_ratio: float
    rowversion_overlap: int


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """One source; every setting has been checked."""

    name: str
    base_url: str
    """Without a trailing slash."""
    auth: Auth = NoAuth()
    target_schema: str = ""
    """The connector's name, lower-cased and with `_` for `-`, unless the file says otherwise."""
    sync_interval_seconds: int = 300
    concurrency: int = 4
    """Page requests at once, of one entity."""
    page_size: int = 1000
    timeout_s: float = 60.0
    max_reject_ratio: float = 0.5
    """A sync fails when a larger part of its rows is rejected."""
    min_seen_ratio: float = 0.1
    """A whole read that sees a smaller part of the live rows is not believed."""
    rowversion_overlap: int = 0
    """How far before its cursor a rowversion sync reads: seconds for times, units for counters."""
    max_retry_after_s: float = 120.0
    """A longer `Retry-After` is not waited for."""
    ca_file: Path | None = None
    service: str | None = None
    """The OpenAPI service of the same system."""
    enabled: bool = True
    entities: Mapping[str, EntityOverride] = field(default_factory=dict, hash=False)
    """By slug, exactly as the source spells it."""

    def __post_init__(self) -> None:
        if not self.target_schema:
            object.__setattr__(self, "target_schema", self.name.lower().replace("-", "_"))

    def entity(self, slug: str) -> EntitySettings:
        """How the entity is synced: its override where there is one, else what holds for the connector."""
        override = self.entities.get(slug, EntityOverride())
        return EntitySettings(
            enabled=self.enabled and override.enabled is not False,
            interval_s=_first(override.sync_interval_seconds, self.sync_interval_seconds),
            strategy=override.strategy,
            target_schema=override.target_schema or self.target_schema,
            target_table=override.target_table,
            page_size=_first(override.page_size, self.page_size),
            concurrency=_first(override.concurrency, self.concurrency),
            max_reject_ratio=_first(override.max_reject_ratio, self.max_reject_ratio),
            min_seen_ratio=_first(override.min_seen_ratio, self.min_seen_ratio),
            rowversion_overlap=_first(override.rowversion_overlap, self.rowversion_overlap),
        )


def _first(override: T | None, default: T) -> T:
    return default if override is None else override


def load_connectors(settings: Settings) -> tuple[ConnectorConfig, ...]:
    """The connectors of `connectors.yaml`, in its order; none where there is no such file.

    Raises `ConfigurationError` with every mistake of the file.
    """
    path = settings.config_dir / "connectors.yaml"
    if not path.exists():
        return ()
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return tuple(_connector(entry, settings) for entry in document.get("connectors") or ())


def _connector(entry: dict[str, Any], settings: Settings) -> ConnectorConfig:
    unknown = entry.keys() - {known.name for known in fields(ConnectorConfig)}
    if unknown:
        raise ConfigurationError(f"unknown keys in connectors.yaml: {', '.join(sorted(unknown))}")
    given = {"sync_interval_seconds": settings.default_sync_interval_s, "page_size": settings.max_page_size, **entry}
    given["base_url"] = given["base_url"].rstrip("/")
    given["auth"] = _auth(entry.get("auth") or {"type": "none"}, settings)
    given["entities"] = {slug: EntityOverride(**(said or {})) for slug, said in (entry.get("entities") or {}).items()}
    return ConnectorConfig(**given)


def _auth(entry: dict[str, Any], settings: Settings) -> Auth:
    said = {key: value for key, value in entry.items() if key != "type"}
    for key in ("token_file", "value_file"):
        if key in said:
            said[key] = settings.config_dir.parent / said[key]
    if entry["type"] == "bearer":
        return BearerAuth(**said, environment=settings.environment)
    if entry["type"] == "header":
        return HeaderAuth(**said, environment=settings.environment)
    return NoAuth()
