"""Every type and value of the demo ERP arrives in PostgreSQL as it is at the source."""

import json
from base64 import b64decode
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.erp import ensure_erp, erp_token, expected_rows, open_erp, token_path
from syncflow_pipelines.demo.erp_rows import ERP
from syncflow_pipelines.demo.mutate import mutate
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.model import SyncOutcome
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.sync.schema.types import postgres_type

SLUGS = tuple(entity.spec.slug for entity in ERP)
Row = dict[str, Any]


def bytes_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b64decode(text, validate=True)


def json_of(value: Any) -> Any:
    return json.loads(json.dumps(value, default=float))


READERS: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "integer": int,
    "numeric": Decimal,
    "float": float,
    "boolean": bool,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "bytes": bytes_of,
    "json": json_of,
    "uuid": UUID,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "demo_home"
    ensure_erp(home, rows=1500)
    erp_token(home)
    return home


def at_source(home: Path, slug: str) -> list[Row]:
    """The rows as Python values of their columns' types; a column that was not sent is null."""
    spec = next(entity.spec for entity in ERP if entity.spec.slug == slug)
    readers = {column.key: READERS[postgres_type(column.data_type).family] for column in spec.columns}
    return [
        {name: None if (value := row.data.get(name)) is None else read(value) for name, read in readers.items()}
        for row in expected_rows(home, slug)
    ]


def in_table(database: Database, slug: str) -> list[Row]:
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        entity = find_entity(connection, "erp", slug)
        statement = sql.SQL("SELECT {} FROM {} WHERE NOT _bridge_deleted").format(
            sql.SQL(", ").join(sql.Identifier(column.identifier) for column in entity.spec.columns),
            sql.Identifier(entity.table.schema, entity.table.name),
        )
        return cursor.execute(statement).fetchall()


def assert_equal(home: Path, database: Database, slug: str) -> None:
    keys = next(entity.spec.business_keys for entity in ERP if entity.spec.slug == slug)

    def by_key(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
        return {tuple(row[key] for key in keys): row for row in rows}

    assert by_key(in_table(database, slug)) == by_key(at_source(home, slug))


def test_the_tables_equal_the_source_after_the_first_sync_and_after_a_mutation(
    home: Path, settings: Settings, database: Database
) -> None:
    with open_erp(home) as store, serve_in_thread(build_app(store, erp_token(home))) as url:
        connector = ConnectorConfig(
            name="erp", base_url=url, auth=BearerAuth(token_file=token_path(home)), page_size=100, timeout_s=10
        )

        def sync_all() -> dict[str, SyncOutcome]:
            outcomes = {slug: sync_entity(database, settings, SyncRequest(connector, slug)) for slug in SLUGS}
            assert {slug: outcome.error for slug, outcome in outcomes.items()} == dict.fromkeys(SLUGS)
            assert {outcome.counts.rejected for outcome in outcomes.values()} == {0}
            for slug in SLUGS:
                assert_equal(home, database, slug)
            return outcomes

        discover(database, connector, settings)
        sync_all()
        mutations = mutate(home, 0.05)
        outcomes = sync_all()
    for mutation in mutations:
        counts = outcomes[mutation.entity].counts
        done = (len(mutation.inserted), len(mutation.updated), len(mutation.deleted))
        assert (counts.inserted, counts.updated, counts.deleted) == done, mutation.entity
