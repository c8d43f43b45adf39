"""The two ways of reading an entity: by page number, and by row version.

Neither keeps rows: every page is handed to `take`, which stages it and says what it saw. Both hold no
more than `concurrency` pages at a time. See "Rows" in the source contract for what a source may do meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.decode import Batch
from syncflow_pipelines.sync.pages import Page
from syncflow_pipelines.sync.rowversion import precedes

Take = Callable[[Page], Batch]

STALLED_PAGES = 3
"""So many pages in a row that were all seen before mean that a source turns in circles."""

BELIEVED_EMPTY_PAGES = 3
"""An empty page is the last one, unless the total says otherwise; after so many it is believed all the same."""

GROUP_PASSES = 6
"""How often a group of equal row versions is read again before it is left for the next sync."""


class Fetch(Protocol):
    """Fetches one page; `above` is the row version to start after, None to read in key order."""

    def __call__(self, page: int, above: str | None = None) -> Page: ...


@dataclass(frozen=True, slots=True)
class WholeRead:
    """What a read of all pages saw."""

    pages: int
    rows: int
    total: int | None
    """The source's last word on how many rows there are."""
    total_moved: bool

    @property
    def settled(self) -> bool:
        """False where the totals say that the entity moved, or rows hid, while it was read."""
        return not self.total_moved and (self.total is None or self.rows >= self.total)


@dataclass(frozen=True, slots=True)
class VersionRead:
    """What a read by row version saw."""

    cursor: str | None
    """The highest row version below which nothing can be missing; where the next sync goes on."""
    pages: int
    complete: bool
    """False where a group of equal row versions would not hold still; the next sync goes on there."""
    ordered: bool
    """False where the source did not send its rows in row-version order, so that no cursor can be trusted."""


def read_whole(fetch: Fetch, take: Take, *, page_size: int, concurrency: int) -> WholeRead:
    """Reads every page by number, up to `concurrency` at a time. Raises `SourceError`."""
    first = fetch(1)
    pages, rows, totals, circles, empty = 1, first.size, {first.total}, _Circles(), 0
    circles.check(take(first))
    if first.ends_the_read(page_size, rows):
        return WholeRead(1, rows, first.total, total_moved=False)
    with _pages_ahead(fetch, concurrency, _expected_pages(first, page_size)) as following:
        for page in following:
            pages += 1
            rows += page.size
            totals.add(page.total)
            circles.check(take(page))
            empty = 0 if page.size else empty + 1
            hides_some = page.total is not None and page.total > rows and empty < BELIEVED_EMPTY_PAGES
            if page.ends_the_read(page_size, rows) and (page.size or not hides_some):
                break
    return WholeRead(pages, rows, page.total, total_moved=len(totals - {None}) > 1)


