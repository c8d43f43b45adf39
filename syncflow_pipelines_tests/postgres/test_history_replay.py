"""Played back from nothing, the recorded changes of an entity come to exactly its live rows, after any history."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncflow_pipelines_tests.postgres.recorded import agrees, live, replayed
from syncflow_pipelines_tests.postgres.world import World, row

Fresh = Callable[[str, bool], AbstractContextManager[str]]

KEYS = st.integers(min_value=0, max_value=8)
LABELS = st.sampled_from(["a", "b", None, "é\t\\n'\"", '{"a": 1}', ""])
AMOUNTS = st.sampled_from([0, 1.5, "1.50", None, "123456789.125"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, LABELS, AMOUNTS),
        st.tuples(st.sampled_from(["delete", "vanish"]), KEYS, st.none(), st.none()),
    ),
    max_size=6,
)
SYNCS = st.sampled_from(["own", "own", "hash", "full", "refresh"])
HISTORIES = st.lists(st.tuples(CHANGES, SYNCS), min_size=1, max_size=6)


@pytest.fixture
def fresh(world: World) -> Fresh:
    """Makes a new entity in the same world for every example."""

    @contextmanager
    def make(strategy: str, ties: bool) -> Iterator[str]:
        slug = f"e{uuid4().hex[:10]}"
        style = ("time" if ties else "counter") if strategy == "rowversion" else None
        world.offer(slug, strategy, versions=style)
        world.configure(slug, history=True, page_size=3)
        world.discover(accept_gone=True)
        yield slug
        world.store.drop_entity(slug)

    return make


@pytest.mark.slow
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(history=HISTORIES, strategy=st.sampled_from(["rowversion", "hash", "full"]), ties=st.booleans())
def test_the_changes_played_back_are_the_live_rows_and_agree_with_the_counts(
    world: World, fresh: Fresh, history: list[Any], strategy: str, ties: bool
) -> None:
    with fresh(strategy, ties) as slug:
        for changes, how in history:
            _apply(world, slug, changes)
            outcome = world.sync(slug, **_request(how))
            assert outcome.error is None
            assert agrees(world, slug, outcome)
            assert replayed(world, slug) == live(world, slug)


def _request(how: str) -> dict[str, Any]:
    if how == "own":
        return {}
    return {"full_refresh": True} if how == "refresh" else {"strategy": how}


def _apply(world: World, slug: str, changes: list[Any]) -> None:
    with world.store.change() as change:
        alive = set(change.live_keys(slug))
        for kind, number, label, amount in changes:
            key = ("A", number)
            if kind == "put":
                change.put(slug, [row(number, label, amount)])
                alive.add(key)
            elif key in alive:
                change.delete(slug, [key], leave_tombstone=kind == "delete")
                alive.discard(key)
