"""Inside a sync's transaction: read the source into the staging table, then apply it to the entity's table."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import quote
from uuid import UUID

import psycopg

from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.errors import EntityGone, SourceProtocolError, SuspiciousRead, SyncError, TooManyRejects
from syncflow_pipelines.sync.conversion.decode import Batch
from syncflow_pipelines.sync.entities import forget_cursor
from syncflow_pipelines.sync.history.recording import History
from syncflow_pipelines.sync.intake import Intake, PhaseReport
from syncflow_pipelines.sync.loading import empty_table
from syncflow_pipelines.sync.loading.apply import Applied, Target
from syncflow_pipelines.sync.loading.first_load import LONGEST_S, HoldsDeletion
from syncflow_pipelines.sync.loading.known import MOST_ROWS, KnownRows, Unseen
from syncflow_pipelines.sync.model import Counts, Entity, Strategy
from syncflow_pipelines.sync.reading.pages import Page, parse_page
from syncflow_pipelines.sync.reading.reads import WholeRead, read_backwards, read_by_version, read_whole
from syncflow_pipelines.sync.reading.rowversion import precedes, rewind
from syncflow_pipelines.sync.rejects.record import forget_mended
from syncflow_pipelines.sync.schema.tables import ensure_table
from syncflow_pipelines.transport import NotFound, SourceClient

MANY_ROWS = 10
"""From so many live rows on, a read that saw none or hardly any of them is not believed."""

SHOWN_NAMES = 10
"""Of columns that a catalogue does not name; a source may invent new ones in every row."""


@dataclass(slots=True)
class Reading:
    """What was read, before any of it is applied."""

    strategy: Strategy
    is_whole: bool
    """Whether every row of the source was asked for, so that a row not seen may be gone."""
    moves: bool = False
    """Whether the read took several answers by page number, so that a row may have hidden from it."""
    cursor: str | None = None
    pages: int = 0
    received_bytes: int = 0
    """Of pages, decompressed."""
    rejected: int = 0
    rejected_without_key: int = 0
    fetched: int = 0
    """Distinct keys staged, tombstones included, rejected rows not."""
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """The counts of a read of which nothing was applied."""
        return Counts(fetched=self.fetched + self.rejected, rejected=self.rejected)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the table."""

    counts: Counts
    cursor: str | None
    live_rows: int
    recorded_changes: int | None
    """None without a history."""
    open_rejects: int
    """Of the entity, of this sync or earlier ones."""


