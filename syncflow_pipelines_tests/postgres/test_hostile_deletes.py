"""What a source no longer shows is marked deleted only where nothing speaks against it."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from syncflow_pipelines_tests.misbehaving.faults import says
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values
from syncflow_pipelines_tests.unit.moving_source import Row, Source, filled

__all__ = ["hostile"]

STRATEGIES = pytest.mark.parametrize("strategy", ["hash", "full"])


def many(**more: Any) -> Source:
    return Source({n: Row(1, f"row {n}") for n in range(200)}, spell=None, **more)


def at_requests(source: Source, *happenings: tuple[int, Callable[[], object]]) -> None:
    """Lets something happen just before the answer to the nth request from now."""
    due, asked = dict(happenings), count(1)

    def happens() -> None:
        if happening := due.get(next(asked)):
            happening()

    source.happens = happens


@STRATEGIES
@pytest.mark.parametrize("tells_total", [True, False])
def test_a_row_that_a_delete_hides_from_the_read_stays_live(
    hostile: HostileWorld, strategy: str, tells_total: bool
) -> None:
    source = hostile.offer(many(tells_total=tells_total), strategy, page_size=20, concurrency=1)
    hostile.sync()
    at_requests(source, (2, lambda: source.rows.pop(3)))  # row 20 moves to the first page, which has been read
    outcome = hostile.sync()
    assert outcome.counts.deleted == 0  # row 3 was still there when the read came by
    assert set(values(source)) <= set(hostile.live())
    assert any("read twice" in note for note in outcome.notes)
    assert hostile.sync().counts.deleted == 1
    assert hostile.live() == values(source)


@STRATEGIES
def test_a_row_that_one_of_two_reads_running_has_shown_stays_live(hostile: HostileWorld, strategy: str) -> None:
    source = hostile.offer(many(), strategy, page_size=20, concurrency=1)
    hostile.sync()
    at_requests(source, (2, lambda: source.rows.pop(3)), (13, lambda: source.rows.pop(50)))
    assert hostile.sync().counts.deleted == 0
    assert set(values(source)) <= set(hostile.live())
    assert hostile.sync().counts.deleted == 2
    assert hostile.live() == values(source)


@STRATEGIES
def test_a_row_that_two_reads_running_have_missed_is_found_by_reading_backwards(
    hostile: HostileWorld, strategy: str
) -> None:
    source = hostile.offer(many(), strategy, page_size=20, concurrency=1)
    hostile.sync()

    def make_room() -> None:
        source.rows[-1] = Row(1, "in front")

    at_requests(source, (2, lambda: source.rows.pop(3)), (11, make_room), (12, lambda: source.rows.pop(4)))
    there = set(values(source)) - {3, 4}
    outcome = hostile.sync()
    assert any("backwards" in note for note in outcome.notes)
    assert there <= set(hostile.live())
    assert hostile.sync().error is None
    assert hostile.live() == values(source)


@STRATEGIES
@pytest.mark.parametrize("left", [0, 1, 19])
@pytest.mark.parametrize("page_size", [20, 1000])
def test_a_suspiciously_empty_read_fails_and_leaves_the_old_rows_live(
    hostile: HostileWorld, strategy: str, left: int, page_size: int
) -> None:
    source = hostile.offer(many(), strategy, page_size=page_size)
    hostile.sync()
    written = hostile.written()
    source.rows = {n: Row(1, f"row {n}") for n in range(left)}
    outcome = hostile.sync()
    assert (outcome.status, outcome.error_type) == ("failed", "SuspiciousRead")
    assert f"showed {left} rows where 200 are live, less than min_seen_ratio 0.1 allows" in str(outcome.error)
    assert hostile.written() == written
    source.rows |= {n: Row(1, f"row {n}") for n in range(20)}
    assert hostile.sync().counts.deleted == 180


@pytest.mark.parametrize("left", [0, 19])
def test_a_suspiciously_empty_full_refresh_by_row_version_fails_too(hostile: HostileWorld, left: int) -> None:
    source = hostile.offer(filled([1] * 200), "rowversion", page_size=20)
    hostile.sync()
    cursor = hostile.entity().last_rowversion
    source.rows = dict(list(source.rows.items())[:left])
    outcome = hostile.sync(full_refresh=True)
    assert (outcome.status, outcome.error_type) == ("failed", "SuspiciousRead")
    assert (len(hostile.live()), hostile.entity().last_rowversion) == (200, cursor)


def test_an_empty_read_by_row_version_deletes_nothing(hostile: HostileWorld) -> None:
    source = hostile.offer(filled([1] * 20), "rowversion", page_size=4)
    hostile.sync()
    source.rows = {}
    assert hostile.sync().error is None
    assert len(hostile.live()) == 20


@STRATEGIES
def test_a_read_that_stops_half_way_and_says_that_there_is_more_deletes_nothing(
    hostile: HostileWorld, strategy: str
) -> None:
    source = hostile.offer(many(), strategy, page_size=20)
    hostile.sync()
    hostile.source.plan = lambda asked: says(rows=[], has_more=True) if asked.page > 5 else None
    assert hostile.sync().counts.deleted == 0
    assert hostile.live() == values(source)


@STRATEGIES
def test_a_sync_of_a_source_at_rest_writes_no_row(hostile: HostileWorld, strategy: str) -> None:
    source = hostile.offer(many(), strategy, page_size=20)
    hostile.sync()
    del source.rows[7]
    hostile.sync()
    written = hostile.written()
    for _ in range(2):
        assert hostile.sync().counts.unchanged == 199
    assert hostile.written() == written
