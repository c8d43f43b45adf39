"""The staging table of one sync: a temporary table that holds what was read until it is applied."""

from dataclasses import dataclass, replace
from itertools import chain, count, repeat
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.conversion.decode import SEEN_ONLY, Batch, Reject, RowDecoder
from syncflow_pipelines.sync.loading.batch_copy import BatchCopy, Taken
from syncflow_pipelines.sync.loading.row_ids import row_ids
from syncflow_pipelines.sync.model import EntitySpec

NAME = "syncflow_stage"
_STAGE = sql.Identifier("pg_temp", NAME)

_CREATE = sql.SQL(
    "CREATE TEMP TABLE {name} (_bridge_id uuid, {columns}, _bridge_hash uuid, _bridge_rowversion text, "
    "_bridge_kind smallint, _bridge_seq bigint) ON COMMIT DROP"
)
_ROOM = sql.SQL("_bridge_room interval NOT NULL DEFAULT '0'")
"""As wide as what the table has more than the staging table, so that a row too wide for it is refused here, alone."""

_WIDE = 400
"""From so many columns on, a row can be wider than PostgreSQL's 8,160 bytes."""

_COPY = sql.SQL(
    "COPY {stage} (_bridge_id, {columns}, _bridge_hash, _bridge_rowversion, _bridge_kind, _bridge_seq) "
    "FROM STDIN (FORMAT csv, NULL 'null')"
)
VERSION_ORDER = sql.SQL(
    "(CASE WHEN _bridge_rowversion ~ '^[0-9]+$' "
    "  THEN lpad(length(ltrim(_bridge_rowversion, '0'))::text, 6, '0') || ltrim(_bridge_rowversion, '0') "
    "WHEN _bridge_rowversion ~ '^0[xX][0-9a-fA-F]+$' "
    "  THEN lpad(length(ltrim(substr(_bridge_rowversion, 3), '0'))::text, 6, '0') "
    "    || lower(ltrim(substr(_bridge_rowversion, 3), '0')) "
    'ELSE _bridge_rowversion END) COLLATE "C"'
)
"""Sorts as row versions of one form compare (see `rowversion.precedes`): numbers by their length first."""

_REPEATED = sql.SQL(
    "SELECT ctid, row_number() OVER (PARTITION BY {keys} ORDER BY {order} DESC NULLS LAST, _bridge_seq DESC) AS n "
    "FROM {stage} WHERE _bridge_kind <> 2"
)
_KEEP_GREATEST = sql.SQL("DELETE FROM {stage} s USING ({repeated}) d WHERE s.ctid = d.ctid AND d.n > 1")
_COUNT = sql.SQL(
    "SELECT count(*) FILTER (WHERE _bridge_kind = 0), count(*) FILTER (WHERE _bridge_kind = 1) FROM {stage}"
)


@dataclass(frozen=True, slots=True)
class Staged:
    """How many keys the staging table holds."""

    rows: int
    tombstones: int
    all_news: bool = False
    """Whether rows that the table holds with an equal hash were left out; then the planner knows of those here."""
    may_revive: bool = True
    """Whether one of the rows may be marked deleted in the table."""

    @property
    def keys(self) -> int:
        """All of them; rejected ones were never counted."""
        return self.rows + self.tombstones


class Staging:
    """Holds the rows of one sync, inside its transaction.

    Batches that were put stay on their way until `flush`; to be left (`with`) before the transaction ends.
    """

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, decoder: RowDecoder) -> None:
        self._connection, self._spec, self._decoder = connection, spec, decoder
        names = sql.SQL(", ").join(sql.Identifier(column.identifier) for column in spec.columns)
        statement = _COPY.format(stage=_STAGE, columns=names)
        self._copy = BatchCopy(connection, spec, decoder, statement, self._terminated)
        self._numbers = count()
        """Of the lines in the order in which they are sent; a sequence of PostgreSQL's would take longer to make."""
        self.is_empty = True
        """Whether nothing was ever staged."""
        self._exists = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copy.__exit__(kind, error, trace)

    def create(self) -> None:
        """Creates the table, unless it is there; it goes with the transaction."""
        if self._exists:
            return
        # A type's name comes from `types.py`, never from the source.
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(column.identifier), sql.SQL(column.pg_type))
            for column in self._spec.columns
        ]
        if len(columns) >= _WIDE:
            columns.append(sql.Composed([_ROOM]))
        self._connection.execute(_CREATE.format(name=sql.Identifier(NAME), columns=sql.SQL(", ").join(columns)))
        self._exists = True

    def clear(self) -> None:
        """Forgets what was staged."""
        self._connection.execute(sql.SQL("TRUNCATE {}").format(_STAGE))

    def add(self, batch: Batch) -> list[Reject]:
        """Stages a page at once. The rejects that come out are the batch's, and those that PostgreSQL added."""
        return [reject for taken in (*self.put(batch, 1), *self.flush()) for reject in taken.rejects]

    def put(self, batch: Batch, page: int, received_bytes: int = 0) -> list[Taken]:
        """Stages a page soon; what comes out are the pages that are staged by now, with their rejects."""
        if batch.lines or batch.rejects:
            self.is_empty = False
            self.create()
        return self._mark_seen(self._copy.put(batch, page, received_bytes))

    def flush(self) -> list[Taken]:
        """Stages the pages that were put and not staged yet."""
        return self._mark_seen(self._copy.flush())

    def _mark_seen(self, pages: list[Taken]) -> list[Taken]:
        """Stages the keys of the rejected rows; a key that PostgreSQL refuses, too, is none."""
        for taken in pages:
            if taken.rejects:
                taken.rejects = [self._marked(reject) for reject in taken.rejects]
        return pages

    def _marked(self, reject: Reject) -> Reject:
        line = self._decoder.seen_only(reject)
        refused = line is not None and not self._copy.takes(Batch(lines=[line], kinds=[SEEN_ONLY]))
        return replace(reject, key=None) if refused else reject

    def _terminated(self, batch: Batch) -> bytes:
        size = len(batch.lines)
        ends = (b",%b,%d\n" % end for end in zip(batch.kinds, self._numbers, strict=False))
        pieces = zip(row_ids(size), repeat(b",", size), batch.lines, ends, strict=True)
        return b"".join(chain.from_iterable(pieces))

    def settle(self) -> int:
        """Leaves one line a key, that of the greatest row version or else the last read.

        Returns how many lines were left out.
        """
        keys = sql.SQL(", ").join(sql.Identifier(key) for key in self._spec.business_keys)
        repeated = _REPEATED.format(stage=_STAGE, keys=keys, order=VERSION_ORDER)
        return self._connection.execute(_KEEP_GREATEST.format(stage=_STAGE, repeated=repeated)).rowcount

    def analyze(self) -> None:
        """Lets PostgreSQL's planner know how many rows were staged; nobody else does it for a temporary table."""
        self._connection.execute(sql.SQL("ANALYZE {}").format(_STAGE))

    def count(self) -> Staged:
        """Distinct keys received, rejected ones left out; call `settle` first."""
        row = self._connection.execute(_COUNT.format(stage=_STAGE)).fetchone()
        return Staged(*row) if row else Staged(0, 0)
