"""Pages that do not say the truth: of their order, their number, their rows, or of what follows."""

from collections.abc import Callable
from typing import Any

import pytest

from syncflow_pipelines_tests.misbehaving.faults import JSON, Fault, lie, says
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values
from syncflow_pipelines_tests.server.raw_server import Step, reply
from syncflow_pipelines_tests.unit.moving_source import Row, Source, filled

__all__ = ["hostile"]

SIZE = 4


@pytest.fixture(params=["rowversion", "hash"])
def synced(request: pytest.FixtureRequest, hostile: HostileWorld) -> HostileWorld:
    """Twenty rows, synced once; then three new ones, one changed, and one gone with a tombstone."""
    source = hostile.offer(filled([1] * 20), request.param, page_size=SIZE)
    assert hostile.sync().counts.inserted == 20
    first, second = sorted(source.rows)[:2]
    source.rows[first] = Row(30, "changed")
    source.rows[second] = Row(31, "", deleted=True)
    source.rows.update({900_000 + n: Row(40 + n, "new") for n in range(3)})
    hostile.source.log.clear()
    return hostile


def held(world: HostileWorld) -> dict[int, str | None]:
    return values(world.source.offers["items"].rows)


LIES: dict[str, Fault] = {
    "has_more is always true": says(has_more=True),
    "has_more is always false": says(has_more=False),
    "has_more is null": says(has_more=None),
    "has_more is a word": says(has_more="maybe"),
    "total is nought": says(total=0),
    "total is one": says(total=1),
    "total is too high": says(total=1_000_000),
    "total is negative": says(total=-1),
    "total is a word": says(total="many"),
    "total is a fraction": says(total=7.5),
    "no total, always more": says(total=None, has_more=True),
    "neither": says(total=None, has_more=None),
}


@pytest.mark.parametrize("name", LIES)
def test_what_the_source_says_of_the_end_loses_no_row(synced: HostileWorld, name: str) -> None:
    synced.source.plan = lambda asked: LIES[name]
    assert synced.sync().error is None
    assert synced.live() == held(synced)


def test_a_total_that_is_another_at_every_page_loses_no_row(synced: HostileWorld) -> None:
    synced.source.plan = lambda asked: says(total=17 + 5 * (asked.nth % 3))
    assert synced.sync().error is None
    assert synced.live() == held(synced)


def test_no_row_is_marked_deleted_where_the_total_says_that_there_are_more(hostile: HostileWorld) -> None:
    source = hostile.offer(filled([1] * 20), "hash", page_size=SIZE)
    hostile.sync()
    before = hostile.live()
    del source.rows[sorted(source.rows)[3]]
    hostile.source.plan = lambda asked: says(total=20)
    outcome = hostile.sync()
    assert (outcome.counts.deleted, hostile.live()) == (0, before)
    assert any("more than it sent" in note for note in outcome.notes)
    hostile.source.plan = lambda asked: None
    assert (hostile.sync().counts.deleted, hostile.live()) == (1, values(source))


@pytest.mark.parametrize("said", [{}, {"has_more": True}])
def test_an_empty_page_in_the_middle_deletes_nothing(synced: HostileWorld, said: dict[str, Any]) -> None:
    before = set(synced.live())
    synced.source.plan = lambda asked: says(rows=[], **said) if asked.page == 3 else None
    assert synced.sync().error is None
    gone = {key for key, row in synced.source.offers["items"].rows.rows.items() if row.deleted}
    assert before - gone <= set(synced.live())
    synced.source.plan = lambda asked: None
    assert synced.sync().error is None
    assert synced.live() == held(synced)


def test_an_empty_page_once_is_asked_for_again_at_the_next_sync(hostile: HostileWorld) -> None:
    for strategy in ("rowversion", "hash"):
        source = hostile.offer(filled([1] * 20), strategy, strategy, page_size=SIZE)
        hostile.source.plan = lambda asked: says(rows=[]) if asked.nth == 2 else None
        hostile.sync(strategy)
        assert hostile.sync(strategy).error is None
        assert hostile.live(strategy) == values(source)


class Generous(Source):
    """Sends pages of seven, whatever is asked for."""

    def answer(self, page: int, size: int, above: str | None) -> bytes:
        return super().answer(page, 7, above)


@pytest.mark.parametrize("strategy", ["rowversion", "hash"])
@pytest.mark.parametrize("spoken", [{}, {"tells_more": False}, {"tells_total": False}])
def test_more_rows_than_were_asked_for_are_all_kept(hostile: HostileWorld, strategy: str, spoken: Any) -> None:
    source = hostile.offer(Generous(filled([1] * 9 + [8] + [1] * 9).rows, **spoken), strategy, page_size=SIZE)
    assert hostile.sync().error is None
    assert hostile.live() == values(source)


def test_a_page_that_comes_again_instead_of_the_next_loses_no_row(synced: HostileWorld) -> None:
    pages: list[bytes] = []

    def stale(body: bytes) -> Step:
        pages.append(body)
        return reply(200, pages[-2] if len(pages) == 2 else body, JSON)

    before = set(synced.live())
    synced.source.plan = lambda asked: stale
    assert synced.sync().error is None
    gone = {key for key, row in synced.source.offers["items"].rows.rows.items() if row.deleted}
    assert before - gone <= set(synced.live())
    assert synced.sync().error is None
    assert synced.live() == held(synced)