class Ingest:
    """One sync's way from the source to the table; used once, inside one transaction."""

    def __init__(
        self,
        connection: psycopg.Connection,
        connector: ConnectorConfig,
        entity: Entity,
        run_uid: UUID,
        source: SourceClient,
    ) -> None:
        self._connection, self._entity, self._run_uid, self._source = connection, entity, run_uid, source
        self._settings = connector.entity(entity.spec.slug)
        self._path = f"/api/v1/data/{quote(entity.spec.slug, safe='')}"
        self._intake = Intake(connection, entity, run_uid)
        history = History(connection, entity, run_uid) if self._settings.history else None
        self._target = Target(connection, entity.spec, entity.table, history)
        self._page_s = 0.0
        self._must_stage = False

    def follow(self, cancelled: Callable[[], bool], report: PhaseReport) -> None:
        """Asks whether to go on, and tells how far it is, page by page."""
        self._intake.cancelled, self._intake.report = cancelled, report

    def read(self, strategy: Strategy) -> Reading:
        """Reads into the staging table. Raises `SourceError`, `SyncCancelled`, `SchemaRefused`."""
        cursor = self._cursor()
        by_version = strategy == "rowversion" or (strategy == "full" and self._entity.spec.has_row_versions)
        with self._intake:
            reading = self._by_version(strategy, cursor) if by_version else self._by_page(strategy, cursor)
        reading.fetched = self._intake.settle()
        rejects = self._intake.rejects_of_run()
        reading.rejected, reading.rejected_without_key = rejects.count, rejects.without_key
        reading.pages, reading.received_bytes = self._intake.pages, self._intake.received_bytes
        self._note_unknown(reading)
        return reading

    def write(self, reading: Reading) -> Written:
        """Applies what was read. Raises `TooManyRejects` or `SuspiciousRead` before it touches the table."""
        self._intake.report("writing", reading.fetched, None)
        self._check(reading)
        applied = self._apply(reading)
        missing = self._bury_missing(reading)
        self._forget_rejects(reading)
        counts = Counts(
            fetched=reading.fetched + reading.rejected,
            inserted=applied.inserted,
            updated=applied.updated,
            unchanged=reading.fetched - applied.inserted - applied.updated - applied.buried,
            deleted=applied.buried + missing,
            rejected=reading.rejected,
            missing=missing,
        )
        live = self._live_rows(reading, applied.inserted + applied.revived - counts.deleted)
        recorded = counts.inserted + counts.updated + counts.deleted if self._settings.history else None
        return Written(counts, reading.cursor, live, recorded, self._intake.open_rejects())

    def _check(self, reading: Reading) -> None:
        try:
            self._check_rejects(reading)
            self._check_emptiness(reading)
        except SyncError:
            if self._intake.loading is not None:
                self._intake.loading.discard()
            raise

    def _apply(self, reading: Reading) -> Applied:
        if self._intake.loading is not None:
            return Applied(inserted=reading.fetched, updated=0, revived=0, buried=0)
        return self._target.apply(reading.strategy, self._intake.staged)

    def _cursor(self) -> str | None:
        """Where to go on from; None where the table does not hold what the cursor says it does."""
        plan = ensure_table(self._connection, self._entity.spec, self._entity.table)
        if plan.refills or (self._entity.live_rows and self._target.is_empty()):
            # Kept also where this sync is refused as a whole: the next one has to begin anew, too.
            forget_cursor(self._connection, self._entity.uid)
            return None
        return self._entity.last_rowversion

    def _by_version(self, strategy: Strategy, cursor: str | None) -> Reading:
        whole = strategy == "full"
        start = None if whole else rewind(cursor, self._settings.rowversion_overlap)
        read = read_by_version(self._fetch, self._intake.take, start, page_size=self._settings.page_size)
        self._intake.flush()
        if not read.ordered:
            reading = self._by_page(strategy, cursor)
            reading.notes.append("rows come without row versions, or not in their order, so the entity was read whole")
            return reading
        reading = Reading(strategy, is_whole=start is None and read.complete, cursor=read.cursor)
        if not whole and _is_behind(read.cursor, cursor):
            reading.cursor = cursor
        if not read.complete:
            reading.notes.append("the source would not hold still while it was read; the next sync goes on from there")
        return reading

    def _by_page(self, strategy: Strategy, cursor: str | None) -> Reading:
        if strategy == "hash":
            self._know_rows()
        unseen = Unseen(self._connection, self._entity.spec, self._entity.table) if self._intake.known else None
        try:
            reading = self._read_pages(strategy, cursor, unseen)
        except HoldsDeletion:
            return self._read_again(strategy, cursor)
        if unseen and unseen.came_twice:
            return self._read_again(strategy, cursor)
        return reading

    def _know_rows(self) -> None:
        """Learns the hashes of the table's rows, so that equal ones need not be staged."""
        if 0 < (self._entity.live_rows or 0) <= MOST_ROWS:
            known = KnownRows.of_table(self._connection, self._entity.table)
            self._intake.known = known if known.live and known.is_complete else None

    def _read_again(self, strategy: Strategy, cursor: str | None) -> Reading:
        """Reads all rows into the staging table, which alone can tell what of several rows of one key is the last."""
        self._intake.stage_after_all()
        self._target.leave_out(None)
        self._must_stage = True
        reading = self._read_pages(strategy, cursor, None)
        reading.notes.append("read again, because a row came more than once, or a deletion among the first rows")
        return reading

    def _read_pages(self, strategy: Strategy, cursor: str | None, unseen: Unseen | None) -> Reading:
        read = self._pass(unseen)
        reading = Reading(strategy, is_whole=True, moves=read.pages > 1, cursor=cursor)
        if not read.settled:
            reading.notes.append("the entity moved while it was read")
        if reading.moves:
            self._confirm_missing(reading, unseen)
        return reading

    def _pass(self, unseen: Unseen | None) -> WholeRead:
        settings = self._settings
        read = read_whole(self._fetch, self._take, page_size=settings.page_size, concurrency=settings.concurrency)
        self._end_pass(unseen)
        return read

    def _end_pass(self, unseen: Unseen | None) -> None:
        self._intake.flush()
        if unseen and self._intake.known:
            self._account(unseen, self._intake.known)

    def _account(self, unseen: Unseen, known: KnownRows) -> None:
        """Works out which of the known rows may be gone: neither they nor their keys were read."""
        if not self._intake.staging.is_empty:
            self._intake.staging.analyze()
            unseen.note_staged(known)
            self._intake.may_revive = unseen.meets_deleted
        if not known.all_accounted:
            unseen.fill(known)
            self._target.leave_out(unseen.name)

    def _confirm_missing(self, reading: Reading, unseen: Unseen | None) -> None:
        """Reads again where rows seem gone, as page numbers can hide a row; backwards where the entity still moves."""
        if not self._seem_gone():
            return
        again = self._pass(unseen)
        reading.notes.append("read twice, because rows seemed to be gone")
        held_still = again.settled and again.total is not None
        if not held_still and not again.hides_rows and self._seem_gone():
            again = read_backwards(self._fetch, self._take, pages=again.pages, page_size=self._settings.page_size)
            self._end_pass(unseen)
            reading.notes.append("and once more backwards, because rows came and went meanwhile")
        if again.hides_rows:
            reading.is_whole = False
            reading.notes.append("no row was marked deleted, because the source says that it has more than it sent")

    def _seem_gone(self) -> bool:
        """Whether the table has rows that were not read."""
        if self._intake.loading is not None or self._all_accounted():
            return False
        self._intake.staging.create()
        self._intake.staging.analyze()
        return self._target.count_missing() > 0

    def _all_accounted(self) -> bool:
        return self._intake.known is not None and self._intake.known.all_accounted

    def _take(self, page: Page) -> Batch:
        if self._intake.pages == 0 and not self._must_stage and self._may_load(page):
            self._intake.load_into_table()
        return self._intake.take(page)

    def _may_load(self, first: Page) -> bool:
        """Whether the rows may go straight into the table: many, into an empty one that nobody will wait for long."""
        if first.total is None or first.total < empty_table.MANY_ROWS or not first.size or self._settings.history:
            return False
        if not self._target.is_empty():
            return False
        return first.total / first.size * self._page_s <= LONGEST_S * self._settings.concurrency

    def _fetch(self, page: int, above: str | None = None) -> Page:
        query = [("page", str(page)), ("page_size", str(self._settings.page_size))]
        if above is not None:
            query.append(("rowversion_gt", above))
        try:
            started = time.monotonic()
            reply = self._source.get(self._path, query, validate=parse_page, cancelled=self._intake.cancelled)
            found = replace(reply.body, number=page)
            self._page_s = time.monotonic() - started
            return found
        except NotFound as cause:
            raise EntityGone(
                f"{self._entity.key} is not offered by its source any more (404); `syncflow discover "
                f"{self._entity.connector}` marks it as gone"
            ) from cause
        except SourceProtocolError as cause:
            raise SourceProtocolError(f"{self._entity.key}: {cause}") from cause

    def _check_rejects(self, reading: Reading) -> None:
        # By row version, the newest rows come again every time; what is kept of them says nothing new.
        again = 0 if reading.is_whole else len(self._intake.rejected_again)
        rejected, all_rows = reading.rejected - again, reading.fetched + reading.rejected - again
        if rejected > self._settings.max_reject_ratio * all_rows:
            raise TooManyRejects(
                f"{self._entity.key}: {rejected} of {all_rows} rows were rejected, more than max_reject_ratio "
                f"{self._settings.max_reject_ratio:g} allows; `syncflow rejects list {self._entity.key}` shows why"
            )

    def _check_emptiness(self, reading: Reading) -> None:
        if not reading.is_whole:
            return
        if self._intake.loading is not None:
            return
        known = self._intake.known
        live, seen = known.live if known else self._target.count_live(), reading.fetched + reading.rejected
        if live >= MANY_ROWS and seen < self._settings.min_seen_ratio * live:
            raise SuspiciousRead(
                f"{self._entity.key}: the source showed {seen} rows where {live} are live, less than min_seen_ratio "
                f"{self._settings.min_seen_ratio:g} allows; if that is right, set min_seen_ratio: 0 for it once"
            )

    def _bury_missing(self, reading: Reading) -> int:
        if not reading.is_whole or self._intake.loading is not None or self._all_accounted():
            return 0
        if reading.rejected_without_key:
            reading.notes.append("no row was marked deleted, because rejected rows without a key may be any of them")
            return 0
        self._intake.staging.create()
        return self._target.bury_missing()

    def _forget_rejects(self, reading: Reading) -> None:
        if reading.is_whole:
            self._intake.forget_older_rejects()
        else:
            forget_mended(self._connection, self._entity.uid, self._run_uid, self._intake.mended)

    def _live_rows(self, reading: Reading, change: int) -> int:
        """Counted where everything was read anyway, and nobody has counted yet; else worked out from the change."""
        if self._intake.loading is not None:
            return change
        if self._intake.known is not None:
            return self._intake.known.live + change
        if reading.is_whole or self._entity.live_rows is None or reading.cursor is None:
            return self._target.count_live()
        return self._entity.live_rows + change

    def _note_unknown(self, reading: Reading) -> None:
        if self._intake.unknown_names:
            names = ", ".join(sorted(self._intake.unknown_names)[:SHOWN_NAMES])
            reading.notes.append(f"the source sends columns that its catalogue does not name: {names}")


def _is_behind(found: str | None, before: str | None) -> bool:
    return before is not None and (found is None or precedes(found, before))
