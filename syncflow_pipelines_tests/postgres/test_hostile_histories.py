"""After any history of a source that changes while it is read, no row is missing, stale or wrongly deleted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.sync.reading.rowversion import precedes
from syncflow_pipelines_tests.misbehaving.histories import Chapter, History, Unfolding, drawn, histories, of_kinds
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values

__all__ = ["hostile"]

GROWS = of_kinds("insert", "update", "revert", "oldest")
SHRINKS = of_kinds("update", "revert", "vanish", "vanish")


def sync_once(world: HostileWorld, slug: str, unfolding: Unfolding, chapter: Chapter) -> None:
    """One sync during which the chapter happens; the rows that held still are then there as they are."""
    before = unfolding.begin(chapter)
    outcome = world.sync(slug)
    touched = unfolding.end()
    assert outcome.error is None
    live = world.live(slug)
    still = {key: row for key, row in before.items() if key not in touched}
    assert {key: value for key, (value, deleted) in still.items() if not deleted and live.get(key) != value} == {}
    assert [key for key, (_, deleted) in still.items() if deleted and key in live] == []


def check_quiet_syncs(world: HostileWorld, slug: str) -> None:
    """A sync of a source at rest brings everything, and the next one writes nothing."""
    source = world.source.offers[slug].rows
    assert world.sync(slug).error is None
    live = world.live(slug)
    assert {key: live.get(key) for key in values(source)} == values(source)
    written = world.written(slug)
    assert world.sync(slug).error is None
    assert world.written(slug) == written


@pytest.mark.slow
@drawn(200)
@given(histories())
def test_by_row_version_no_row_that_held_still_is_missing_or_stale(hostile: HostileWorld, history: History) -> None:
    source = history.source()
    slug = hostile.begin_anew(source, "rowversion", page_size=history.page_size)
    unfolding = Unfolding(source, history.page)
    for chapter in history.chapters:
        sync_once(hostile, slug, unfolding, chapter)
        cursor = hostile.entity(slug).last_rowversion
        if cursor is not None and not precedes(cursor, history.spell(source.clock)):
            source.clock += 1  # a group longer than a page was passed: nothing may join it later
    check_quiet_syncs(hostile, slug)


@pytest.mark.slow
@drawn(150)
@given(histories(GROWS, versions=False), st.sampled_from(["hash", "full"]), st.sampled_from([1, 4]))
def test_by_page_number_no_row_of_a_source_that_grows_is_missing_or_stale(
    hostile: HostileWorld, history: History, strategy: str, concurrency: int
) -> None:
    source = history.source()
    slug = hostile.begin_anew(source, strategy, page_size=history.page_size, concurrency=concurrency)
    unfolding = Unfolding(source, history.page)
    for chapter in history.slowed(concurrency).chapters:
        sync_once(hostile, slug, unfolding, chapter)
    check_quiet_syncs(hostile, slug)
    assert hostile.live(slug) == values(source)


@pytest.mark.slow
@drawn(150)
@given(histories(SHRINKS, versions=False), st.sampled_from(["hash", "full"]), st.sampled_from([1, 4]))
def test_by_page_number_no_row_that_is_there_is_marked_deleted_while_others_go(
    hostile: HostileWorld, history: History, strategy: str, concurrency: int
) -> None:
    source = history.source()
    options = {"page_size": history.page_size, "concurrency": concurrency, "min_seen_ratio": 0}
    slug = hostile.begin_anew(source, strategy, **options)
    unfolding, was_live = Unfolding(source, history.page), set[int]()
    for chapter in history.chapters:
        held = unfolding.begin(chapter).keys()
        assert hostile.sync(slug).error is None
        there = (was_live & held) - unfolding.end()
        was_live = set(hostile.live(slug))
        assert there - was_live == set()
    check_quiet_syncs(hostile, slug)
    assert hostile.live(slug) == values(source)
