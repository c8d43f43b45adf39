"""Publishing and hearing events in tests."""

import threading
from collections.abc import Callable, Iterable

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.outbox import put_in_order, read_events
from syncflow_pipelines.events.handling import Retry
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of, publish

SOON = Retry(max_attempts=3, first_s=0.01, longest_s=0.01)


def event(n: int, subject: str = "erp/items", kind: str = "happened") -> Event:
    return Event(kind, subject, {"n": n})


def publish_now(database: Database, *events: Event) -> None:
    with database.connection() as connection:
        publish(connection, events)


class Heard:
    """A handler that keeps what it is told, and fails where it is asked to."""

    def __init__(self, fails: Callable[[Event], bool] = lambda event: False) -> None:
        self.events: list[Event] = []
        self.attempts: list[int] = []
        self._fails = fails
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.attempts.append(event.data["n"])
            self._changed.notify_all()
            if self._fails(event):
                raise ValueError(event.data["n"])
            self.events.append(event)

    @property
    def numbers(self) -> list[int]:
        return [event.data["n"] for event in self.events]

    def of(self, subject: str) -> list[int]:
        return [event.data["n"] for event in self.events if event.subject == subject]

    def wait_for(self, fact: Callable[["Heard"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: fact(self), 60), f"heard {self.numbers}, attempts {self.attempts}"

    def wait_for_numbers(self, numbers: Iterable[int]) -> None:
        expected = list(numbers)
        self.wait_for(lambda heard: heard.numbers == expected)


def published(database: Database, *types: str) -> list[Event]:
    """All events of the types so far, in order."""
    with database.dedicated("test") as connection:
        put_in_order(connection)
        return [event_of(one) for one in read_events(connection, 0, types, limit=100_000)]
