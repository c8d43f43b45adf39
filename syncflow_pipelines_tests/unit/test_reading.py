"""Reading a source that does not stand still: nothing is missed, and what changed is found by the next read."""

import threading
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.reading.pages import Page
from syncflow_pipelines.sync.reading.reads import read_whole
from syncflow_pipelines.sync.reading.rowversion import precedes
from syncflow_pipelines_tests.unit.moving_source import (
    GROUPS,
    SPELLINGS,
    STEPS,
    UNREST,
    Event,
    Kept,
    Row,
    Source,
    Unrest,
    by_version,
    filled,
    held,
    whole,
)


@UNREST
@given(GROUPS, STEPS, STEPS, SPELLINGS, st.booleans(), st.booleans(), st.sampled_from([3, 4, 1000]))
def test_a_read_by_version_misses_no_row_that_held_still_and_the_next_finds_the_rest(
    groups: list[int],
    during: list[list[Event]],
    after: list[list[Event]],
    spell: Callable[[int], str],
    tells_more: bool,
    tells_total: bool,
    cap: int,
) -> None:
    source = filled(groups, spell=spell, tells_more=tells_more, tells_total=tells_total, cap=cap)
    before = held(source)
    unrest = source.happens = Unrest(source, during, min(4, cap))
    kept = Kept()
    read = by_version(source, kept)
    assert read.ordered
    still = {key: row for key, row in before.items() if key not in unrest.touched}
    assert {key: kept.rows.get(key) for key in still} == still

    if read.cursor is not None and not precedes(read.cursor, spell(source.clock)):
        source.clock += 1  # a group longer than a page was passed: no later transaction shares its version
    source.happens = Unrest(source, after, min(4, cap))
    for _ in after:
        source.happens()
    source.happens = lambda: None
    again = by_version(source, kept, read.cursor)
    assert again.complete
    assert {key: kept.rows.get(key) for key in source.rows} == held(source)
    assert read.cursor is None or not precedes(again.cursor, read.cursor)


@UNREST
@given(GROUPS, STEPS, st.sampled_from([3, 4, 1000]))
def test_a_read_by_version_that_calls_itself_complete_saw_every_row_that_is_left(
    groups: list[int], during: list[list[Event]], cap: int
) -> None:
    source = filled(groups, cap=cap)
    unrest = source.happens = Unrest(source, during, min(4, cap))
    kept = Kept()
    read = by_version(source, kept)
    if read.complete:
        assert set(source.rows) - unrest.touched <= set(kept.rows)


