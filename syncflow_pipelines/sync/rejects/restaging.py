"""Rejected rows → the staging table → the entity's table, inside a retry's transaction.

They are read as a page of the source would be, so that what is good and what is not is decided in one place. A row
that is older than what the table holds of its key is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.conversion.decode import RowDecoder
from syncflow_pipelines.sync.entities import forget_cursor
from syncflow_pipelines.sync.history.recording import History
from syncflow_pipelines.sync.loading.apply import Applied, Target
from syncflow_pipelines.sync.loading.staging import NAME, Staging
from syncflow_pipelines.sync.model import Counts, Entity
from syncflow_pipelines.sync.reading.pages import parse_page
from syncflow_pipelines.sync.reading.rowversion import precedes
from syncflow_pipelines.sync.rejects.record import digest_of, refresh_reject
from syncflow_pipelines.sync.schema.tables import ensure_table

ROWS_AT_ONCE = 1000
CHARACTERS_AT_ONCE = 8_000_000

UNREADABLE = "not a row of the contract"
"""How the reason begins of a row that no column can mend; what is kept of it may not even be what was sent."""

_STAGE = sql.Identifier("pg_temp", NAME)
# In the order in which the source sent them: of two rows with one key, the later is staged later.
_TRIED = """
SELECT uid, row_digest, last_seen_at, length(raw), starts_with(reason, %(unreadable)s)
FROM rejected_rows
WHERE entity_uid = %(entity)s AND status = 'open' AND (%(uids)s::uuid[] IS NULL OR uid = ANY (%(uids)s))
ORDER BY last_seen_at, page NULLS FIRST, first_seen_at, uid
"""
_RAW = "SELECT raw FROM rejected_rows WHERE uid = ANY (%(uids)s) ORDER BY array_position(%(uids)s, uid)"
_ADD_SEEN = sql.SQL("ALTER TABLE {stage} ADD COLUMN _bridge_seen timestamptz")
_SEEN_AT = sql.SQL("ALTER TABLE {stage} ALTER COLUMN _bridge_seen SET DEFAULT {moment}")
_HELD = sql.SQL(
    "SELECT s.ctid::text, s._bridge_rowversion, s._bridge_seen, t._bridge_rowversion, t._bridge_updated_at "
    "FROM {stage} s JOIN {table} t ON {same_key} WHERE s._bridge_kind <> 2"
)
_LEAVE_OUT = sql.SQL("DELETE FROM {stage} WHERE ctid = ANY (%s::tid[])")
_CHANGE_LIVE_ROWS = "UPDATE entities SET live_rows = live_rows + %s, updated_at = now() WHERE uid = %s"


class TriedRow(NamedTuple):
    """A rejected row to be tried again."""

    uid: UUID
    digest: UUID
    seen_at: datetime
    """When the source sent it last."""
    characters: int
    is_unreadable: bool


@dataclass(frozen=True, slots=True)
class Restaged:
    """What became of the rows."""

    counts: Counts = field(default_factory=Counts)
    superseded: int = 0
    """Good rows that were left out for later ones."""
    still_bad: frozenset[UUID] = frozenset()


def find_tried(connection: psycopg.Connection, entity_uid: UUID, uids: Sequence[UUID] | None) -> list[TriedRow]:
    """The entity's open rejected rows, or those of `uids` that are, the longest waiting first."""
    chosen = None if uids is None else list(uids)
    found = connection.execute(_TRIED, {"entity": entity_uid, "uids": chosen, "unreadable": UNREADABLE})
    return [TriedRow(*row) for row in found]


