"""A small world for whole syncs: a source that tests drive, served over HTTP, and a database to sync it to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from syncflow_pipelines.config import ConnectorConfig, EntityOverride, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import DiscoveryReport, Entity, SyncOutcome
from syncflow_pipelines.sync.schema.discovery import discover

TOKEN = "a-token-that-must-never-be-shown"


@dataclass(slots=True)
class World:
    """One connector named `erp`, its source, and the database that it is synced to."""

    store: SourceStore
    connector: ConnectorConfig
    settings: Settings
    database: Database

    def offer(self, slug: str, strategy: Any = "rowversion", **more: Any) -> SourceEntity:
        """Offers an entity with a composite key (site, number) and two columns; does not discover it."""
        spec = SourceEntity(
            slug=slug,
            name=slug.title(),
            strategy=strategy,
            business_keys=("site", "number"),
            columns=(
                SourceColumn("SITE", "VARCHAR2(10)", is_nullable=False),
                SourceColumn("NO", "NUMBER(9)", alias="number", is_nullable=False),
                SourceColumn("LABEL", "VARCHAR2(40)"),
                SourceColumn("QTY", "NUMBER(12,3)"),
            ),
            versions="counter" if strategy == "rowversion" else None,
        )
        spec = replace(spec, **more)
        self.store.create_entity(spec)
        return spec

    def configure(self, slug: str, **override: Any) -> None:
        """What `entities:` of the configuration says of an entity."""
        entities: Mapping[str, EntityOverride] = {**self.connector.entities, slug: EntityOverride(**override)}
        self.connector = replace(self.connector, entities=entities)

    def discover(self, **how: bool) -> DiscoveryReport:
        return discover(self.database, self.connector, self.settings, **how)

    def sync(self, slug: str, **request: Any) -> SyncOutcome:
        return sync_entity(self.database, self.settings, SyncRequest(self.connector, slug, **request))

    def entity(self, slug: str) -> Entity:
        with self.database.connection() as connection:
            return find_entity(connection, "erp", slug)

    def live(self, slug: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The live rows of the entity's table, by business key, without the audit columns."""
        entity = self.entity(slug)
        query = sql.SQL("SELECT * FROM {} WHERE NOT _bridge_deleted").format(
            sql.Identifier(entity.table.schema, entity.table.name)
        )
        with self.database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query).fetchall()
        return {
            tuple(row[key] for key in entity.spec.business_keys): {
                name: value for name, value in row.items() if not name.startswith("_bridge_")
            }
            for row in rows
        }

    def expected(self, slug: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """What the source holds of the entity, by business key."""
        return {row.key: dict(row.data) for row in self.store.live_rows(slug)}

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement on the metadata tables."""
        with self.database.connection() as connection:
            return connection.execute(statement, values).fetchall()


def row(number: int, label: str | None = "x", qty: Any = 1, site: str = "A") -> dict[str, Any]:
    """A row of `World.offer`'s entities."""
    return {"site": site, "number": number, "label": label, "qty": qty}