def _row(key: int, value: str, version: str | None) -> dict[str, Any]:
    return {"oracle_keys": {"K": key}, "row_version": version, "data": {"k": key, "v": value}, "deleted": False}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("same_page", [True, False])
def test_of_a_key_that_comes_twice_the_greater_row_version_wins(
    hostile: HostileWorld, known: bool, same_page: bool
) -> None:
    source = hostile.offer(filled([1] * 6), "rowversion", page_size=SIZE)
    if known:
        hostile.sync()
    source.rows = {n: Row(20 + n, "x") for n in range(10)}
    source.rows[1] = Row(20 if same_page else 40, "newest")
    twin = _row(1, "older", "19")
    hostile.source.plan = lambda asked: lie(lambda page: page["rows"].insert(0, twin)) if asked.nth == 1 else None
    hostile.sync()
    assert hostile.live()[1] == "newest"
    hostile.sync()
    assert {key: hostile.live().get(key) for key in source.rows} == values(source)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_of_a_key_that_comes_twice_without_a_row_version_the_last_read_wins(
    hostile: HostileWorld, known: bool, page: int
) -> None:
    source = hostile.offer(Source({n: Row(1, "x") for n in range(12)}, spell=None), "hash", page_size=SIZE)
    if known:
        hostile.sync()
    again = _row(1, "said later", None)
    hostile.source.plan = lambda asked: lie(lambda found: found["rows"].append(again)) if asked.page == page else None
    outcome = hostile.sync()
    assert outcome.counts.fetched == 12
    assert hostile.live() == {**values(source), 1: "said later"}


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_comes_otherwise_at_first_and_then_as_it_was_is_as_it_was(
    hostile: HostileWorld, known: bool
) -> None:
    source = hostile.offer(Source({n: Row(1, "x") for n in range(12)}, spell=None), "hash", page_size=SIZE)
    if known:
        hostile.sync()
    before = _row(11, "said before", None)
    hostile.source.plan = lambda asked: lie(lambda found: found["rows"].insert(0, before)) if asked.page == 1 else None
    assert hostile.sync().counts.fetched == 12
    assert hostile.live() == values(source)


@pytest.mark.parametrize("spoken", [{}, {"tells_more": False, "tells_total": False}])
def test_five_thousand_equal_row_versions_over_page_boundaries_are_all_there(
    hostile: HostileWorld, spoken: dict[str, bool]
) -> None:
    source = hostile.offer(filled([3, 5000, 3], **spoken), "rowversion", page_size=1000)
    assert hostile.sync().counts.inserted == 5006
    assert hostile.live() == values(source)
    assert hostile.sync().counts.fetched <= 1000


def test_rows_that_leave_five_thousand_equal_row_versions_hide_none(hostile: HostileWorld) -> None:
    source = hostile.offer(filled([3, 5000, 3]), "rowversion", page_size=1000)
    before = values(source)
    left: list[int] = []

    def one_leaves() -> None:
        if len(left) < 12:
            key = min(key for key, row in source.rows.items() if row.version == 2)
            source.clock += 1
            source.rows[key] = Row(source.clock, "left")
            left.append(key)

    source.happens = one_leaves
    hostile.sync()
    live = hostile.live()
    assert {key: live.get(key) for key in before if key not in left} == {
        key: value for key, value in before.items() if key not in left
    }
    hostile.sync()
    assert hostile.live() == values(source)


@pytest.mark.parametrize("spell", [str, "0x{:X}".format, "0x{:x}".format, "0x{:016X}".format, "{:012d}".format])
def test_counters_of_growing_length_compare_as_numbers(hostile: HostileWorld, spell: Callable[[int], str]) -> None:
    source = hostile.offer(filled([1] * 120, spell=spell), "rowversion", page_size=7)
    assert hostile.sync().counts.inserted == 120
    for clock in (150, 255, 256, 999, 1000, 65_535, 65_536, 100_000):
        source.rows[min(source.rows)] = Row(clock, f"at {clock}")
        source.rows[1_000_000 + clock] = Row(clock, "new")
        assert hostile.sync().error is None
        assert hostile.live() == values(source)
    assert hostile.entity().last_rowversion == spell(65_536)


@pytest.mark.parametrize("spoken", [{}, {"tells_more": False}])
def test_a_source_that_grows_as_fast_as_it_is_read_is_left_to_the_next_sync(
    hostile: HostileWorld, spoken: dict[str, bool]
) -> None:
    source = hostile.offer(filled([1] * 3, **spoken), "rowversion", page_size=2)
    before = values(source)

    def three_more() -> None:
        for _ in range(3):
            source.clock += 1
            source.rows[1_000_000 + source.clock] = Row(source.clock, "new")

    source.happens = three_more
    outcome = hostile.sync()
    assert any("the next sync goes on from there" in note for note in outcome.notes)
    assert before.items() <= hostile.live().items()
    source.happens = lambda: None
    assert hostile.sync().rowversion_start == outcome.rowversion_end
    assert hostile.live() == values(source)
