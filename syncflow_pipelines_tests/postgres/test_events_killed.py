"""Whatever is killed (-9) and whenever: no event is lost, and only those that were not acknowledged come again."""

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines_tests.postgres.embedded_world import eventually, kill_server, settings_of
from syncflow_pipelines_tests.postgres.event_child import start_child
from syncflow_pipelines_tests.postgres.event_world import Heard, event, publish_now, published

CAUSES = "CREATE TABLE public.causes (n integer PRIMARY KEY)"


def causes(database: Database) -> list[int]:
    with database.connection() as connection:
        return [n for (n,) in connection.execute("SELECT n FROM public.causes ORDER BY n")]


def without_repeats(numbers: Sequence[int]) -> list[int]:
    """The numbers without those that are the same as the one before."""
    return [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n]


@pytest.mark.slow
def test_events_of_a_killed_publisher_are_there_just_where_their_cause_is(
    settings: Settings, database: Database
) -> None:
    with database.connection() as connection:
        connection.execute(CAUSES)
    for _ in range(3):
        first = len(causes(database))
        with start_child("publish", settings, first=first) as publisher:
            assert publisher.stdout is not None
            assert publisher.stdout.readline() == "ready\n"
            eventually(lambda first=first: len(causes(database)) > first + 5)  # type: ignore[misc]
            publisher.kill()
    kept = causes(database)
    told = published(database)
    assert [one.sequence for one in told] == list(range(1, 3 * len(kept) + 1))
    for part in range(3):
        assert [one.data["n"] for one in told if one.subject == f"subject {part}"] == kept


@pytest.mark.slow
def test_a_subscriber_killed_between_an_event_and_its_acknowledgement_has_that_event_twice(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    publish_now(database, *(event(n, f"s{n % 3}") for n in range(40)))
    file, kills = tmp_path / "heard", 3
    for _ in range(kills):
        with start_child("subscribe", settings, file=str(file), events=10) as subscriber:
            assert subscriber.wait(60) == -9
    with start_child("subscribe", settings, file=str(file), events=0) as subscriber:
        eventually(lambda: len(file.read_text().splitlines()) == 40 + kills)
        subscriber.kill()
    heard = [int(line.split()[0]) for line in file.read_text().splitlines()]
    assert without_repeats(heard) == list(range(40))
    assert sum(times - 1 for times in Counter(heard).values()) == kills


@pytest.mark.slow
def test_another_process_goes_on_where_a_killed_one_left_off(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "heard"
    children: list[subprocess.Popen[str]] = []
    try:
        for _ in range(2):
            children.append(start_child("subscribe", settings, file=str(file), events=0))
            assert children[-1].stdout is not None
            assert children[-1].stdout.readline() == "ready\n"
        publish_now(database, *(event(n) for n in range(20)))
        eventually(lambda: file.exists() and len(file.read_text().splitlines()) == 20)
        children[0].kill()
        publish_now(database, *(event(n) for n in range(20, 40)))
        eventually(lambda: len(file.read_text().splitlines()) == 40)
    finally:
        for child in children:
            child.kill()
            child.__exit__(None, None, None)
    assert [int(line.split()[0]) for line in file.read_text().splitlines()] == list(range(40))


@pytest.mark.slow
def test_postgresql_killed_at_random_moments_loses_no_event_and_repeats_only_the_last(embedded_home: Path) -> None:
    settings, kills, heard = settings_of(embedded_home), 4, Heard()
    with open_database(settings) as database:
        with database.connection() as connection:
            connection.execute(CAUSES)
        with DurableEventBus(settings) as bus:
            bus.subscribe("one", [], heard)
            publisher = _Publisher(settings)
            publisher.start()
            for _ in range(kills):
                before = len(heard.attempts)
                heard.wait_for(lambda all_, before=before: len(all_.attempts) > before + 20)  # type: ignore[misc]
                time.sleep(random.uniform(0, 0.05))  # any moment of the course
                kill_server(embedded_home)
            publisher.stop()
            with open_database(settings) as again:
                kept = causes(again)
            heard.wait_for(lambda all_: set(all_.attempts) >= set(kept))
    assert without_repeats(heard.numbers) == kept
    assert len(heard.numbers) - len(kept) <= kills


class _Publisher(threading.Thread):
    """Publishes one event after the other; where the connection is lost, it looks whether the last one was kept."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings, self._over, self._n = settings, threading.Event(), 0

    def stop(self) -> None:
        self._over.set()
        self.join(60)
        assert not self.is_alive()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._publish()
            except DatabaseError:
                self._over.wait(0.05)

    def _publish(self) -> None:
        with open_database(self._settings) as database, database.dedicated("publisher") as connection:
            row = connection.execute("SELECT count(*) FROM public.causes").fetchone()
            assert row is not None
            self._n = row[0]
            while not self._over.is_set():
                with connection.transaction():
                    connection.execute("INSERT INTO public.causes VALUES (%s)", (self._n,))
                    publish(connection, [Event("happened", "s", {"n": self._n})])
                self._n += 1
