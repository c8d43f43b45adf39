"""Pages loaded straight into a table: decoded, staged and applied, without a source or a sync."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.conversion.decode import Reject, RowDecoder
from syncflow_pipelines.sync.loading.apply import Applied, Target
from syncflow_pipelines.sync.loading.staging import Staging
from syncflow_pipelines.sync.model import Column, EntitySpec, Strategy, Table
from syncflow_pipelines.sync.reading.pages import parse_page
from syncflow_pipelines.sync.schema.tables import ensure_table
from syncflow_pipelines.sync.schema.types import postgres_type

LIGHT = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TABLE = Table("hostile", "items")


def column(name: str, data_type: str, *, key: bool = False) -> Column:
    return Column(name.upper(), name, name, data_type, postgres_type(data_type).pg_type, not key, key)


def entity(*columns: Column) -> EntitySpec:
    keys = tuple(column.identifier for column in columns if column.is_business_key)
    return EntitySpec("items", "Items", None, "rowversion", keys, None, columns)


@dataclass
class Load:
    """What one staging and application came to."""

    applied: Applied
    rejects: list[Reject]
    left_out: int
    fetched: int
    missing: int


class Loader:
    """Loads pages into one entity's table, each load a transaction of its own."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec) -> None:
        self.connection, self.spec = connection, spec
        self._decoder = RowDecoder(spec)
        with connection.transaction():
            ensure_table(connection, spec, TABLE)

    def load(self, *pages: bytes, strategy: Strategy = "hash", whole: bool = False) -> Load:
        with self.connection.transaction():
            staging = Staging(self.connection, self.spec, self._decoder)
            staging.create()
            rejects = [reject for page in pages for reject in staging.add(self._decoder.decode(parse_page(page)))]
            left_out = staging.settle()
            target = Target(self.connection, self.spec, TABLE)
            applied = target.apply(strategy, staging.count())
            missing = target.bury_missing() if whole else 0
            return Load(applied, rejects, left_out, staging.count().keys, missing)

    def live(self, *names: str) -> dict[Any, tuple[Any, ...]]:
        """Live rows by the first column of the key."""
        chosen = names or tuple(column.identifier for column in self.spec.columns)
        statement = sql.SQL("SELECT {} FROM hostile.items WHERE NOT _bridge_deleted").format(
            sql.SQL(", ").join(map(sql.Identifier, (self.spec.business_keys[0], *chosen)))
        )
        return {row[0]: row[1:] for row in self.connection.execute(statement)}

    def clear(self) -> None:
        self.connection.execute("TRUNCATE hostile.items")


@contextmanager
def loader(database: Database, *columns: Column) -> Iterator[Loader]:
    with database.dedicated("test") as connection:
        yield Loader(connection, entity(*columns))


def page(*rows: bytes | dict[str, Any]) -> bytes:
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return b'{"rows":[' + b",".join(texts) + b"]}"


def wire(number: Any, version: Any = None, *, deleted: bool = False, **values: Any) -> dict[str, Any]:
    return {"data": {"n": number, **values}, "oracle_keys": {}, "row_version": version, "deleted": deleted}


def literal(number: int, name: str, value: bytes) -> bytes:
    """A row with a value that is no JSON, or none that Python would write."""
    return b'{"data":{"n":%d,"%b":%b},"oracle_keys":{"N":%d}}' % (number, name.encode(), value, number)


KEY = column("n", "INTEGER", key=True)
