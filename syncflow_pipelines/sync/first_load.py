"""The first rows of an empty table, copied straight into it, its indexes built afterwards.

Within one transaction PostgreSQL need not log the rows of a table that was truncated in it (`wal_level = minimal`),
and an index over many rows is built faster than it grows. Until the transaction ends nobody can read the table,
which is why only a load that is soon over is done so; see docs/decisions/0015-first-load-into-the-table.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.batch_copy import BatchCopy, Taken
from syncflow_pipelines.sync.decode import TOMBSTONE, Batch, RowDecoder
from syncflow_pipelines.sync.model import EntitySpec, Table
from syncflow_pipelines.sync.staging import VERSION_ORDER

LONGEST_S = 60.0
"""A load that is expected to take longer would keep readers waiting; it is staged."""

_LOCK = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT")
_TRUNCATE = sql.SQL("TRUNCATE {table}")
# Rules, triggers (foreign keys have some, on both sides), policies, checks: whatever may act on single rows.
_IS_PLAIN = """
SELECT c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'd' AND NOT (c.relhasrules OR c.relhastriggers
  OR c.relrowsecurity OR c.relhassubclass OR c.relispartition OR c.relchecks > 0
  OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> ''))
  AND pg_has_role(c.relowner, 'USAGE')
FROM pg_class c WHERE c.oid = %s::regclass
"""
# An index with a place, a comment or a purpose of its own would not be the same again.
_INDEXES = """
SELECT i.relname, pg_get_indexdef(x.indexrelid), pg_get_constraintdef(k.oid),
  i.reltablespace = 0 AND NOT x.indisclustered AND NOT x.indisreplident AND x.indisvalid
  AND obj_description(i.oid, 'pg_class') IS NULL AND (k.oid IS NULL OR obj_description(k.oid, 'pg_constraint') IS NULL)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_constraint k ON k.conindid = i.oid
WHERE x.indrelid = %s::regclass ORDER BY x.indisprimary DESC, i.relname
"""
_DROP_CONSTRAINT = sql.SQL("ALTER TABLE {table} DROP CONSTRAINT {name}")
_DROP_INDEX = sql.SQL("DROP INDEX {name}")
_ADD_CONSTRAINT = sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
_COPY = sql.SQL("COPY {table} ({columns}, _bridge_hash, _bridge_rowversion) FROM STDIN (FORMAT csv, NULL 'null')")
# Rows stand in the table in the order in which they were read.
_KEEP_GREATEST = sql.SQL(
    "DELETE FROM {table} t USING (SELECT ctid, row_number() OVER (PARTITION BY {keys} "
    "  ORDER BY {order} DESC NULLS LAST, ctid DESC) AS n FROM {table}) d WHERE t.ctid = d.ctid AND d.n > 1"
)
_NOT_NOW = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.ObjectInUse,
)


class HoldsDeletion(Exception):
    """The source sent a deletion; only the staging table can tell what it means."""


@dataclass(frozen=True, slots=True)
class _Index:
    """An index of the table, as it has to be built again."""

    name: str
    definition: str
    constraint: str | None
    is_plain: bool


class FirstLoad:
    """Fills an empty table, inside the caller's transaction; to be left (`with`) before that ends."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, table: Table, decoder: RowDecoder) -> None:
        self._connection, self._spec, self._schema = connection, spec, table.schema
        self._table = sql.Identifier(table.schema, table.name)
        names = sql.SQL(", ").join(sql.Identifier(column.identifier) for column in spec.columns)
        self._copy = BatchCopy(connection, spec, decoder, _COPY.format(table=self._table, columns=names), _terminated)
        self._indexes: tuple[_Index, ...] = ()
        self.rows = 0
        """Rows that are in the table."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copy.__exit__(kind, error, trace)

    def begin(self) -> bool:
        """Takes the table over; False, with nothing changed, where it is in use or is more than a table of ours."""
        try:
            with self._connection.transaction():
                return self._take_over()
        except _NOT_NOW:
            return False

    def put(self, batch: Batch, page: int) -> list[Taken]:
        """Copies a page soon; see `Staging.put`. Raises `HoldsDeletion`."""
        if TOMBSTONE in batch.kinds:
            raise HoldsDeletion
        return self._counted(self._copy.put(batch, page))

    def flush(self) -> list[Taken]:
        """Copies the pages that were put and not copied yet."""
        return self._counted(self._copy.flush())

    def end(self) -> int:
        """Builds the indexes; of rows with one key the last or the greatest stays. How many rows there are."""
        try:
            self._build()
        except psycopg.errors.UniqueViolation:
            keys = sql.SQL(", ").join(sql.Identifier(key) for key in self._spec.business_keys)
            statement = _KEEP_GREATEST.format(table=self._table, keys=keys, order=VERSION_ORDER)
            self.rows -= self._connection.execute(statement).rowcount
            self._build()
        return self.rows

    def discard(self) -> None:
        """Leaves the table as it was, empty."""
        self._copy.flush()
        self._connection.execute(_TRUNCATE.format(table=self._table))
        self._build()

    def _take_over(self) -> bool:
        name = self._table.as_string(self._connection)
        self._connection.execute(_LOCK.format(table=self._table))
        plain = self._connection.execute(_IS_PLAIN, (name,)).fetchone()
        self._indexes = tuple(_Index(*row) for row in self._connection.execute(_INDEXES, (name,)))
        if not (plain and plain[0] and all(index.is_plain for index in self._indexes)):
            return False
        self._connection.execute(_TRUNCATE.format(table=self._table))
        for index in self._indexes:
            self._drop(index)
        return True

    def _drop(self, index: _Index) -> None:
        if index.constraint is None:
            self._connection.execute(_DROP_INDEX.format(name=sql.Identifier(self._schema, index.name)))
        else:
            name = sql.Identifier(index.name)
            self._connection.execute(_DROP_CONSTRAINT.format(table=self._table, name=name))

    def _build(self) -> None:
        with self._connection.transaction():
            for index in self._indexes:
                self._connection.execute(self._creation(index))
        self._indexes = ()

    def _creation(self, index: _Index) -> sql.SQL | sql.Composed:
        # Both definitions are PostgreSQL's own words for what it had.
        if index.constraint is None:
            return sql.SQL(index.definition)
        definition = sql.SQL(index.constraint)
        return _ADD_CONSTRAINT.format(table=self._table, name=sql.Identifier(index.name), definition=definition)

    def _counted(self, pages: Sequence[Taken]) -> list[Taken]:
        for taken in pages:
            self.rows += len(taken.batch.lines) - (len(taken.rejects) - len(taken.batch.rejects))
        return list(pages)


def _terminated(batch: Batch) -> bytes:
    return b"\n".join((*batch.lines, b""))
