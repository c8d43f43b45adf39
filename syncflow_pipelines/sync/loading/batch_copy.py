"""Batches → a table by `COPY`, several pages in one; a row that PostgreSQL refuses is found by halving."""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.conversion.decode import Batch, Reject, RowDecoder
from syncflow_pipelines.sync.model import EntitySpec
from syncflow_pipelines.sync.reading.pages import WireRow

MOST_PAGES = 5
"""Pages in one COPY, which are held until PostgreSQL has taken them: few, so that a processor's cache has room."""

MOST_BYTES = 8_000_000
"""Of pages that are held for one COPY, as the source sent them."""

SLOW_SOURCE_S = 0.05
"""Where pages come further apart, each is a COPY of its own: none waits for the network."""

_REFUSALS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
"""What PostgreSQL says of a value that it cannot keep; any other error ends the sync."""

Terminated = Callable[[Batch], bytes]
"""All lines of a batch as they go over the wire."""


@dataclass(slots=True)
class Taken:
    """A batch that PostgreSQL has taken, but for the rows that it refused."""

    batch: Batch
    page: int
    rejects: list[Reject] = field(default_factory=list)
    """The batch's own, and those that PostgreSQL added."""


class BatchCopy:
    """Copies batches with one COPY statement, inside the caller's transaction.

    While batches wait for `flush` the connection can do nothing else. To be left (`with`) before the transaction ends.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        spec: EntitySpec,
        decoder: RowDecoder,
        statement: sql.Composed,
        terminated: Terminated,
    ) -> None:
        self._connection, self._spec, self._decoder = connection, spec, decoder
        self._statement, self._terminated = statement, terminated
        self._open: ExitStack | None = None
        self._copy: psycopg.Copy | None = None
        self._waiting: list[Taken] = []
        self._last_put, self._held_bytes = 0.0, 0
        self._time_limit: bool | None = None
        """Whether statements may only take so long: a COPY that waits for the next page would be ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandon()

    def put(self, batch: Batch, page: int, received_bytes: int = 0) -> list[Taken]:
        """Sends a batch on its way; what comes out are the batches that are in the table by now.

        `received_bytes` are those of the page's body, which its rows hold on to.
        """
        now = time.monotonic()
        is_slow, self._last_put = now - self._last_put > SLOW_SOURCE_S, now
        self._held_bytes += received_bytes
        self._waiting.append(Taken(batch, page, list(batch.rejects)))
        if batch.lines and not self._send(self._terminated(batch)):
            return self._one_by_one()
        is_full = len(self._waiting) >= MOST_PAGES or self._held_bytes >= MOST_BYTES
        return self.flush() if is_slow or is_full or batch.rejects or self._time_limit else []

    def flush(self) -> list[Taken]:
        """Ends the COPY; the batches that waited for it."""
        if self._open is not None and not self._end():
            return self._one_by_one()
        taken, self._waiting, self._held_bytes = self._waiting, [], 0
        return taken

    def _send(self, lines: bytes) -> bool:
        """Whether PostgreSQL has refused nothing so far."""
        try:
            if self._open is None:
                self._begin()
            self._copy.write(lines)  # type: ignore[union-attr]
        except _REFUSALS:
            self._abandon()
            return False
        return True

    def _begin(self) -> None:
        if self._time_limit is None:
            limit = self._connection.execute("SELECT current_setting('statement_timeout')").fetchone()
            self._time_limit = limit != ("0",)
        with ExitStack() as opening:
            opening.enter_context(self._connection.transaction())
            cursor = opening.enter_context(self._connection.cursor())
            self._copy = opening.enter_context(cursor.copy(self._statement))
            self._open = opening.pop_all()

    def _end(self) -> bool:
        opened, self._open, self._copy = self._open, None, None
        try:
            if opened is not None:
                opened.close()
        except _REFUSALS:
            return False
        return True

    def _abandon(self) -> None:
        # Ended as if nothing were wrong: psycopg would log what it hears of a COPY that it breaks off, with the row.
        opened, self._open, self._copy = self._open, None, None
        if opened is not None:
            with suppress(psycopg.Error):
                opened.close()

    def _one_by_one(self) -> list[Taken]:
        """Copies each batch that waits on its own, the refused rows left out of it."""
        taken, self._waiting, self._held_bytes = self._waiting, [], 0
        for one in taken:
            one.rejects += self._copy_in(one.batch)
        return taken

    def _copy_in(self, batch: Batch) -> list[Reject]:
        """Copies the rows; where PostgreSQL refuses some, halves them until the bad ones stand alone."""
        if not batch.lines or self.takes(batch):
            return []
        if len(batch.lines) > 1:
            middle = len(batch.lines) // 2
            return self._copy_in(_part(batch, slice(middle))) + self._copy_in(_part(batch, slice(middle, None)))
        return self._convert_and_copy(batch.rows[0])

    def _convert_and_copy(self, row: WireRow) -> list[Reject]:
        """What was copied as the source spells it may be good in PostgreSQL's spelling: `1e3` for a whole number."""
        alone = self._decoder.alone(row)
        if alone.rejects:
            return alone.rejects
        try:
            self._write(alone)
        except _REFUSALS as refusal:
            reason = _REASONS.get(refusal.sqlstate or "", "PostgreSQL refuses the value")
            return [self._decoder.refused_by_database(row, self._column_at_fault(refusal.diag.context or ""), reason)]
        return []

    def takes(self, batch: Batch) -> bool:
        """Copies the batch at once; False where PostgreSQL refuses a row of it."""
        try:
            self._write(batch)
        except _REFUSALS:
            return False
        return True

    def _write(self, batch: Batch) -> None:
        connection = self._connection
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(self._statement) as copy:
            copy.write(self._terminated(batch))

    def _column_at_fault(self, context: str) -> str | None:
        """The column that stands first in `COPY …, line 1, column NAME: "value"`; values may look like the rest."""
        names = (column.identifier for column in self._spec.columns)
        found = [(at, name) for name in names if (at := context.find(f", column {name}: ")) >= 0]
        return min(found)[1] if found else None


def _part(batch: Batch, part: slice) -> Batch:
    return Batch(batch.rows[part], batch.lines[part], batch.kinds[part])


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