class Restaging:
    """One retry's way from the rejected rows to the table; used once, inside one transaction."""

    def __init__(self, connection: psycopg.Connection, entity: Entity, history: History | None) -> None:
        self._connection, self._entity = connection, entity
        decoder = self._decoder = RowDecoder(entity.spec)
        self._staging = Staging(connection, entity.spec, decoder)
        self._target = Target(connection, entity.spec, entity.table, history)
        self._still_bad: set[UUID] = set()

    def run(self, tried: Sequence[TriedRow]) -> Restaged:
        """Stages and applies the rows; notes of those that are still bad why. Raises `SchemaRefused`."""
        self._ensure_table()
        self._staging.create()
        self._connection.execute(_ADD_SEEN.format(stage=_STAGE))
        self._still_bad |= {one.uid for one in tried if one.is_unreadable}
        with self._staging:
            for seen_at, rows in groupby((one for one in tried if not one.is_unreadable), lambda one: one.seen_at):
                self._connection.execute(_SEEN_AT.format(stage=_STAGE, moment=sql.Literal(seen_at)))
                for page in _pages(rows):
                    self._stage(page)
        superseded = self._staging.settle()
        staged = self._staging.count()
        superseded += self._leave_out_older()
        applied = self._target.apply(self._entity.strategy, staged)
        self._change_live_rows(applied)
        return Restaged(_counts(staged.keys, applied, len(self._still_bad)), superseded, frozenset(self._still_bad))

    def _ensure_table(self) -> None:
        """As a sync does; a table that has lost its rows is to be read anew, whatever is put into it here."""
        plan = ensure_table(self._connection, self._entity.spec, self._entity.table)
        if plan.refills or (self._entity.live_rows and self._target.is_empty()):
            forget_cursor(self._connection, self._entity.uid)

    def _stage(self, page: Sequence[TriedRow]) -> None:
        raws = self._connection.execute(_RAW, {"uids": [one.uid for one in page]}).fetchall()
        body = '{"rows":[' + ",".join(raw for (raw,) in raws) + "]}"
        by_digest = {one.digest: one.uid for one in page}
        for reject in self._staging.add(self._decoder.decode(parse_page(body.encode()))):
            uid = by_digest[digest_of(reject)]
            self._still_bad.add(uid)
            # Bytes that are no Unicode were kept as escapes, which are no JSON: the reason of then is the true one.
            if not reject.reason.startswith(UNREADABLE):
                refresh_reject(self._connection, uid, reject)

    def _leave_out_older(self) -> int:
        """Takes rows out of the staging table of which the table holds a later state; returns how many."""
        table = sql.Identifier(self._entity.table.schema, self._entity.table.name)
        pairs = [sql.SQL("t.{0} = s.{0}").format(sql.Identifier(key)) for key in self._entity.spec.business_keys]
        held = _HELD.format(stage=_STAGE, table=table, same_key=sql.SQL(" AND ").join(pairs))
        older = [place for place, *row in self._connection.execute(held) if _is_older(*row)]
        self._connection.execute(_LEAVE_OUT.format(stage=_STAGE), (older,))
        return len(older)

    def _change_live_rows(self, applied: Applied) -> None:
        change = applied.inserted + applied.revived - applied.buried
        self._connection.execute(_CHANGE_LIVE_ROWS, (change, self._entity.uid))


def _pages(rows: Iterable[TriedRow]) -> Iterator[list[TriedRow]]:
    """The rows in pieces that are not too much for memory."""
    page: list[TriedRow] = []
    characters = 0
    for one in rows:
        if page and (len(page) == ROWS_AT_ONCE or characters + one.characters > CHARACTERS_AT_ONCE):
            yield page
            page, characters = [], 0
        page.append(one)
        characters += one.characters
    if page:
        yield page


def _is_older(version: str | None, seen_at: datetime, held_version: str | None, held_since: datetime) -> bool:
    """Whether a rejected row is of an earlier time than the table's row with its key.

    Row versions tell; where they do not, the times: when the row was sent, and when the table's row was changed last.
    """
    if version is None or held_version is None:
        return held_since > seen_at
    return precedes(version, held_version) or (not precedes(held_version, version) and held_since > seen_at)


def _counts(fetched: int, applied: Applied, rejected: int) -> Counts:
    return Counts(
        fetched=fetched + rejected,
        inserted=applied.inserted,
        updated=applied.updated,
        unchanged=fetched - applied.inserted - applied.updated - applied.buried,
        deleted=applied.buried,
        rejected=rejected,
    )
