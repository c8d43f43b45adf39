"""The sources that SyncFlow reads from, and how each of their entities is synced."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from syncflow_pipelines.config.auth import Auth, NoAuth

T = TypeVar("T")

Strategy = Literal["full", "rowversion", "hash"]


@dataclass(frozen=True, slots=True)
class EntityOverride:
    """What the file says of one entity; None leaves the matter to the connector or the source."""

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
    history: bool | None = None


@dataclass(frozen=True, slots=True)
class EntitySettings:
    """How one entity is synced, its override taken into account. `ConnectorConfig` says what the numbers mean."""

    enabled: bool
    """False also where the whole connector is not enabled."""
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
    history: bool


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """One source. From `load_connectors`, every setting has been checked."""

    name: str
    """A letter, then letters, digits, `_` and `-`; no two connectors differ in case or in `-` and `_` alone."""
    base_url: str
    """http or https, without a trailing slash."""
    auth: Auth = field(default_factory=NoAuth)
    target_schema: str = ""
    """Where nothing else is said, `default_schema(name)`."""
    sync_interval_seconds: int = 300
    concurrency: int = 4
    """Requests for pages at the same time."""
    page_size: int = 1000
    """Rows in a page."""
    timeout_s: float = 60.0
    max_reject_ratio: float = 0.5
    """A sync fails when a larger part of its rows is rejected."""
    min_seen_ratio: float = 0.1
    """A whole read that sees a smaller part of the live rows is not believed."""
    rowversion_overlap: int = 0
    """How far before its cursor a rowversion sync reads: seconds for times, units for counters."""
    history: bool = False
    """Whether every change of a row is kept in `record_changes`."""
    max_retry_after_s: float = 120.0
    """A longer `Retry-After` is not waited for."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    service: str | None = None
    """The OpenAPI service of the same system."""
    via: str | None = None
    """The endpoint of the gateway, or one version of it, that requests go through; None: the source itself is asked."""
    enabled: bool = True
    entities: Mapping[str, EntityOverride] = field(default_factory=dict, hash=False)
    """Overrides by slug, exactly as the source spells it."""
    managed_by: Literal["yaml", "api"] = "yaml"
    """Who may change it: the file, or the admin API."""

    def __post_init__(self) -> None:
        if not self.target_schema:
            object.__setattr__(self, "target_schema", default_schema(self.name))

    def entity(self, slug: str) -> EntitySettings:
        """How the entity is synced: what its override says, else what holds for the connector."""
        override = self.entities.get(slug, EntityOverride())
        return EntitySettings(
            enabled=self.enabled and _either(override.enabled, True),
            interval_s=_either(override.sync_interval_seconds, self.sync_interval_seconds),
            strategy=override.strategy,
            target_schema=_either(override.target_schema, self.target_schema),
            target_table=override.target_table,
            page_size=_either(override.page_size, self.page_size),
            concurrency=_either(override.concurrency, self.concurrency),
            max_reject_ratio=_either(override.max_reject_ratio, self.max_reject_ratio),
            min_seen_ratio=_either(override.min_seen_ratio, self.min_seen_ratio),
            rowversion_overlap=_either(override.rowversion_overlap, self.rowversion_overlap),
            history=_either(override.history, self.history),
        )


def default_schema(name: str) -> str:
    """The schema for a connector's tables, where the file names none: its name in lower case, `_` for `-`."""
    return name.lower().replace("-", "_")


def _either(override: T | None, default: T) -> T:
    return default if override is None else override
