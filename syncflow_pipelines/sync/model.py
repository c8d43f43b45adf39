"""The words of the sync engine: what a source offers, where it goes, and what a sync did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Strategy = Literal["full", "rowversion", "hash"]
STRATEGIES: tuple[Strategy, ...] = ("full", "rowversion", "hash")

RunStatus = Literal["running", "success", "failed"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A queued run, and the claim that lets its holder begin it; another claim on it makes this one void."""

    run_uid: UUID
    claim: UUID


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an entity, as the source names it and as PostgreSQL keeps it."""

    name: str
    """The source's own name, e.g. `PART_NO`; the key in `oracle_keys`."""
    alias: str
    """The key in `data`, exactly as the source spells it."""
    identifier: str
    """The column in PostgreSQL: `alias` as a safe identifier, unique within the entity."""
    data_type: str
    """The source's type, as it was sent."""
    pg_type: str
    """The PostgreSQL type, spelled as `format_type()` does, e.g. `character varying(50)`."""
    is_nullable: bool
    is_business_key: bool
    description: str | None = None


@dataclass(frozen=True, slots=True)
class EntitySpec:
    """One entity of a source's catalogue, validated."""

    slug: str
    name: str
    description: str | None
    strategy: Strategy
    business_keys: tuple[str, ...]
    """Identifiers (not aliases) of the key columns, in the order the source gave."""
    rowversion_column: str | None
    """Identifier of the column that repeats `row_version`, where there is one."""
    columns: tuple[Column, ...]

    def column(self, identifier: str) -> Column:
        """The column of that identifier. Raises `KeyError`."""
        for column in self.columns:
            if column.identifier == identifier:
                return column
        raise KeyError(identifier)

    @property
    def has_row_versions(self) -> bool:
        """Whether the source can be asked for the rows above a row version."""
        return self.strategy == "rowversion" or self.rowversion_column is not None

    def can_be_synced_by(self, strategy: Strategy) -> bool:
        """Whether the source gives what the strategy needs; every source serves `hash` and `full`."""
        return strategy != "rowversion" or self.has_row_versions


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a source's catalogue that cannot be used, or only with care."""

    severity: Literal["error", "warning"]
    """An error leaves the entity out; a warning does not."""
    entity: str | None
    """Slug, or None where not even that could be read."""
    message: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a source offers, and what of it could not be used."""

    entities: tuple[EntitySpec, ...]
    findings: tuple[Finding, ...]
    digest: str
    """Hex digest of the entities; equal digests mean equal catalogues, whatever the order."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table's two names; never quoted, always passed on as identifiers."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class EntityChoices:
    """What was chosen for one entity over the API; None leaves the matter to the configuration and the source."""

    enabled: bool | None = None
    interval_s: int | None = None
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as SyncFlow keeps it: the spec, its table, its settings and its state."""

    uid: UUID
    connector: str
    spec: EntitySpec
    table: Table
    strategy: Strategy
    """The strategy in force: the override in the configuration, or else the source's."""
    enabled: bool
    interval_s: int
    is_present: bool
    """False once the source stopped offering it."""
    schema_error: str | None
    """Why its columns cannot follow the source; a sync refuses until a person has decided."""
    last_rowversion: str | None
    last_sync_at: datetime | None
    last_sync_status: RunStatus | None
    consecutive_failures: int
    next_attempt_at: datetime | None
    live_rows: int | None
    """Rows of the table that are not deleted, as counted by the last sync."""
    choices: EntityChoices = EntityChoices()

    @property
    def key(self) -> str:
        """`connector/slug`, the name used on the command line and as partition key."""
        return f"{self.connector}/{self.spec.slug}"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a sync did, in rows.

    `fetched + missing == inserted + updated + unchanged + deleted + rejected` after a sync that succeeded. Of one that
    was refused as a whole, only `fetched` and `rejected` are known.
    """

    fetched: int = 0
    """Distinct rows received, by business key, rejected ones included."""
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    """Rows marked deleted: by a tombstone, or because a whole read did not see them."""
    rejected: int = 0
    missing: int = 0
    """The part of `deleted` that was never fetched: rows that a whole read did not see."""


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What one sync of one entity came to."""

    entity: str
    """`connector/slug`."""
    strategy: Strategy
    status: Literal["success", "failed"]
    counts: Counts
    seconds: float
    error: str | None = None
    error_type: str | None = None
    run_uid: UUID | None = None
    rowversion_start: str | None = None
    rowversion_end: str | None = None
    live_rows: int | None = None
    table: Table | None = None
    open_rejects: int = 0
    """Rejected rows of the entity that nobody has dealt with, older ones included."""
    recorded_changes: int | None = None
    """Rows put into `record_changes`; None where the entity has no history."""
    pages: int = 0
    """Pages read from the source."""
    received_bytes: int = 0
    """Of pages, decompressed."""
    notes: tuple[str, ...] = ()
    """Things worth knowing that did not fail the sync."""

    def as_json(self) -> dict[str, Any]:
        """The object that `syncflow sync --json` prints for an entity."""
        return {
            "entity": self.entity,
            "strategy": self.strategy,
            "status": self.status,
            "fetched": self.counts.fetched,
            "inserted": self.counts.inserted,
            "updated": self.counts.updated,
            "unchanged": self.counts.unchanged,
            "deleted": self.counts.deleted,
            "rejected": self.counts.rejected,
            "seconds": round(self.seconds, 3),
            "error": self.error,
            "run": str(self.run_uid) if self.run_uid else None,
            "notes": list(self.notes),
        }


SchemaChangeKind = Literal[
    "entity_added",
    "entity_gone",
    "entity_returned",
    "column_added",
    "column_dropped",
    "column_widened",
    "column_refused",
    "keys_refused",
    "strategy_changed",
]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference between a table and what the source now says of its entity."""

    kind: SchemaChangeKind
    entity: str
    """Slug."""
    column: str | None = None
    before: str | None = None
    after: str | None = None
    applied: bool = True
    message: str = ""


@dataclass(frozen=True, slots=True)
class DiscoveryReport:
    """What a discovery of one connector found and did."""

    connector: str
    digest: str
    entities: tuple[str, ...]
    """Slugs in use after the discovery, sorted."""
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """Slug to the reason why its change of columns was not applied."""
    findings: tuple[Finding, ...] = ()
    changes: tuple[SchemaChange, ...] = ()
    seconds: float = 0.0