class _Circles:
    """Notices a source that sends the same pages over and over."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._stalled = 0

    def check(self, batch: Batch) -> None:
        """Raises `SourceProtocolError` once several pages running brought only what earlier ones had."""
        if not batch.versions and not batch.rejects:
            return
        signature = hash((tuple(batch.keys), tuple(reject.raw for reject in batch.rejects)))
        self._stalled = self._stalled + 1 if signature in self._known else 0
        self._known.add(signature)
        if self._stalled == STALLED_PAGES:
            raise SourceProtocolError("sends the same pages over and over, whatever page is asked for")


def _expected_pages(first: Page, page_size: int) -> int | None:
    return None if first.total is None else -(-first.total // min(page_size, max(first.size, 1)))


@contextmanager
def _pages_ahead(fetch: Fetch, concurrency: int, expected: int | None) -> Iterator[Iterator[Page]]:
    """Pages 2, 3, … in order, requested ahead; beyond the expected last page, one at a time."""
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="syncflow-page")
    waiting: deque[Future[Page]] = deque()

    def pages() -> Iterator[Page]:
        number = 2
        while True:
            while len(waiting) < (concurrency if expected is None or number <= expected else 1):
                waiting.append(pool.submit(fetch, number))
                number += 1
            yield waiting.popleft().result()

    try:
        yield pages()
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def read_by_version(fetch: Fetch, take: Take, start: str | None, *, page_size: int) -> VersionRead:
    """Reads all rows above `start` in row-version order, going on from row versions, not page numbers.

    A page's rows below its greatest version are complete, since one answer is one moment; so the next
    request starts there. Only a group of equal versions longer than a page is read by page numbers, and
    passed once reading it again brought nothing new. A greatest version that fits on one page is not passed: a
    later change may carry the same one, and reading it again costs nothing. Raises `SourceError`.
    """
    read = _VersionReader(fetch, take, page_size)
    return read.run(start)


class _VersionReader:
    def __init__(self, fetch: Fetch, take: Take, page_size: int) -> None:
        self._fetch, self._take, self._page_size = fetch, take, page_size
        self._pages = 0

    def run(self, start: str | None) -> VersionRead:
        base = start
        while True:
            page, batch = self._read(1, base)
            if not page.size:
                return self._done(base)
            if not _is_ordered(base, batch.versions):
                return self._done(start, ordered=False)
            versions = _distinct(batch.versions)
            if len(versions) > 1:
                base = versions[-2]
            elif page.ends_the_read(self._page_size, page.size):
                return self._done(base)
            elif not versions:
                self._pass_over(base, None, page, batch)
                return self._done(base)  # rows without a version: there is nothing to go on from
            else:
                group = self._read_group(base, versions[0], page, batch)
                if not group.may_be_passed:
                    return self._done(base, complete=group.is_last)
                base = versions[0]
                if group.is_last:
                    return self._done(base)

    def _read(self, number: int, above: str | None) -> tuple[Page, Batch]:
        page = self._fetch(number, above or "")
        self._pages += 1
        return page, self._take(page)

    def _done(self, cursor: str | None, *, complete: bool = True, ordered: bool = True) -> VersionRead:
        return VersionRead(cursor or None, self._pages, complete, ordered)

    def _read_group(self, base: str | None, version: str, page: Page, batch: Batch) -> "_Group":
        """Reads the group that fills the first page to its end, until a pass brings nothing new."""
        seen, is_last, rows = self._pass_over(base, version, page, batch)
        if is_last and rows == page.size < self._page_size:
            return _Group(may_be_passed=False, is_last=True)  # all of it came in one answer
        for _ in range(GROUP_PASSES):
            again, is_last, _rows = self._pass_over(base, version, *self._read(1, base))
            if not np.setdiff1d(again, seen).size:
                return _Group(may_be_passed=True, is_last=is_last)
            seen = np.union1d(again, seen)
        return _Group(may_be_passed=False, is_last=False)

    def _pass_over(
        self, base: str | None, version: str | None, page: Page, batch: Batch
    ) -> tuple["np.typing.NDArray[np.uint64]", bool, int]:
        """The keys of the group, whether nothing follows it, and how many rows were read.

        Reads on from page 1, which is given; without a version, to the very end.
        """
        number, rows, keys, circles = 1, page.size, [batch.keys], _Circles()
        circles.check(batch)
        while True:
            if version is not None and any(found != version for found in batch.versions):
                return _as_array(keys), False, rows
            if page.ends_the_read(self._page_size, rows):
                return _as_array(keys), True, rows
            number += 1
            page, batch = self._read(number, base)
            rows += page.size
            keys.append(batch.keys)
            circles.check(batch)


@dataclass(frozen=True, slots=True)
class _Group:
    may_be_passed: bool
    is_last: bool


def _as_array(keys: list[list[int]]) -> "np.typing.NDArray[np.uint64]":
    return np.unique(np.concatenate([np.array(part, dtype=np.uint64) for part in keys]))


def _distinct(versions: list[str | None]) -> list[str]:
    return list(dict.fromkeys(version for version in versions if version is not None))


def _is_ordered(above: str | None, versions: list[str | None]) -> bool:
    known = [version for version in versions if version is not None]
    if above is not None and any(not precedes(above, version) for version in known[:1]):
        return False
    return not any(precedes(later, earlier) for earlier, later in pairwise(known))
