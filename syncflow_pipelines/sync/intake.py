"""Pages on their way into PostgreSQL: decoded, staged or copied straight into the table, their rejects kept."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import compress
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

import numpy as np
import psycopg

from syncflow_pipelines.errors import SyncCancelled
from syncflow_pipelines.sync.conversion.decode import Batch, RowDecoder, key_digest
from syncflow_pipelines.sync.loading.batch_copy import Taken
from syncflow_pipelines.sync.loading.first_load import FirstLoad
from syncflow_pipelines.sync.loading.known import KnownRows
from syncflow_pipelines.sync.loading.staging import Staged, Staging
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.reading.pages import Page
from syncflow_pipelines.sync.rejects.record import (
    RunRejects,
    count_rejects,
    count_run_rejects,
    digest_of,
    forget_older,
    forget_replaced,
    keep_rejects,
    kept_before,
    open_keys,
)

PhaseReport = Callable[[Literal["reading", "writing"], int, int | None], None]


class Intake:
    """Takes the pages of one sync, inside its transaction; to be left (`with`) before that ends."""

    def __init__(self, connection: psycopg.Connection, entity: Entity, run_uid: UUID) -> None:
        self._connection, self._entity, self._run_uid = connection, entity, run_uid
        self._decoder = RowDecoder(entity.spec)
        self.staging = Staging(connection, entity.spec, self._decoder)
        self.loading: FirstLoad | None = None
        """Where rows go instead of the staging table."""
        self.known: KnownRows | None = None
        """Rows that are in the table as they are; these are met, and not staged."""
        self.may_revive = True
        """Whether a staged row may be one that is marked deleted."""
        self.mended: set[UUID] = set()
        """Digests of the keys of good rows that earlier syncs rejected."""
        self.staged = Staged(0, 0)
        """What the staging table holds, once it is settled."""
        self.has_rejects = count_rejects(connection, entity.uid) > 0
        """Whether there are open rejected rows of the entity, of this sync or earlier ones."""
        self._open_rejects = open_keys(connection, entity.uid) if self.has_rejects else set()
        self._rejected_now: set[UUID] = set()
        self._kept_before = kept_before(connection, entity.uid) if self.has_rejects else set()
        self.rejected_again: set[UUID] = set()
        """Digests of rows that were rejected now, and kept as rejected by a sync that succeeded."""
        self.pages = self.rows = self.received_bytes = 0
        self._total: int | None = None
        self.cancelled: Callable[[], bool] = lambda: False
        self.report: PhaseReport = lambda phase, rows, total: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for copying in (self.loading, self.staging):
            if copying is not None:
                copying.__exit__(kind, error, trace)

    @property
    def unknown_names(self) -> set[str]:
        """Columns that rows had, and that the catalogue does not name."""
        return self._decoder.unknown_names

    def load_into_table(self) -> bool:
        """Sends the rows straight into the table from now on, which is empty; False where that cannot be done."""
        loading = FirstLoad(self._connection, self._entity.spec, self._entity.table, self._decoder)
        self.loading = loading if loading.begin() else None
        return self.loading is not None

    def stage_after_all(self) -> None:
        """Gives up what went into the table, or was left out because it is known: all rows are to come again."""
        if self.loading is not None:
            self.loading.discard()
        self.staging.flush()
        self.staging.create()
        self.staging.clear()
        self.loading = self.known = None
        self.may_revive = True

    def take(self, page: Page) -> Batch:
        """Takes one page. Raises `SyncCancelled`, and `HoldsDeletion` where that is none for the table itself."""
        if self.cancelled():
            raise SyncCancelled(f"{self._entity.key} was cancelled; nothing of this sync was kept")
        batch = self._decoded(page)
        self._sort_out_rejects((self.loading or self.staging).put(batch, page.number, page.received_bytes))
        self.rows, self.pages = self.rows + page.size, self.pages + 1
        self.received_bytes += page.received_bytes
        self._total = page.total if page.total is not None else self._total
        self.report("reading", self.rows, self._total)
        return batch

    def flush(self) -> None:
        """Waits until PostgreSQL has all that was taken."""
        self._sort_out_rejects((self.loading or self.staging).flush())

    def settle(self) -> int:
        """Leaves one row a key; how many keys came, rejected ones left out."""
        if self.loading is not None:
            return self.loading.end()
        if not self.staging.is_empty:
            self.staging.settle()
            self.staged = replace(self.staging.count(), all_news=self.known is not None, may_revive=self.may_revive)
        return self.staged.keys + (self.known.met if self.known else 0)

    def rejects_of_run(self) -> RunRejects:
        """The rows that this sync rejected."""
        if not self.has_rejects:
            return RunRejects(0, 0)
        return count_run_rejects(self._connection, self._entity.uid, self._run_uid)

    def forget_older_rejects(self) -> None:
        """Drops every reject that this sync did not meet again."""
        if self.has_rejects:
            forget_older(self._connection, self._entity.uid, self._run_uid)

    def open_rejects(self) -> int:
        """How many rejected rows of the entity are open, of this sync or earlier ones."""
        return count_rejects(self._connection, self._entity.uid) if self.has_rejects else 0

    def _decoded(self, page: Page) -> Batch:
        """The page's batch; of rows that are known, only their hashes."""
        if self.known is None or not page.rows:
            return self._decoder.decode(page)
        hashes = self._decoder.hashes(page.rows)
        known = self.known.meet(hashes)
        news = np.flatnonzero(~known).tolist()
        rest = replace(page, rows=[page.rows[at] for at in news])
        batch = self._decoder.decode(rest, [hashes[at] for at in news])
        batch.known = b"".join(compress(hashes, known.tolist()))
        return batch

    def _sort_out_rejects(self, pages: Iterable[Taken]) -> None:
        """Keeps the pages' rejects, and notes which earlier ones they replace by good rows."""
        for taken in pages:
            if self._open_rejects or self._rejected_now:
                self._note_mended(taken)
            if taken.rejects:
                self.has_rejects = True
                self.rejected_again |= self._kept_before.intersection(map(digest_of, taken.rejects))
                keep_rejects(self._connection, self._entity.uid, self._run_uid, taken.rejects, taken.page)
                self._rejected_now |= {key_digest(reject.key) for reject in taken.rejects if reject.key}

    def _note_mended(self, taken: Taken) -> None:
        found = {key_digest(key) for key in map(self._decoder.key, taken.batch.rows) if key}
        found -= {key_digest(reject.key) for reject in taken.rejects if reject.key}
        self.mended |= found & self._open_rejects
        forget_replaced(self._connection, self._entity.uid, self._run_uid, found & self._rejected_now)
        self._rejected_now -= found
