"""The staging table of one sync: a temporary table that holds what was read until it is applied."""

from dataclasses import replace

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.decode import Batch, Reject, RowDecoder, StagedRow
from syncflow_pipelines.sync.model import EntitySpec

NAME = "syncflow_stage"
_STAGE = sql.Identifier("pg_temp", NAME)

_CREATE = sql.SQL(
    "CREATE TEMP TABLE {name} ({columns}, "
    '_bridge_hash uuid, _bridge_rowversion text, _bridge_order text COLLATE "C", _bridge_kind smallint, '
    "_bridge_seq bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)) ON COMMIT DROP"
)
_ROOM = sql.SQL("_bridge_room interval NOT NULL DEFAULT '0', _bridge_more_room interval NOT NULL DEFAULT '0'")
"""As wide as what the table has more than the staging table, so that a row too wide for it is refused here, alone."""

_WIDE = 400
"""From so many columns on, a row can be wider than PostgreSQL's 8,160 bytes."""

_COPY = sql.SQL("COPY {stage} ({columns}, _bridge_hash, _bridge_rowversion, _bridge_order, _bridge_kind) FROM STDIN")
_KEEP_GREATEST = sql.SQL(
    "DELETE FROM {stage} s USING ("
    "  SELECT ctid, row_number() OVER ("
    "    PARTITION BY {keys} ORDER BY _bridge_order DESC NULLS LAST, _bridge_seq DESC) AS n"
    "  FROM {stage} WHERE _bridge_kind <> 2) d "
    "WHERE s.ctid = d.ctid AND d.n > 1"
)
_COUNT = sql.SQL("SELECT count(*) FROM {stage} WHERE _bridge_kind <> 2")
_REFUSALS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
"""What PostgreSQL says of a value that it cannot keep; any other error ends the sync."""


class Staging:
    """Holds the rows of one sync, inside its transaction."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, decoder: RowDecoder) -> None:
        self._connection, self._spec, self._decoder = connection, spec, decoder
        names = sql.SQL(", ").join(sql.Identifier(column.identifier) for column in spec.columns)
        self._copy = _COPY.format(stage=_STAGE, columns=names)

    def create(self) -> None:
        """Creates the table; it goes with the transaction."""
        # A type's name comes from `types.py`, never from the source.
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(column.identifier), sql.SQL(column.pg_type))
            for column in self._spec.columns
        ]
        if len(columns) >= _WIDE:
            columns.append(sql.Composed([_ROOM]))
        self._connection.execute(_CREATE.format(name=sql.Identifier(NAME), columns=sql.SQL(", ").join(columns)))

    def add(self, batch: Batch) -> list[Reject]:
        """Stages a page. The rejects that come out are the batch's, and those that PostgreSQL added."""
        refused = self._copy_in([staged.line for staged in batch.rows])
        rejects = batch.rejects + [self._refused(batch.rows[at], error) for at, error in refused]
        return self._mark_seen(rejects)

    def _mark_seen(self, rejects: list[Reject]) -> list[Reject]:
        """Stages the keys of the rejected rows; a key that PostgreSQL refuses, too, is none."""
        lines = [self._decoder.seen_only(reject) for reject in rejects]
        known = [at for at, line in enumerate(lines) if line is not None]
        refused = {known[at] for at, _ in self._copy_in([line for line in lines if line is not None])}
        return [replace(reject, key=None) if at in refused else reject for at, reject in enumerate(rejects)]

    def _copy_in(self, lines: list[str], first: int = 0) -> list[tuple[int, psycopg.Error]]:
        """Copies the lines; where PostgreSQL refuses some, halves them until the bad ones stand alone.

        Returns the positions of those, counted from `first`, and why.
        """
        if not lines:
            return []
        try:
            self._write(lines)
        except _REFUSALS as refusal:
            if len(lines) == 1:
                return [(first, refusal)]
            middle = len(lines) // 2
            return self._copy_in(lines[:middle], first) + self._copy_in(lines[middle:], first + middle)
        return []

    def _write(self, lines: list[str]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.write("\n".join((*lines, "")))

    def _refused(self, staged: StagedRow, refusal: psycopg.Error) -> Reject:
        reason = _REASONS.get(refusal.sqlstate or "", "PostgreSQL refuses the value")
        return self._decoder.refused_by_database(staged, self._column_at_fault(refusal.diag.context or ""), reason)

    def _column_at_fault(self, context: str) -> str | None:
        """The column that stands first in `COPY …, line 1, column NAME: "value"`; values may look like the rest."""
        names = (column.identifier for column in self._spec.columns)
        found = [(at, name) for name in names if (at := context.find(f", column {name}: ")) >= 0]
        return min(found)[1] if found else None

    def settle(self) -> int:
        """Leaves one line a key, that of the greatest row version or else the last read.

        Returns how many lines were left out.
        """
        keys = sql.SQL(", ").join(sql.Identifier(key) for key in self._spec.business_keys)
        left_out = self._connection.execute(_KEEP_GREATEST.format(stage=_STAGE, keys=keys)).rowcount
        self.analyze()
        return left_out

    def analyze(self) -> None:
        """Lets PostgreSQL's planner know how many rows were staged; nobody else does it for a temporary table."""
        self._connection.execute(sql.SQL("ANALYZE {}").format(_STAGE))

    def count(self) -> int:
        """Distinct keys received, rejected ones left out; call `settle` first."""
        row = self._connection.execute(_COUNT.format(stage=_STAGE)).fetchone()
        return int(row[0]) if row else 0


_REASONS = {
    "22003": "is out of range",
    "22007": "is not a date or time that PostgreSQL knows",
    "22008": "is no moment of the calendar",
    "22009": "is in no time zone",
    "22P02": "is not a value of the column's type",
    "22001": "is too long",
    "22021": "is not valid Unicode",
    "22P05": "holds a character that PostgreSQL cannot keep",
    "54000": "is too large for PostgreSQL",
    "54001": "is nested too deep for PostgreSQL",
}