@pytest.mark.parametrize("cap", [3, 1000])
@pytest.mark.parametrize("tells", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("groups", [[], [1], [4], [5], [8], [9, 1], [1, 9], [1, 1, 1, 1], [4, 4, 4], [3, 2, 9, 1]])
def test_a_quiet_source_is_read_completely_and_its_last_group_only_passed_where_it_is_longer_than_a_page(
    groups: list[int], tells: tuple[bool, bool], cap: int
) -> None:
    source = filled(groups, tells_more=tells[0], tells_total=tells[1], cap=cap)
    kept = Kept()
    read = by_version(source, kept)
    assert kept.rows == held(source)
    assert (read.complete, read.ordered) == (True, True)
    passed = [n for n, size in enumerate(groups, start=1) if n < len(groups) or size > min(4, cap)]
    assert read.cursor == (str(passed[-1]) if passed else None)


def test_reading_on_where_nothing_changed_costs_one_request() -> None:
    source = filled([1, 1, 3])
    kept = Kept()
    cursor = by_version(source, kept).cursor
    source.requests.clear()
    assert by_version(source, kept, cursor).cursor == cursor
    assert source.requests == [(1, cursor)]


@pytest.mark.parametrize(("tells_more", "leaves"), [(True, "update"), (False, "vanish")])
def test_a_row_that_moves_to_the_page_before_is_found_where_the_source_caps_its_pages(
    tells_more: bool, leaves: str
) -> None:
    source = filled([2, 1], cap=2, tells_more=tells_more, tells_total=False)
    before = held(source)
    unrest = source.happens = Unrest(source, [[], [Event(leaves, 0, True)]], 2)
    kept = Kept()
    by_version(source, kept, size=3)
    still = {key: row for key, row in before.items() if key not in unrest.touched}
    assert {key: kept.rows.get(key) for key in still} == still


def test_a_row_that_comes_late_with_the_last_version_is_found_by_the_next_read() -> None:
    source = filled([1, 1, 2])
    kept = Kept()
    cursor = by_version(source, kept).cursor
    source.rows[-1] = Row(3, "late")
    by_version(source, kept, cursor)
    assert kept.rows == held(source)


def test_rows_that_leave_a_long_group_at_every_request_hide_none_of_it() -> None:
    source = filled([40])
    before = held(source)
    oldest = [[Event("oldest", 0, True)] for _ in range(30)]
    unrest = source.happens = Unrest(source, oldest, 4)
    kept = Kept()
    by_version(source, kept)
    still = {key: row for key, row in before.items() if key not in unrest.touched}
    assert {key: kept.rows.get(key) for key in still} == still


def test_a_group_that_will_not_hold_still_is_read_again_and_the_rows_behind_it_are_read_now() -> None:
    source = filled([1, 30, 2, 2])
    before = held(source)
    fresh = count(-1, -1)
    source.happens = lambda: source.rows.update({next(fresh): Row(2, "late")})
    kept = Kept()
    read = by_version(source, kept)
    assert (read.complete, read.cursor) == (False, "1")
    assert {key: kept.rows.get(key) for key in before} == before
    source.happens = lambda: None
    assert by_version(source, kept, read.cursor).complete
    assert kept.rows == held(source)


def test_a_group_that_grows_for_a_while_is_read_until_it_holds_still() -> None:
    source = filled([1, 30, 2, 2])
    fresh = count(-1, -1)

    def one_more() -> None:
        if len(source.requests) < 30:
            source.rows[next(fresh)] = Row(2, "late")

    source.happens = one_more
    kept = Kept()
    read = by_version(source, kept)
    assert (read.complete, read.cursor) == (True, "3")
    assert kept.rows == held(source)


def test_changes_behind_a_long_group_do_not_unsettle_it() -> None:
    source = filled([10, 1])
    fresh = count(300_000)

    def one_takes_the_place_of_the_other_behind_it() -> None:
        if len(source.requests) < 40:
            source.clock += 1
            last = max(source.rows, key=lambda key: source.rows[key].version)
            del source.rows[last]
            source.rows[next(fresh)] = Row(source.clock, "new")

    source.happens = one_takes_the_place_of_the_other_behind_it
    kept = Kept()
    read = by_version(source, kept)
    assert (read.complete, read.ordered, read.cursor) == (True, True, "1")
    assert len(source.requests) < 10


def test_a_source_that_changes_faster_than_it_is_read_does_not_hold_the_read_for_ever() -> None:
    source = filled([1] * 10)
    fresh = count(500_000)

    def five_more() -> None:
        for _ in range(5):
            source.clock += 1
            source.rows[next(fresh)] = Row(source.clock, "new")

    source.happens = five_more
    before = held(source)
    kept = Kept()
    read = by_version(source, kept)
    assert not read.complete
    assert precedes("10", read.cursor)
    assert {key: kept.rows.get(key) for key in before} == before
    assert len(source.requests) < 100


# Requests ahead


class Gate:
    """Lets requests in and keeps count of how many are there at once."""

    def __init__(self, source: Source, size: int) -> None:
        self._fetch, self._lock = source.fetch(size), threading.Lock()
        self._full = threading.Event()
        self.now = self.most = 0

    def __call__(self, page: int, above: str | None = None) -> Page:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            threading.Event().wait(0.002)
            with self._lock:
                return self._fetch(page, above)
        finally:
            with self._lock:
                self.now -= 1


@pytest.mark.parametrize("tells", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_allowed(concurrency: int, tells: tuple[bool, bool]) -> None:
    source = filled([1] * 50, tells_more=tells[0], tells_total=tells[1])
    gate, kept = Gate(source, 4), Kept()
    read = read_whole(gate, kept.take, page_size=4, concurrency=concurrency)
    assert kept.rows == held(source)
    assert gate.now == 0
    assert gate.most == (concurrency if tells[1] else 1)  # without a total, nothing would tell pages out of turn
    assert read.rows == 50


@pytest.mark.parametrize("tells_total", [True, False])
def test_an_insert_between_answers_out_of_turn_hides_no_row(tells_total: bool) -> None:
    source = Source({10 * n: Row(1, "x") for n in range(20)}, tells_total=tells_total)
    fetch, third = source.fetch(4), threading.Event()

    def out_of_turn(page: int, above: str | None = None) -> Page:
        if page == 2:
            third.wait(0.2)  # does not come where pages are asked for one after the other
            source.rows[45] = Row(2, "new")
        found = fetch(page, above)
        if page == 3:
            third.set()
        return found

    before, kept = set(source.rows), Kept()
    read_whole(out_of_turn, kept.take, page_size=4, concurrency=2)
    assert before <= set(kept.rows)


@pytest.mark.parametrize("tells_more", [True, False])
def test_a_known_total_is_hardly_overrun(tells_more: bool) -> None:
    source = filled([1] * 50, tells_more=tells_more)
    read_whole(source.fetch(4), Kept().take, page_size=4, concurrency=3)
    assert sorted(page for page, _ in source.requests) == list(range(1, 14 if tells_more else 15))


def test_a_small_entity_is_read_with_one_request() -> None:
    source = filled([1, 1])
    assert whole(source, Kept(), concurrency=4).settled
    assert source.requests == [(1, None)]


@UNREST
@given(GROUPS, STEPS, st.sampled_from([2, 4, 1000]), st.booleans())
def test_a_whole_read_of_a_source_that_only_grows_or_changes_misses_no_row(
    groups: list[int], during: list[list[Event]], cap: int, tells_total: bool
) -> None:
    source = filled(groups, cap=cap, tells_total=tells_total)
    before = set(source.rows)
    steps = [[event for event in step if event.kind in ("insert", "update")][:1] for step in during]
    source.happens = Unrest(source, steps, 4)
    kept = Kept()
    whole(source, kept)
    assert before <= set(kept.rows)


@UNREST
@given(GROUPS, STEPS, st.sampled_from([2, 4, 1000]))
def test_a_whole_read_that_hid_a_row_took_several_pages(groups: list[int], during: list[list[Event]], cap: int) -> None:
    source = filled(groups, cap=cap)
    unrest = source.happens = Unrest(source, during, 4)
    before = set(source.rows)
    kept = Kept()
    read = whole(source, kept)
    assert read.pages > 1 or before - unrest.touched <= set(kept.rows)


def test_an_error_of_the_source_ends_the_read_and_its_threads() -> None:
    source = filled([1] * 50)
    fetch = source.fetch(4)

    def broken(page: int, above: str | None = None) -> Page:
        if page == 5:
            raise SourceProtocolError("page 5 is torn")
        return fetch(page, above)

    with pytest.raises(SourceProtocolError, match="torn"):
        read_whole(broken, Kept().take, page_size=4, concurrency=3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("syncflow-page")]
