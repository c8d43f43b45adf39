"""The first rows of an empty table, copied straight into it, its indexes built afterwards.

Until the transaction ends nobody can read the table, which is why only a load that is soon over is done so; see
docs/decisions/0015-first-load-into-the-table.md.
"""

from collections.abc import Sequence
from itertools import chain, repeat
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.conversion.decode import TOMBSTONE, Batch, RowDecoder
from syncflow_pipelines.sync.loading.batch_copy import BatchCopy, Taken
from syncflow_pipelines.sync.loading.empty_table import EmptyTable
from syncflow_pipelines.sync.loading.row_ids import row_ids
from syncflow_pipelines.sync.loading.staging import VERSION_ORDER
from syncflow_pipelines.sync.model import EntitySpec, Table

LONGEST_S = 60.0
"""A load that is expected to take longer would keep readers waiting; it is staged."""

_COPY = sql.SQL(
    "COPY {table} (_bridge_id, {columns}, _bridge_hash, _bridge_rowversion) FROM STDIN (FORMAT csv, NULL 'null')"
)
# Rows stand in the table in the order in which they were read.
_KEEP_GREATEST = sql.SQL(
    "DELETE FROM {table} t USING (SELECT ctid, row_number() OVER (PARTITION BY {keys} "
    "  ORDER BY {order} DESC NULLS LAST, ctid DESC) AS n FROM {table}) d WHERE t.ctid = d.ctid AND d.n > 1"
)


class HoldsDeletion(Exception):
    """The source sent a deletion; only the staging table can tell what it means."""


class FirstLoad:
    """Fills an empty table, inside the caller's transaction; to be left (`with`) before that ends."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, table: Table, decoder: RowDecoder) -> None:
        self._connection, self._spec, self._empty = connection, spec, EmptyTable(connection, table)
        self._table = sql.Identifier(table.schema, table.name)
        names = sql.SQL(", ").join(sql.Identifier(column.identifier) for column in spec.columns)
        self._copy = BatchCopy(connection, spec, decoder, _COPY.format(table=self._table, columns=names), _terminated)
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
        return self._empty.strip()

    def put(self, batch: Batch, page: int, received_bytes: int = 0) -> list[Taken]:
        """Copies a page soon; see `Staging.put`. Raises `HoldsDeletion`."""
        if TOMBSTONE in batch.kinds:
            raise HoldsDeletion
        return self._counted(self._copy.put(batch, page, received_bytes))

    def flush(self) -> list[Taken]:
        """Copies the pages that were put and not copied yet."""
        return self._counted(self._copy.flush())

    def end(self) -> int:
        """Builds the indexes; of rows with one key the last or the greatest stays. How many rows there are."""
        try:
            self._empty.rebuild()
        except psycopg.errors.UniqueViolation:
            keys = sql.SQL(", ").join(sql.Identifier(key) for key in self._spec.business_keys)
            statement = _KEEP_GREATEST.format(table=self._table, keys=keys, order=VERSION_ORDER)
            self.rows -= self._connection.execute(statement).rowcount
            self._empty.rebuild()
        return self.rows

    def discard(self) -> None:
        """Leaves the table as it was, empty."""
        self._copy.flush()
        self._empty.clear()
        self._empty.rebuild()

    def _counted(self, pages: Sequence[Taken]) -> list[Taken]:
        for taken in pages:
            self.rows += len(taken.batch.lines) - (len(taken.rejects) - len(taken.batch.rejects))
        return list(pages)


def _terminated(batch: Batch) -> bytes:
    size = len(batch.lines)
    pieces = zip(row_ids(size), repeat(b",", size), batch.lines, repeat(b"\n", size), strict=True)
    return b"".join(chain.from_iterable(pieces))
