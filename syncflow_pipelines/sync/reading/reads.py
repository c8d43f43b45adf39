"""The two ways of reading an entity: by page number, and by row version.

Neither keeps rows: every page is handed to `take`, which stages it and says what it saw. Both hold no
more than `concurrency` pages at a time. See "Rows" in the source contract for what a source may do meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, dropwhile
from typing import Protocol

import numpy as np

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.conversion.decode import Batch
from syncflow_pipelines.sync.reading.pages import Page
from syncflow_pipelines.sync.reading.rowversion import precedes

Take = Callable[[Page], Batch]

STALLED_PAGES = 3
"""So many pages in a row that were all seen before mean that a source turns in circles."""

BELIEVED_EMPTY_PAGES = 3
"""An empty page is the last one, unless it says that more follow; after so many it is believed all the same."""

GROUP_PASSES = 6
"""How often a group of equal row versions is read again before it is left for the next sync."""

CHASE = 4
"""A read by row version ends after so many times the rows that there were when it began: the source may change
faster than it can be read."""

CHASED_PAGES = 10
"""So many pages it may read in any case."""

UNTOLD_PAGES = 10_000
"""Where the source does not tell its total, so many pages, and the next sync goes on behind them."""


class Fetch(Protocol):
    """Fetches one page; `above` is the row version to start after, None to read in key order."""

    def __call__(self, page: int, above: str | None = None) -> Page: ...


@dataclass(frozen=True, slots=True)
class WholeRead:
    """What a read of all pages saw."""

    pages: int
    rows: int
    """Rows of all pages, those that came twice included, but not those of pages that the source sent again."""
    total: int | None
    """The source's last word on how many rows there are."""
    total_moved: bool
    promised_more: bool = False
    """Whether the source still said that rows follow when it had no more."""

    @property
    def hides_rows(self) -> bool:
        """Whether the source's own last word is that there are rows which it did not send."""
        return self.promised_more or (self.total is not None and self.rows < self.total)

    @property
    def settled(self) -> bool:
        """False where the source said that the entity moved, or rows hid, while it was read."""
        return not (self.total_moved or self.hides_rows)


@dataclass(frozen=True, slots=True)
class VersionRead:
    """What a read by row version saw."""

    cursor: str | None
    """The highest row version below which nothing can be missing; where the next sync goes on."""
    pages: int
    complete: bool
    """False where the source would not hold still, or hid rows; the next sync goes on there."""
    ordered: bool
    """False where rows come without row versions, or not in their order, so that no cursor can be trusted."""


def read_whole(fetch: Fetch, take: Take, *, page_size: int, concurrency: int) -> WholeRead:
    """Reads every page by number, up to `concurrency` at a time. Raises `SourceError`."""
    course = _Course(page_size)
    first = fetch(1)
    if not course.ends_with(first, take(first)):
        with _pages_ahead(fetch, concurrency, first, page_size) as following:
            for page in following:
                if course.ends_with(page, take(page)):
                    break
    total_moved = len(course.totals) > 1
    return WholeRead(course.pages, course.rows, course.total, total_moved, course.promised_more)


def read_backwards(fetch: Fetch, take: Take, *, pages: int, page_size: int) -> WholeRead:
    """Reads the pages from the last one, of that number or a later one, to the first. Raises `SourceError`.

    One after the other: a row that moves to the page before, because another one went, is met there, so that no
    deletion can hide a row from both this read and one forwards. Only an insertion and a deletion at just the right
    moments can.
    """
    page = fetch(pages)
    for _ in range(CHASED_PAGES):
        if not page.size or not page.promises_more(pages * page_size):
            break
        pages += 1
        page = fetch(pages)
    sizes: list[int] = []
    total = page.total
    for number in range(pages, 0, -1):
        page = page if number == pages else fetch(number)
        take(page)
        sizes.append(page.size)
        total = page.total if page.total is not None else total
    # The last pages may be empty by now; one between two others may not.
    has_gap = not all(dropwhile(lambda size: size == 0, sizes))
    return WholeRead(pages, sum(sizes), total, total_moved=True, promised_more=has_gap)


