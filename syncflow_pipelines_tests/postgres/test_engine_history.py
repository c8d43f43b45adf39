"""After any history of changes, any strategy leaves the table equal to the source."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines_tests.misbehaving.histories import drawn
from syncflow_pipelines_tests.postgres.world import World, row

KEYS = st.integers(min_value=0, max_value=12)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.sampled_from(["a", "b", None, "é\t\\n'\""])),
        st.tuples(st.just("delete"), KEYS, st.none()),
    ),
    max_size=6,
)
SYNCS = st.sampled_from(["own", "hash", "full", "refresh"])
HISTORIES = st.lists(st.tuples(CHANGES, SYNCS), min_size=1, max_size=6)


@pytest.fixture
def fresh(world: World) -> Any:
    """Makes a new entity in the same world for every example."""

    @contextmanager
    def make(strategy: str, page_size: int, ties: bool) -> Iterator[str]:
        slug = f"e{uuid4().hex[:10]}"
        style = ("time" if ties else "counter") if strategy == "rowversion" else None
        world.offer(slug, strategy, versions=style)
        world.configure(slug, page_size=page_size)
        world.discover(accept_gone=True)
        yield slug
        world.store.drop_entity(slug)

    return make


@drawn(60)
@given(
    history=HISTORIES,
    strategy=st.sampled_from(["rowversion", "hash", "full"]),
    page_size=st.sampled_from([1, 2, 3, 1000]),
    ties=st.booleans(),
)
def test_the_live_rows_equal_the_source_after_every_sync(
    world: World, fresh: Any, history: list[Any], strategy: str, page_size: int, ties: bool
) -> None:
    with fresh(strategy, page_size, ties) as slug:
        for changes, how in history:
            _apply(world, slug, changes)
            outcome = world.sync(slug, **_request(how))
            assert outcome.error is None
            counts = outcome.counts
            assert counts.fetched + counts.missing == (
                counts.inserted + counts.updated + counts.unchanged + counts.deleted + counts.rejected
            )
            assert world.live(slug) == world.expected(slug)
            assert outcome.live_rows == len(world.live(slug))


def _request(how: str) -> dict[str, Any]:
    if how == "own":
        return {}
    return {"full_refresh": True} if how == "refresh" else {"strategy": how}


def _apply(world: World, slug: str, changes: list[Any]) -> None:
    """The changes, all in one transaction of the source; with `time` versions it stamps them all alike."""
    with world.store.change() as change:
        alive = set(change.live_keys(slug))
        for kind, number, label in changes:
            key = ("A", number)
            if kind == "put":
                change.put(slug, [row(number, label)])
                alive.add(key)
            elif key in alive:
                change.delete(slug, [key])
                alive.discard(key)
