"""Whether every row arrived, column by column.

What was sent is copied into a table of its own, by a way that no measured side takes, and read back as a count and
a sum of one hash a row, all columns in it. Where a side's table has another sum, the two are compared row by row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from benchmarks.postgres import Postgres
from benchmarks.rows import BUSINESS_KEYS, COLUMNS, Column
from benchmarks.source.offer import Offer

_DATABASE = "expected"
_TABLE = sql.Identifier("pg_temp", "expected")
_VERSION = Column("", "row_version", "", "text")
_CREATE = sql.SQL("CREATE TEMP TABLE expected ({columns}, digest uuid, row_version text)")
_COPY = sql.SQL("COPY pg_temp.expected FROM STDIN")
_FINGERPRINT = sql.SQL(
    "SELECT count(*), coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)::text FROM {table} {which}"
)
_COMPARE = sql.SQL(
    "SELECT count(*) FILTER (WHERE t.{key} IS NULL), count(*) FILTER (WHERE e.{key} IS NULL), {differing} "
    "FROM pg_temp.expected e FULL JOIN (SELECT {columns} FROM {table} {which}) t USING ({keys})"
)
_DIFFERS = sql.SQL(
    "count(*) FILTER (WHERE e.{key} IS NOT NULL AND t.{key} IS NOT NULL AND e.{column} IS DISTINCT FROM t.{column})"
)
_BLOCK_BYTES = 2**20


class RowsDiffer(Exception):
    """A side's table is not what the source sent."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """The table that a side filled."""

    database: str
    schema: str
    table: str
    live: str | None = None
    """The column that says of a row that it is deleted, where there is one."""
    version: str | None = None
    """The column that holds the row version, where there is one."""

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


def syncflow_table(database: str, offer: Offer) -> Arrived:
    """The table that SyncFlow makes of an entity."""
    return Arrived(database, "bench", offer.slug.replace("-", "_"), "_bridge_deleted", "_bridge_rowversion")


@dataclass(slots=True)
class Verification:
    """Compares tables with what the source offers; what an offer comes to is worked out once."""

    postgres: Postgres
    _known: dict[tuple[Offer, bool], tuple[int, str]] = field(default_factory=dict)

    def check(self, arrived: Arrived, offer: Offer) -> None:
        """Raises `RowsDiffer`, which says in what, unless the table holds the offer's rows and no others."""
        expected = self._expected(offer, with_version=arrived.version is not None)
        with psycopg.connect(self.postgres.url(arrived.database), autocommit=True) as connection:
            found = _fingerprint(connection, _selected(offer, arrived), _name(arrived), _which(arrived))
            if found != expected:
                raise RowsDiffer(f"{arrived} differs from the source: {_differences(connection, arrived, offer)}")

    def _expected(self, offer: Offer, *, with_version: bool) -> tuple[int, str]:
        if (offer, with_version) not in self._known:
            if not self._known:
                self.postgres.create(_DATABASE)
            with psycopg.connect(self.postgres.url(_DATABASE), autocommit=True) as connection:
                _load(connection, offer)
                columns = [sql.Identifier(column.alias) for column in _compared(offer, with_version)]
                self._known[offer, with_version] = _fingerprint(connection, columns, _TABLE, sql.SQL(""))
        return self._known[offer, with_version]


def _compared(offer: Offer, with_version: bool) -> list[Column]:
    return [*COLUMNS[offer.flavour], *([_VERSION] if with_version else [])]


def _load(connection: psycopg.Connection[Any], offer: Offer) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column.alias), _type(column)) for column in COLUMNS[offer.flavour]
    ]
    connection.execute(_CREATE.format(columns=sql.SQL(", ").join(columns)))
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for block in _lines(offer):
            copy.write(block)


def _lines(offer: Offer) -> Iterator[bytes]:
    offsets = np.load(offer.state.copy.offsets, mmap_mode="r")
    rest = int(offsets[offer.last] - offsets[offer.first])
    with offer.state.copy.data.open("rb") as file:
        file.seek(int(offsets[offer.first]))
        while rest:
            block = file.read(min(rest, _BLOCK_BYTES))
            rest -= len(block)
            yield block


def _fingerprint(
    connection: psycopg.Connection[Any], columns: list[Any], table: sql.Composable, which: sql.Composable
) -> tuple[int, str]:
    statement = _FINGERPRINT.format(columns=sql.SQL(", ").join(columns), table=table, which=which)
    row = connection.execute(statement).fetchone()
    assert row
    return int(row[0]), str(row[1])


def _selected(offer: Offer, arrived: Arrived) -> list[sql.Composed]:
    """The table's columns as the source's types, whatever the side made of them."""
    return [
        sql.SQL("{}::{}").format(sql.Identifier(_own_name(column, arrived)), _type(column))
        for column in _compared(offer, arrived.version is not None)
    ]


def _own_name(column: Column, arrived: Arrived) -> str:
    return arrived.version if column is _VERSION and arrived.version else column.alias


def _differences(connection: psycopg.Connection[Any], arrived: Arrived, offer: Offer) -> str:
    """What differs, in numbers of rows."""
    _load(connection, offer)
    columns = _compared(offer, arrived.version is not None)
    key = sql.Identifier(BUSINESS_KEYS[0])
    values = [column.alias for column in columns if column.alias not in BUSINESS_KEYS]
    renamed = [
        sql.SQL("{} AS {}").format(selected, sql.Identifier(column.alias))
        for selected, column in zip(_selected(offer, arrived), columns, strict=True)
    ]
    statement = _COMPARE.format(
        key=key,
        keys=sql.SQL(", ").join(map(sql.Identifier, BUSINESS_KEYS)),
        columns=sql.SQL(", ").join(renamed),
        table=_name(arrived),
        which=_which(arrived),
        differing=sql.SQL(", ").join(_DIFFERS.format(key=key, column=sql.Identifier(name)) for name in values),
    )
    row = connection.execute(statement).fetchone()
    assert row
    lost, foreign, *differing = row
    parts = [f"{lost:,} rows are missing", f"{foreign:,} were never sent or came twice"]
    parts += [f"{name} differs in {rows:,}" for name, rows in zip(values, differing, strict=True) if rows]
    return ", ".join(parts)


def _type(column: Column) -> sql.SQL:
    # The names of types come from `rows.py`.
    return sql.SQL(column.pg_type)


def _name(arrived: Arrived) -> sql.Identifier:
    return sql.Identifier(arrived.schema, arrived.table)


def _which(arrived: Arrived) -> sql.Composable:
    return sql.SQL("WHERE NOT {}").format(sql.Identifier(arrived.live)) if arrived.live else sql.SQL("")