class _Course:
    """How far a read of one page after the other is, and whether it is at its end."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._known: set[int] = set()
        self._stalled = self._empty = 0
        self.pages = self.rows = 0
        self.total: int | None = None
        self.totals: set[int] = set()
        self.promised_more = False

    def ends_with(self, page: Page, batch: Batch) -> bool:
        """Whether the page was the last one.

        Raises `SourceProtocolError` once several pages running brought only what earlier ones had.
        """
        self.pages += 1
        if page.total is not None:
            self.total = page.total
            self.totals.add(page.total)
        if not page.size:
            return self._ends_with_empty(page)
        self._empty = 0
        if self._came_before(batch):
            return self._ends_in_circles(page)
        self.rows += page.size
        return page.ends_the_read(self._page_size, self.rows)

    def _ends_with_empty(self, page: Page) -> bool:
        self._empty += 1
        self.promised_more = page.promises_more(self.rows)
        return not self.promised_more or self._empty == BELIEVED_EMPTY_PAGES

    def _came_before(self, batch: Batch) -> bool:
        signature = batch.signature
        came_before = signature in self._known
        self._known.add(signature)
        self._stalled = self._stalled + 1 if came_before else 0
        return came_before

    def _ends_in_circles(self, page: Page) -> bool:
        """Some sources send the last page for every number beyond it; others send nothing else."""
        if self._stalled < STALLED_PAGES:
            return False
        says_that_was_all = page.has_more is False or page.total is not None
        if not says_that_was_all or (page.total is not None and page.total > self.rows):
            raise SourceProtocolError("sends the same pages over and over, whatever page is asked for")
        return True


def _expected_pages(first: Page, page_size: int) -> int:
    """How many pages can be read ahead: none where the source does not tell its total."""
    return 0 if first.total is None else -(-first.total // min(page_size, max(first.size, 1)))


def _is_older(total: int | None, total_in_front: int | None) -> bool:
    """Whether a page of that total may show an older state than the page in front of it."""
    return total is None or total_in_front is None or total < total_in_front


@contextmanager
def _pages_ahead(fetch: Fetch, concurrency: int, first: Page, page_size: int) -> Iterator[Iterator[Page]]:
    """Pages 2, 3, … in order, requested ahead; beyond the expected last page, one at a time.

    A page that was answered before the one in front of it may lack a row that an insert has moved from the one to the
    other. Its total, smaller than that of the page in front, tells; it is then fetched again.
    """
    expected = _expected_pages(first, page_size)
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="syncflow-page")
    waiting: deque[Future[Page]] = deque()

    def pages() -> Iterator[Page]:
        asked, total = 1, first.total
        for number in count(2):
            was_ahead = bool(waiting)
            while len(waiting) < concurrency and asked < expected:
                asked += 1
                waiting.append(pool.submit(fetch, asked))
            page = waiting.popleft().result() if waiting else fetch(number)
            if was_ahead and _is_older(page.total, total):
                page = fetch(number)
            total = page.total
            yield page

    try:
        yield pages()
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def read_by_version(fetch: Fetch, take: Take, start: str | None, *, page_size: int) -> VersionRead:
    """Reads all rows above `start` in row-version order, going on from row versions, not page numbers.

    A page's rows below its greatest version are complete, since one answer is one moment; so the next
    request starts there. Only a group of equal versions longer than a page is read by page numbers: first
    forwards, to find its end, then backwards, because rows that leave the group move the others forward, until a
    pass brings nothing new. Only then the cursor passes it. A greatest version that fits on one page is not passed: a
    later change may carry the same one, and reading it again costs nothing. Raises `SourceError`.
    """
    return _VersionReader(fetch, take, page_size, start).run()


class _VersionReader:
    def __init__(self, fetch: Fetch, take: Take, page_size: int, start: str | None) -> None:
        self._fetch, self._take, self._page_size = fetch, take, page_size
        self._start = self._base = start
        self._pages = self._steps = self._rows = self._empty = self._passed = self._full = 0
        self._allowed: int | None = None
        self._pinned: tuple[str | None] | None = None

    def run(self) -> VersionRead:
        read = self._walk()
        if read.complete and not self._start and self._hides_unversioned_rows():
            return self._unordered()
        return read

    def _walk(self) -> VersionRead:
        while not self._is_chasing():
            page, batch = self._read(1)
            self._allow(page)
            if not page.size:
                if self._is_believed(page):
                    return self._done(complete=not page.promises_more(0))
                continue
            self._empty = 0
            versions = None if batch.unversioned else _rising(self._base, batch.versions)
            is_last = page.ends_the_read(self._page_size, page.size)
            if versions is None or not (versions or is_last):
                return self._unordered()
            if len(versions) > 1:
                self._base = versions[-2]
                self._passed += batch.versions.index(versions[-1])
            elif is_last:
                self._passed += page.size
                return self._done()
            elif self._pass_group(versions[0], page, batch):
                return self._done()
        return self._done(complete=False)

    def _unordered(self) -> VersionRead:
        return VersionRead(self._start, self._pages, complete=False, ordered=False)

    def _hides_unversioned_rows(self) -> bool:
        """Whether rows without a row version stand behind all others, where no row version leads.

        Old rows often have none. Asked for every row, the source shows them on its last page.
        """
        if self._pages == 1 or not self._full:
            return False
        self._base = None
        _, batch = self._read(self._passed // self._full + 1)
        return batch.unversioned

    def _is_chasing(self) -> bool:
        return self._steps >= UNTOLD_PAGES if self._allowed is None else self._rows > self._allowed

    def _allow(self, page: Page) -> None:
        self._steps += 1
        self._rows += page.size
        self._full = self._full or page.size
        if self._allowed is None and page.total is not None:
            self._allowed = CHASE * page.total + CHASED_PAGES * max(self._page_size, page.size)

    def _is_believed(self, page: Page) -> bool:
        self._empty += 1
        return not page.promises_more(0) or self._empty >= BELIEVED_EMPTY_PAGES

    def _read(self, number: int) -> tuple[Page, Batch]:
        page = self._fetch(number, self._base or "")
        self._pages += 1
        return page, self._take(page)

    def _done(self, *, complete: bool = True) -> VersionRead:
        cursor = self._base if self._pinned is None else self._pinned[0]
        return VersionRead(cursor or None, self._pages, complete and self._pinned is None, ordered=True)

    def _pass_group(self, version: str, page: Page, batch: Batch) -> bool:
        """Reads the group that fills the page to its end, and goes on behind it; True where nothing follows.

        Where the group will not hold still, the rows behind it are read all the same, but the cursor stays before it.
        """
        group = self._read_group(version, page, batch)
        if not group.is_settled and self._pinned is None:
            self._pinned = (self._base,)
        if not (group.is_last and group.fits_on_a_page):
            self._base = version
        self._passed += group.rows
        return group.is_last

    def _read_group(self, version: str, page: Page, batch: Batch) -> "_Group":
        """Reads the group until a pass brings nothing new."""
        forwards = self._pass_forwards(version, page, batch)
        fits_on_a_page = forwards.is_last and len(forwards.digests) <= page.size
        seen, is_settled = forwards.digests, False
        for _ in range(GROUP_PASSES):
            again, is_whole = self._pass_backwards(version, forwards.pages)
            is_settled = forwards.is_whole and is_whole and not np.setdiff1d(again, seen).size
            if is_settled:
                break
            seen = np.union1d(again, seen)
        return _Group(is_settled, forwards.is_last, fits_on_a_page, len(seen))

    def _pass_forwards(self, version: str, page: Page, batch: Batch) -> "_Pass":
        """Reads the group from its first page, which is given, to the page where it ends."""
        number, course, digests = 1, _Course(self._page_size), [_of_version(batch, version)]
        while not (is_last := course.ends_with(page, batch)):
            if any(found is not None and precedes(version, found) for found in batch.versions):
                break
            number += 1
            page, batch = self._read(number)
            digests.append(_of_version(batch, version))
        return _Pass(np.unique(np.concatenate(digests)), number, is_last, not course.promised_more)

    def _pass_backwards(self, version: str, pages: int) -> tuple["np.typing.NDArray[np.uint64]", bool]:
        """Reads the group's pages from the last to the first; its digests, and whether no page was empty between."""
        digests, sizes = [], []
        for number in range(pages, 0, -1):
            page, batch = self._read(number)
            digests.append(_of_version(batch, version))
            sizes.append(page.size)
        # The last pages may be empty by now; one between two others may not.
        is_whole = all(dropwhile(lambda size: size == 0, sizes))
        return np.unique(np.concatenate(digests)), is_whole


@dataclass(frozen=True, slots=True)
class _Pass:
    digests: "np.typing.NDArray[np.uint64]"
    """Of the group's rows, each once."""
    pages: int
    is_last: bool
    """Whether nothing follows the group."""
    is_whole: bool
    """False where the source said that there is more, and did not send it."""


@dataclass(frozen=True, slots=True)
class _Group:
    is_settled: bool
    is_last: bool
    fits_on_a_page: bool
    rows: int


def _of_version(batch: Batch, version: str) -> "np.typing.NDArray[np.uint64]":
    """Digests of the rows of that version, and of those whose version is not known."""
    pairs = zip(batch.versions, batch.digests, strict=True)
    kept = [digest for found, digest in pairs if found is None or not precedes(version, found)]
    return np.array(kept, dtype=np.uint64)


def _rising(above: str | None, versions: list[str | None]) -> list[str] | None:
    """The known versions, those that are equal once; None where they do not rise from `above` on."""
    rising: list[str] = []
    last, floor = None, above or None
    for version in versions:
        if version is None or version == last:
            continue
        if precedes(last if rising else floor, version):
            rising.append(version)
        elif not rising or precedes(version, last):
            return None
        last = version
    return rising
