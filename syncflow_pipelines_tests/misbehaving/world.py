"""A misbehaving source and the database that it is synced to."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from syncflow_pipelines.config import ConnectorConfig, EntityOverride, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import Counts, Entity, SyncOutcome
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.transport import SourceClient
from syncflow_pipelines_tests.misbehaving.source import MisbehavingSource
from syncflow_pipelines_tests.server.calling import PatientClock
from syncflow_pipelines_tests.unit.moving_source import Source

SLUG = "items"

_FORGET = "UPDATE entities SET last_rowversion = NULL, live_rows = NULL, last_sync_status = NULL WHERE slug = %s"


@dataclass(slots=True, repr=False)
class HostileWorld:
    """One connector named `odd`. Waits for the source pass at once; `clock` says how long they were."""

    source: MisbehavingSource
    connector: ConnectorConfig
    settings: Settings
    database: Database
    clock: PatientClock = field(default_factory=lambda: PatientClock(runs=True))

    def offer(self, rows: Source, strategy: str = "rowversion", slug: str = SLUG, **override: Any) -> Source:
        """Offers the rows as an entity, configured so, and discovers it."""
        self.source.offer(slug, rows, strategy)
        self.configure(slug, **override)
        discover(self.database, self.connector, self.settings)
        return rows

    def begin_anew(self, rows: Source, strategy: str, **override: Any) -> str:
        """The rows as an entity named like its strategy, configured so, that has never been synced; its slug."""
        if strategy not in self.source.offers:
            self.offer(rows, strategy, slug=strategy)
        self.source.offers[strategy].rows = rows
        self.source.log.clear()
        self.configure(strategy, **override)
        table = self.entity(strategy).table
        with self.database.connection() as connection:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table.schema, table.name)))
            connection.execute(_FORGET, (strategy,))
        return strategy

    def configure(self, slug: str = SLUG, **override: Any) -> None:
        entities = {**self.connector.entities, slug: EntityOverride(**override)}
        self.connector = replace(self.connector, entities=entities)

    def sync(self, slug: str = SLUG, **request: Any) -> SyncOutcome:
        """One sync; whatever comes of it, its counts have been looked at."""
        with self.client() as client:
            wanted = SyncRequest(self.connector, slug, **request)
            outcome = sync_entity(self.database, self.settings, wanted, source=client)
        if outcome.status == "success":
            check_counts(outcome.counts)
            assert outcome.live_rows == len(self.live(slug))
        return outcome

    def client(self) -> SourceClient:
        return SourceClient(
            self.connector.base_url,
            {},
            timeout_s=self.connector.timeout_s,
            max_connections=self.connector.concurrency,
            max_retry_after_s=self.connector.max_retry_after_s,
            clock=self.clock.clock,
        )

    def entity(self, slug: str = SLUG) -> Entity:
        with self.database.connection() as connection:
            return find_entity(connection, self.connector.name, slug)

    def live(self, slug: str = SLUG) -> dict[int, str | None]:
        """The value of every live row, by key."""
        return dict(self._select(slug, "SELECT k, v FROM {} WHERE NOT _bridge_deleted"))

    def written(self, slug: str = SLUG) -> set[tuple[Any, ...]]:
        """Every row with the transaction that wrote it last."""
        return set(self._select(slug, "SELECT k, xmin::text, _bridge_deleted FROM {}"))

    def _select(self, slug: str, statement: Any) -> list[tuple[Any, ...]]:
        table = self.entity(slug).table
        with self.database.connection() as connection:
            return connection.execute(sql.SQL(statement).format(sql.Identifier(table.schema, table.name))).fetchall()


def check_counts(counts: Counts) -> None:
    """Every row that was fetched, or missed, is counted once."""
    came = counts.fetched + counts.missing
    assert came == counts.inserted + counts.updated + counts.unchanged + counts.deleted + counts.rejected, counts


def values(rows: Source) -> dict[int, str | None]:
    """What the source holds now, tombstones left out."""
    return {key: row.value for key, row in rows.rows.items() if not row.deleted}


@pytest.fixture
def hostile(tmp_path: Path, settings: Settings, database: Database) -> Iterator[HostileWorld]:
    """A served source without entities, and a fresh database."""
    source = MisbehavingSource()
    with source.serving() as url:
        yield HostileWorld(source, ConnectorConfig(name="odd", base_url=url, timeout_s=10), settings, database)
