"""Whatever transactions publish at once: what is delivered, and in which order."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.outbox import put_in_order
from syncflow_pipelines.database.subscriptions import register
from syncflow_pipelines.events.delivery import Delivery
from syncflow_pipelines.events.handling import Retry
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish

PUBLISHERS = 4
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, PUBLISHERS - 1), st.sampled_from("ab")),
        st.tuples(st.sampled_from(["commit", "commit", "rollback"]), st.integers(0, PUBLISHERS - 1), st.just("")),
        st.tuples(st.sampled_from(["deliver", "order"]), st.just(0), st.just("")),
    ),
    max_size=40,
)
NAMES = count()


@pytest.fixture
def connections(database: Database) -> Iterator[list[psycopg.Connection]]:
    """One for the subscriber, then one for each publisher."""
    with ExitStack() as stack:
        yield [stack.enter_context(database.dedicated("test")) for _ in range(PUBLISHERS + 1)]


class _Course:
    """What happened, and what must have been delivered because of it."""

    def __init__(self, connections: list[psycopg.Connection]) -> None:
        self.reader, *self.publishers = connections
        self.open: dict[int, list[tuple[int, str]]] = {}
        self.committed: set[int] = set()
        self.before: dict[int, set[int]] = {}
        """By event, those of its subject that were committed, or written by the same transaction, before it."""
        self.subjects: dict[int, str] = {}
        self.heard: list[int] = []
        self.numbers = count(1)
        name = f"s{next(NAMES)}"
        last = put_in_order(self.reader)
        register(self.reader, name, [], from_beginning=False)
        self.delivery = Delivery(
            self.reader, name, [], self._hear, lambda: False, lambda: True, position=last, retry=Retry()
        )

    def step(self, kind: str, publisher: int, subject: str) -> None:
        connection = self.publishers[publisher]
        if kind == "deliver":
            self.delivery.run()
        elif kind == "order":
            put_in_order(self.reader, most=2)
        elif kind == "publish":
            self._publish(connection, publisher, subject)
        elif publisher in self.open:
            connection.execute(kind)
            written = self.open.pop(publisher)
            self.committed |= {n for n, _ in written} if kind == "commit" else set()

    def _publish(self, connection: psycopg.Connection, publisher: int, subject: str) -> None:
        if publisher not in self.open:
            connection.execute("BEGIN")
        mine = self.open.setdefault(publisher, [])
        n = next(self.numbers)
        earlier = {*self.committed, *(own for own, _ in mine)}
        self.before[n] = {each for each in earlier if self.subjects[each] == subject}
        self.subjects[n] = subject
        mine.append((n, subject))
        publish(connection, [Event("happened", subject, {"n": n})])

    def _hear(self, event: Event) -> None:
        self.heard.append(event.data["n"])


@given(steps=STEPS)
@examples(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_committed_event_is_delivered_once_and_behind_what_was_committed_before_it_was_published(
    connections: list[psycopg.Connection], steps: list[Any]
) -> None:
    course = _Course(connections)
    for step in steps:
        course.step(*step)
    for publisher in list(course.open):
        course.step("commit", publisher, "")
    course.delivery.run()
    assert sorted(course.heard) == sorted(course.committed)
    places = {n: place for place, n in enumerate(course.heard)}
    for n in course.heard:
        assert all(places[earlier] < places[n] for earlier in course.before[n] if earlier in course.committed)
