"""Histories of a source: what is in it at first, and what changes before each of its answers."""

import os
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from syncflow_pipelines_tests.unit.moving_source import EVENTS, SPELLINGS, Event, Source, Unrest, filled

EXPLORE = "SYNCFLOW_HISTORIES"
"""Set to a number, so many histories are drawn at random instead of the same ones in every run."""


def drawn(examples: int) -> settings:
    """So many examples, the same ones in every run, unless `EXPLORE` says otherwise."""
    return settings(
        max_examples=int(os.environ.get(EXPLORE, examples)),
        derandomize=EXPLORE not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],  # to shrink a history would take longer than all of them
    )


@dataclass(frozen=True)
class Chapter:
    """One sync: what happened at the source before it, and before each answer to it."""

    before: list[Event]
    during: list[list[Event]]


@dataclass(frozen=True)
class History:
    page_size: int
    groups: list[int]
    chapters: list[Chapter]
    tells_more: bool
    tells_total: bool
    cap: int
    spell: Any = None

    def source(self) -> Source:
        spoken = {"tells_more": self.tells_more, "tells_total": self.tells_total}
        return filled(self.groups, spell=self.spell, cap=self.cap, **spoken)

    @property
    def page(self) -> int:
        """Rows in a page as the source serves it."""
        return min(self.page_size, self.cap)

    def slowed(self, concurrency: int) -> "History":
        """The same with fewer changes than a page has rows while so many requests are under way.

        A source that grows by whole pages shows the same rows on every page, and is taken to turn in circles.
        """
        most = (self.page - 1) // concurrency
        slower = [replace(chapter, during=[step[:most] for step in chapter.during]) for chapter in self.chapters]
        return replace(self, chapters=slower)


def chapters(events: st.SearchStrategy[Event]) -> st.SearchStrategy[list[Chapter]]:
    lively = st.lists(st.lists(events, max_size=3), max_size=16)
    return st.lists(st.builds(Chapter, st.lists(events, max_size=5), lively), min_size=1, max_size=3)


@st.composite
def histories(draw: st.DrawFn, events: st.SearchStrategy[Event] = EVENTS, *, versions: bool = True) -> History:
    """Small entities whose groups of equal row versions lie about the page's size."""
    page_size = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 20, 50]))
    lengths = sorted({1, 2, 3, max(page_size - 1, 1), page_size, page_size + 1, min(2 * page_size + 1, 60)})
    return History(
        page_size=page_size,
        groups=draw(st.lists(st.sampled_from(lengths), max_size=6)),
        chapters=draw(chapters(events)),
        tells_more=draw(st.booleans()),
        tells_total=draw(st.booleans()),
        cap=draw(st.sampled_from([1000, 1000, max(page_size - 1, 1)])),
        spell=draw(SPELLINGS) if versions else None,
    )


def of_kinds(*kinds: str) -> st.SearchStrategy[Event]:
    return st.builds(Event, st.sampled_from(kinds), st.integers(0, 60), st.booleans())


class Wavering(Unrest):
    """Unrest in which a row can also take the value again that it had at first."""

    def __init__(self, source: Source, steps: list[list[Event]], page_size: int, first: dict[int, str]) -> None:
        super().__init__(source, steps, page_size)
        self._first, self._rows = first, source.rows

    def _play(self, event: Event) -> None:
        if event.kind != "revert" or not self._rows:
            super()._play(event)
            return
        update = replace(event, kind="update")
        key = self._key(update)
        super()._play(update)
        self._rows[key].value = self._first.get(key, self._rows[key].value)


class Unfolding:
    """Plays a history's chapters on its source."""

    def __init__(self, source: Source, page: int) -> None:
        self.source, self._page = source, page
        self._first = {key: row.value for key, row in source.rows.items()}

    def begin(self, chapter: Chapter) -> dict[int, Any]:
        """Plays what came before the sync, and lets the rest happen during it; the rows as they are now."""
        self._unrest([chapter.before])()
        self._now = self.source.happens = self._unrest(chapter.during)
        return {key: (row.value, row.deleted) for key, row in self.source.rows.items()}

    def _unrest(self, steps: list[list[Event]]) -> Wavering:
        return Wavering(self.source, steps, self._page, self._first)

    def end(self) -> set[int]:
        """Lets nothing happen any more; the keys of rows that did not hold still since `begin`."""
        self.source.happens = lambda: None
        return self._now.touched
