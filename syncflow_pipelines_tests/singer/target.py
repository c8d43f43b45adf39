"""SyncFlow as the target of a Singer tap: what the tap said is discovered and synced, and can be looked at."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import DiscoveryReport, Entity, SyncOutcome
from syncflow_pipelines.sync.rejects.record import RejectedRow, list_rejects
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines_tests.singer.source import SingerSource
from syncflow_pipelines_tests.singer.streams import Message, Schema, State

CONNECTOR = "singer"

_TYPES = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attname !~ '^_bridge_' ORDER BY attnum
"""

Row = dict[str, Any]


@dataclass(slots=True)
class Target:
    """One connector, its source, and the database that it is synced to."""

    source: SingerSource
    connector: ConnectorConfig
    settings: Settings
    database: Database

    def play(self, messages: Iterable[Message]) -> Iterator[State | None]:
        """Lets the source hear the messages, and stops where SyncFlow may look.

        That is before a schema that follows other messages of its stream, after each state, which is yielded, and at
        the end, unless it was looked at just before.
        """
        looked = False
        for message in messages:
            if isinstance(message, Schema) and message.stream in self.source.offers and not looked:
                yield None
            self.source.hear(message)
            looked = isinstance(message, State)
            if isinstance(message, State):
                yield message
        if not looked:
            yield None

    def hear(self, messages: Iterable[Message]) -> None:
        """Lets the source hear the messages."""
        for message in messages:
            self.source.hear(message)

    def discover(self) -> DiscoveryReport:
        return discover(self.database, self.connector, self.settings)

    def sync(self, slug: str, **request: Any) -> SyncOutcome:
        return sync_entity(self.database, self.settings, SyncRequest(self.connector, slug, **request))

    def follow(self) -> dict[str, SyncOutcome]:
        """Discovers, and syncs what is in use; by slug."""
        return {slug: self.sync(slug) for slug in self.discover().entities}

    def entity(self, slug: str) -> Entity:
        with self.database.connection() as connection:
            return find_entity(connection, CONNECTOR, slug)

    def types(self, slug: str) -> str:
        """The columns of the entity's table, without SyncFlow's own, as `name type, …`."""
        name = self._table(slug)
        with self.database.connection() as connection:
            found = connection.execute(_TYPES, (name.as_string(connection),)).fetchall()
        return ", ".join(f"{column} {pg_type}" for column, pg_type in found)

    def live(self, slug: str) -> dict[str, Row]:
        """The rows of the entity's table that are not deleted, without the audit columns, by business key as JSON."""
        query = sql.SQL("SELECT * FROM {} WHERE NOT _bridge_deleted").format(self._table(slug))
        with self.database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(query).fetchall()
        return self._by_key(
            slug, [{name: row[name] for name in row if not name.startswith("_bridge_")} for row in rows]
        )

    def told(self, slug: str) -> dict[str, Row]:
        """What the tap said of the entity, by business key as JSON."""
        return self._by_key(slug, self.source.live(slug))

    def rejects(self, slug: str) -> tuple[RejectedRow, ...]:
        with self.database.connection() as connection:
            return list_rejects(connection, entity=f"{CONNECTOR}/{slug}", limit=100)

    def tables(self) -> set[str]:
        """All tables of the connector."""
        with self.database.connection() as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (CONNECTOR,)).fetchall()
        return {name for (name,) in found}

    def _by_key(self, slug: str, rows: Iterable[Row]) -> dict[str, Row]:
        keys = self.entity(slug).spec.business_keys
        return {" ".join(json.dumps(row[key], sort_keys=True) for key in keys): row for row in rows}

    def _table(self, slug: str) -> sql.Identifier:
        table = self.entity(slug).table
        return sql.Identifier(table.schema, table.name)
