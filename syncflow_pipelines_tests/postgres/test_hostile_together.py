"""A source never sees more requests at once than its connector allows, however much is synced."""

import threading
from dataclasses import replace

import pytest

from syncflow_pipelines.sync.engine import SyncRequest, sync_entities
from syncflow_pipelines_tests.misbehaving.faults import torn
from syncflow_pipelines_tests.misbehaving.source import Asked
from syncflow_pipelines_tests.misbehaving.world import SLUG, HostileWorld, hostile, values
from syncflow_pipelines_tests.unit.moving_source import Row, Source, filled

__all__ = ["hostile"]


class Crowd:
    """Holds every request back until so many are there, or a moment has passed."""

    def __init__(self, world: HostileWorld, wanted: int) -> None:
        self._source, self._wanted = world.source, wanted
        self._moment = threading.Event()

    def __call__(self, asked: Asked) -> None:
        for _ in range(50):
            if self._source.most_under_way >= self._wanted:
                break
            self._moment.wait(0.002)
        self._moment.wait(0.003)  # one more would now come in, too


def test_many_entities_of_one_connector_share_its_four_requests(hostile: HostileWorld) -> None:
    slugs = [f"e{n}" for n in range(9)]
    for n, slug in enumerate(slugs):
        hostile.offer(filled([1] * 30), ("rowversion", "hash", "full")[n % 3], slug, page_size=4)
    hostile.source.arrives = Crowd(hostile, 4)
    hostile.source.plan = lambda asked: torn if asked.nth == 3 else None
    requests = [SyncRequest(hostile.connector, slug) for slug in slugs]
    outcomes = list(sync_entities(hostile.database, hostile.settings, requests, workers=8))
    assert [outcome.error for outcome in outcomes] == [None] * 9
    assert hostile.source.most_under_way == 4
    for slug in slugs:
        assert hostile.live(slug) == values(hostile.source.offers[slug].rows)


@pytest.mark.parametrize(("connector", "entity", "seen"), [(1, 4, 1), (3, None, 3), (3, 2, 2), (2, 9, 2)])
def test_one_entity_asks_for_no_more_pages_at_once_than_either_allows(
    hostile: HostileWorld, connector: int, entity: int | None, seen: int
) -> None:
    hostile.connector = replace(hostile.connector, concurrency=connector)
    rows = hostile.offer(filled([1] * 60), "hash", page_size=4, concurrency=entity)
    hostile.source.arrives = Crowd(hostile, seen)
    assert hostile.sync(SLUG).error is None
    assert hostile.source.most_under_way == seen
    assert hostile.live() == values(rows)


@pytest.mark.parametrize("strategy", ["hash", "full"])
@pytest.mark.parametrize("tells_total", [True, False])
def test_a_row_that_moves_on_while_pages_are_answered_out_of_turn_is_not_missing(
    hostile: HostileWorld, strategy: str, tells_total: bool
) -> None:
    rows = Source({10 * n: Row(1, "x") for n in range(20)}, spell=None, tells_total=tells_total)
    hostile.offer(rows, strategy, page_size=4)
    third = threading.Event()

    def hold_back_the_second(asked: Asked) -> None:
        if asked.page == 2:
            third.wait(0.3)  # does not come where pages are asked for one after the other

    def put_a_row_into_the_second(asked: Asked, page: object) -> None:
        if asked.page == 3:
            rows.rows[45] = Row(2, "new")
            third.set()

    hostile.source.arrives, hostile.source.sent = hold_back_the_second, put_a_row_into_the_second
    before = values(rows)
    assert hostile.sync().error is None
    assert before.items() <= hostile.live().items()
