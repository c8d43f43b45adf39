"""Reading a source that does not stand still, and one that does not tell the truth."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.decode import Batch, RowDecoder
from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.pages import Page, parse_page
from syncflow_pipelines.sync.reading import VersionRead, WholeRead, read_by_version, read_whole
from syncflow_pipelines.sync.rowversion import precedes

SPEC = EntitySpec(
    slug="things",
    name="Things",
    description=None,
    strategy="rowversion",
    business_keys=("k",),
    rowversion_column=None,
    columns=(
        Column("K", "k", "k", "INTEGER", "integer", is_nullable=False, is_business_key=True),
        Column("V", "v", "v", "TEXT", "text", is_nullable=True, is_business_key=False),
    ),
)


@dataclass
class Row:
    version: int
    value: str
    deleted: bool = False


@dataclass
class Source:
    """An entity in memory; before each of its answers it lets `happens` happen."""

    rows: dict[int, Row] = field(default_factory=dict)
    clock: int = 10
    happens: Callable[[], object] = lambda: None
    spell: Callable[[int], str] | None = str
    tells_more: bool = True
    tells_total: bool = True
    cap: int = 1000
    requests: list[tuple[int, str | None]] = field(default_factory=list)

    def fetch(self, size: int) -> Callable[..., Page]:
        def answer(page: int, above: str | None = None) -> Page:
            self.happens()
            self.requests.append((page, above))
            return parse_page(self.answer(page, min(size, self.cap), above))

        return answer

    def answer(self, page: int, size: int, above: str | None) -> bytes:
        found = self._selected(above)
        shown = found[(page - 1) * size : page * size]
        body: dict[str, Any] = {"rows": [self._wire(key) for key in shown]}
        if self.tells_more:
            body["has_more"] = page * size < len(found)
        if self.tells_total:
            body["total"] = len(found)
        return json.dumps(body).encode()

    def _selected(self, above: str | None) -> list[int]:
        if above is None or self.spell is None:
            return sorted(self.rows)
        spell = self.spell
        chosen = [key for key, row in self.rows.items() if not above or precedes(above, spell(row.version))]
        return sorted(chosen, key=lambda key: (self.rows[key].version, key))

    def _wire(self, key: int) -> dict[str, Any]:
        row = self.rows[key]
        version = None if self.spell is None else self.spell(row.version)
        return {
            "oracle_keys": {"K": key},
            "row_version": version,
            "data": {} if row.deleted else {"k": key, "v": row.value},
            "deleted": row.deleted,
        }


class Kept:
    """What a reader staged: by key, the greatest version, and without one the last."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str | None, str | None]] = {}
        self._decoder = RowDecoder(SPEC)

    def take(self, page: Page) -> Batch:
        batch = self._decoder.decode(page)
        for staged in batch.rows:
            key = int(staged.key[0])
            before = self.rows.get(key)
            if before is None or not precedes(staged.row.version, before[0]):
                value = None if staged.row.deleted else json.loads(bytes(staged.row.data))["v"]
                self.rows[key] = (staged.row.version, value)
        return batch


def filled(groups: Iterable[int], **more: Any) -> Source:
    """A source with so many rows of each row version; keys in no order of theirs."""
    rows: dict[int, Row] = {}
    sizes = list(groups)
    number = count()
    for version, size in enumerate(sizes):
        for _ in range(size):
            n = next(number)
            rows[(n * 7919) % 100_003] = Row(version + 1, f"first {n}")
    return Source(rows, clock=len(sizes) + 1, **more)


def by_version(source: Source, kept: Kept, start: str | None = None, size: int = 4) -> VersionRead:
    return read_by_version(source.fetch(size), kept.take, start, page_size=size)


def whole(source: Source, kept: Kept, size: int = 4, concurrency: int = 1) -> WholeRead:
    return read_whole(source.fetch(size), kept.take, page_size=size, concurrency=concurrency)


# A source that moves between any two requests


@dataclass(frozen=True)
class Event:
    """One change at the source: of the row at a place, by key or by row version."""

    kind: str
    place: int
    ticks: bool


EVENTS = st.builds(
    Event,
    st.sampled_from(["insert", "update", "delete", "vanish", "update", "oldest"]),
    st.integers(0, 60),
    st.booleans(),
)


class Unrest:
    """Plays events on a source, some before each request.

    Many rows are stamped with one version by one transaction only: later ones get a later version.
    """

    def __init__(self, source: Source, steps: list[list[Event]], page_size: int) -> None:
        self._source, self._steps, self._page_size = source, iter(steps), page_size
        self._names = count()
        self.touched: set[int] = set()

    def __call__(self) -> None:
        for event in next(self._steps, []):
            self._play(event)

    def _play(self, event: Event) -> None:
        source = self._source
        stamped = sum(row.version == source.clock for row in source.rows.values())
        if event.ticks or stamped >= self._page_size:
            source.clock += 1
        key = self._key(event)
        self.touched.add(key)
        if event.kind == "vanish":
            source.rows.pop(key, None)
        else:
            source.rows[key] = Row(source.clock, f"later {next(self._names)}", deleted=event.kind == "delete")

    def _key(self, event: Event) -> int:
        rows = self._source.rows
        if event.kind == "insert" or not rows:
            return 200_000 + next(self._names) if event.place % 2 else -event.place - 1
        ordered = sorted(rows, key=lambda key: (rows[key].version, key))
        return ordered[0] if event.kind == "oldest" else ordered[event.place % len(ordered)]


def held(source: Source) -> dict[int, tuple[str | None, str | None]]:
    spell = source.spell
    return {
        key: (spell(row.version) if spell else None, None if row.deleted else row.value)
        for key, row in source.rows.items()
    }


UNREST = settings(max_examples=250, derandomize=True, deadline=None)
GROUPS = st.lists(st.sampled_from([1, 1, 2, 3, 4, 5, 9, 13]), max_size=6)
STEPS = st.lists(st.lists(EVENTS, max_size=3), max_size=25)
SPELLINGS = st.sampled_from([str, lambda n: f"0x{n:08X}", lambda n: f"2025-01-01T00:{n // 60:02d}:{n % 60:02d}Z"])


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


def test_changes_behind_a_long_group_do_not_unsettle_it() -> None:
    source = filled([10, 1])
    fresh = count(300_000)

    def one_comes_at_the_end() -> None:
        number = next(fresh)
        if number < 300_012:
            source.clock += 1
            source.rows[number] = Row(source.clock, "new")

    source.happens = one_comes_at_the_end
    kept = Kept()
    read = by_version(source, kept)
    assert (read.complete, read.ordered) == (True, True)
    assert precedes("2", read.cursor)
    assert kept.rows == held(source)


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


# Sources that do not keep to the contract


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
    assert gate.most == concurrency
    assert read.rows == 50


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
