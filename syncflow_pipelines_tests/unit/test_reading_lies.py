"""Reading a source that does not tell the truth: of its order, its end, or anything else."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.reading.pages import Page, parse_page
from syncflow_pipelines.sync.reading.reads import UNTOLD_PAGES, WholeRead, read_by_version, read_whole
from syncflow_pipelines_tests.unit.moving_source import (
    Kept,
    Source,
    by_version,
    filled,
)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda source: setattr(source, "spell", None),
        lambda source: setattr(source, "spell", lambda n: None if n == 1 else str(n)),
        lambda source: setattr(source, "spell", lambda n: None if n == 5 else str(n)),
        lambda source: source.__dict__.update(spell=lambda n: None if n == 5 else str(n), tells_total=False),
        lambda source: setattr(source, "spell", lambda n: str(100 - n)),
        lambda source: setattr(source, "_selected", lambda above: sorted(source.rows)),
    ],
    ids=["no versions", "none at first", "none at last", "none at last, no total", "falling versions", "key order"],
)
def test_a_source_without_an_order_of_row_versions_says_so(break_it: Callable[[Source], None]) -> None:
    source = filled([2, 2, 2, 2, 2])
    break_it(source)
    read = by_version(source, Kept(), start=None)
    assert (read.ordered, read.cursor) == (False, None)


def test_a_source_that_does_not_look_at_rowversion_gt_is_not_believed() -> None:
    source = filled([2, 2, 2])
    chosen = source._selected
    source._selected = lambda above: chosen("")  # type: ignore[method-assign]
    read = by_version(source, Kept(), start="2")
    assert (read.ordered, read.cursor) == (False, "2")


def test_a_source_that_sorts_counters_as_strings_is_found_out() -> None:
    source = filled([1] * 12)
    source._selected = lambda above: sorted(source.rows, key=lambda key: str(source.rows[key].version))  # type: ignore[method-assign]
    assert not by_version(source, Kept()).ordered


def test_equal_numbers_in_two_spellings_are_one_group() -> None:
    source = filled([1, 6, 1])
    seven = [str(2), "02", "002"]
    chosen = source._selected
    spelled = count()
    source.spell = lambda n: seven[next(spelled) % 3] if n == 2 else str(n)
    source._selected = lambda above: chosen(None if above is None else above and str(int(above)))  # type: ignore[method-assign]
    kept = Kept()
    read = by_version(source, kept)
    assert (read.complete, int(read.cursor or 0)) == (True, 2)
    assert set(kept.rows) == set(source.rows)


class Liar:
    """Answers with prepared pages, whatever their sense; the last one over and over."""

    def __init__(self, *pages: dict[str, Any], over_and_over: bool = True) -> None:
        self._pages, self._repeats = pages, over_and_over
        self.asked: list[int] = []

    def __call__(self, page: int, above: str | None = None) -> Page:
        self.asked.append(page)
        assert len(self.asked) < 60
        if page > len(self._pages) and not self._repeats:
            return parse_page(b'{"rows":[]}')
        return parse_page(json.dumps(self._pages[min(page, len(self._pages)) - 1]).encode())


def rows(*keys: int, version: Any = None) -> list[dict[str, Any]]:
    return [{"oracle_keys": {}, "data": {"k": key, "v": "x"}, "row_version": version} for key in keys]


def read_lies(*pages: dict[str, Any], size: int = 3, over_and_over: bool = False) -> tuple[WholeRead, set[int]]:
    kept = Kept()
    liar = Liar(*pages, over_and_over=over_and_over)
    return read_whole(liar, kept.take, page_size=size, concurrency=1), set(kept.rows)


@pytest.mark.parametrize(
    "pages",
    [
        [{"rows": rows(1, 2, 3)}, {"rows": rows(4)}],
        [{"rows": rows(1, 2, 3), "has_more": False}, {"rows": rows(4), "has_more": False}],
        [{"rows": rows(1), "has_more": False, "total": 4}, {"rows": rows(2, 3, 4), "total": 4}],
        [{"rows": rows(1, 2, 3), "total": 4}, {"rows": [], "total": 4}, {"rows": rows(4), "total": 4}],
        [{"rows": rows(1, 2), "has_more": True}, {"rows": [], "has_more": True}, {"rows": rows(3, 4)}],
        [{"rows": [], "has_more": True, "total": 4}, {"rows": rows(1, 2, 3, 4)}],
        [{"rows": rows(1, 2, 3, 4), "has_more": False}],
        [{"rows": rows(1, 2, 3, 4), "has_more": False, "total": 4}],
        [{"rows": rows(1, 2, 3, 4, 4, 4), "has_more": False, "total": 1}],
    ],
)  # fmt: skip
def test_a_whole_read_finds_every_row_whatever_the_source_says_of_its_end(pages: list[dict[str, Any]]) -> None:
    read, keys = read_lies(*pages)
    assert keys == {1, 2, 3, 4}
    assert read.settled


@pytest.mark.parametrize(
    "pages",
    [
        [{"rows": rows(1, 2, 3), "has_more": True, "total": 9}],
        [{"rows": rows(1, 2, 3), "has_more": True, "total": 4}, {"rows": [], "has_more": True, "total": 4}] * 2,
        [{"rows": rows(1, 2, 3), "total": 4}, {"rows": rows(4, 5, 6), "total": 6}],
        [{"rows": [], "has_more": True}] * 5,
        [{"rows": [], "total": 7}] * 5,
        [{"rows": rows(1, 2, 3), "has_more": True}] + [{"rows": [], "has_more": True}] * 5,
    ],
)
def test_a_whole_read_that_may_have_missed_rows_is_not_settled(pages: list[dict[str, Any]]) -> None:
    read, _ = read_lies(*pages)
    assert not read.settled
    assert read.pages > 1


def test_three_empty_pages_running_end_a_read_that_promises_more() -> None:
    kept, liar = Kept(), Liar({"rows": rows(1), "has_more": True}, {"rows": [], "has_more": True})
    read = read_whole(liar, kept.take, page_size=3, concurrency=1)
    assert (liar.asked, read.promised_more) == ([1, 2, 3, 4], True)


@pytest.mark.parametrize(
    "last",
    [
        {"rows": rows(4, 5, 6), "has_more": False},
        {"rows": rows(4, 5, 6), "has_more": False, "total": 6},
        {"rows": rows(4, 5, 6), "total": 6},
    ],
)
def test_a_source_that_sends_its_last_page_for_every_later_number_comes_to_an_end(last: dict[str, Any]) -> None:
    first = {**last, "rows": rows(1, 2, 3), "has_more": True}
    read, keys = read_lies(first, last, over_and_over=True)
    assert (keys, read.rows, read.settled) == ({1, 2, 3, 4, 5, 6}, 6, True)


@pytest.mark.parametrize(
    "page",
    [
        {"rows": rows(1, 2, 3), "has_more": True},
        {"rows": rows(1, 2, 3)},
        {"rows": rows(1, 2, 3), "has_more": False, "total": 9},
        {"rows": rows(1, 2), "has_more": True, "total": 9},
        {"rows": [{"data": {"k": "no number"}}], "has_more": True},
    ],
)
def test_a_source_that_turns_in_circles_is_refused(page: dict[str, Any]) -> None:
    with pytest.raises(SourceProtocolError, match="over and over"):
        read_lies(page, over_and_over=True)
    for period in (2, 3):
        pages = [{**page, "rows": rows(n, n + 1)} for n in range(period)] * 9
        with pytest.raises(SourceProtocolError, match="over and over"):
            read_lies(*pages)


def test_a_long_group_that_turns_in_circles_is_refused() -> None:
    liar = Liar({"rows": rows(1, 2, 3, version="7"), "has_more": True})
    with pytest.raises(SourceProtocolError, match="over and over"):
        read_by_version(liar, Kept().take, None, page_size=3)


def test_a_source_without_a_total_that_grows_as_fast_as_it_is_read_leaves_the_rest_to_the_next_read() -> None:
    def fetch(page: int, above: str | None = None) -> Page:
        at = int(above or 0)
        found = rows(at + 1, version=str(at + 1)) + rows(at + 2, version=str(at + 2))
        return parse_page(json.dumps({"rows": found, "has_more": True}).encode())

    read = read_by_version(fetch, Kept().take, None, page_size=3)
    assert (read.complete, read.ordered, read.cursor) == (False, True, str(UNTOLD_PAGES))


@pytest.mark.parametrize("page", [{"rows": [], "has_more": True}, {"rows": [], "total": 5}])
def test_a_read_by_version_does_not_take_a_hidden_row_for_a_gone_one(page: dict[str, Any]) -> None:
    liar = Liar(page)
    read = read_by_version(liar, Kept().take, "7", page_size=3)
    assert (read.cursor, read.complete, read.ordered) == ("7", False, True)
    assert liar.asked == [1, 1, 1]


def test_an_empty_page_between_the_pages_of_a_long_group_leaves_the_cursor_before_it() -> None:
    full = {"rows": rows(1, 2, 3, version="7"), "total": 9}
    liar = Liar(full, {"rows": [], "total": 9}, {"rows": rows(7, 8, 9, version="7"), "total": 9}, over_and_over=False)
    kept = Kept()
    read = read_by_version(liar, kept.take, None, page_size=3)
    assert (read.cursor, read.complete) == (None, False)
    assert set(kept.rows) == {1, 2, 3, 7, 8, 9}


def test_rows_that_cannot_be_read_do_not_stop_a_read_by_version() -> None:
    good, bad = rows(1, version="5"), [{"data": {"k": "no number"}, "row_version": v} for v in ("6", "7")]
    torn = [{"data": {"k": 1}, "row_version": [1]}]
    pages: dict[str, list[dict[str, Any]]] = {"": good + torn + bad[:1], "5": bad, "6": bad[1:] + torn}

    def fetch(page: int, above: str | None = None) -> Page:
        found = pages[above or ""] if page == 1 else []
        return parse_page(json.dumps({"rows": found, "has_more": above != "6" and page == 1}).encode())

    read = read_by_version(fetch, Kept().take, None, page_size=3)
    assert (read.cursor, read.complete, read.ordered) == ("6", True, True)


def test_a_full_page_of_rows_without_a_readable_version_sends_the_reader_to_page_numbers() -> None:
    liar = Liar({"rows": [{"data": {"k": 1}, "row_version": [1]}] * 3, "has_more": True})
    read = read_by_version(liar, Kept().take, "5", page_size=3)
    assert (read.ordered, read.cursor, liar.asked) == (False, "5", [1])
