"""Rows that appear with an older row version than others that were read already."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines_tests.misbehaving.histories import drawn
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values
from syncflow_pipelines_tests.unit.moving_source import SPELLINGS, Row, filled

__all__ = ["hostile"]

LONGEST = 9
"""So many units a transaction takes at most from its row version to its commit."""

Commits = list[tuple[int, int]]

COMMITS = st.lists(st.tuples(st.integers(0, LONGEST), st.integers(1, 3)), max_size=4)
"""How late each transaction commits, and how many rows it wrote."""


@pytest.mark.slow
@drawn(60)
@given(
    page_size=st.sampled_from([1, 2, 3, 5, 50]),
    syncs=st.lists(st.tuples(COMMITS, st.lists(COMMITS, max_size=4)), min_size=1, max_size=4),
    spell=SPELLINGS,
)
def test_the_overlap_brings_every_row_that_was_committed_late(
    hostile: HostileWorld, page_size: int, syncs: list[tuple[Commits, list[Commits]]], spell: Any
) -> None:
    source = filled([1, 2, 3, 1, 5], spell=spell)
    source.clock = 20

    def commit(commits: Commits) -> None:
        for late, rows in commits:
            source.clock += 1
            for _ in range(rows):
                source.rows[1_000_000 + len(source.rows)] = Row(source.clock - late, f"{late} late")

    # A sync of this source may take as long as its clock goes on meanwhile.
    overlap = LONGEST + sum(len(commits) for _, during in syncs for commits in during)
    slug = hostile.begin_anew(source, "rowversion", page_size=page_size, rowversion_overlap=overlap)
    for before, during in syncs:
        commit(before)
        steps = iter(during)
        source.happens = lambda steps=steps: commit(next(steps, []))  # type: ignore[misc]
        assert hostile.sync(slug).error is None
        source.happens = lambda: None
    assert hostile.sync(slug).error is None
    assert hostile.live(slug) == values(source)


def test_without_an_overlap_a_row_that_is_committed_late_waits_for_a_hash_pass(hostile: HostileWorld) -> None:
    source = hostile.offer(filled([1] * 9), "rowversion", page_size=4)
    hostile.sync()
    source.rows[-1] = Row(3, "late")
    assert hostile.sync().counts.inserted == 0
    assert hostile.sync(strategy="hash").counts.inserted == 1
    assert hostile.live() == values(source)


def test_a_row_without_a_row_version_that_comes_after_the_first_sync_waits_for_a_hash_pass(
    hostile: HostileWorld,
) -> None:
    source = hostile.offer(filled([1] * 9, spell=lambda n: None if n == 99 else str(n)), "rowversion", page_size=4)
    hostile.sync()
    selected = source._selected
    source.rows[-1] = Row(99, "of no version")
    source._selected = lambda above: [key for key in selected(above) if key != -1 or not above]  # type: ignore[method-assign]
    assert hostile.sync().counts.inserted == 0
    assert hostile.sync(strategy="hash").counts.inserted == 1
    assert hostile.live() == values(source)


def test_a_row_without_a_row_version_that_comes_before_the_first_sync_is_found_by_it(hostile: HostileWorld) -> None:
    source = hostile.offer(filled([1] * 9, spell=lambda n: None if n == 99 else str(n)), "rowversion", page_size=4)
    selected = source._selected
    source.rows[-1] = Row(99, "of no version")
    source._selected = lambda above: [key for key in selected(above) if key != -1 or not above]  # type: ignore[method-assign]
    assert hostile.sync().counts.inserted == 10
    assert hostile.live() == values(source)
