"""Events in PostgreSQL: published with what they tell of, delivered to named subscribers."""

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.outbox import find_event, newest_events, put_in_order, read_events
from syncflow_pipelines.database.subscriptions import (
    advance,
    drop_parked,
    forget_subscriber,
    held_subjects,
    hold,
    parked_events,
    register,
    retry_parked,
    subscribers,
)
from syncflow_pipelines.errors import ConfigurationError, DeliveryFailed
from syncflow_pipelines.events import delivery
from syncflow_pipelines.events.delivery import Delivery
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of, publish
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines_tests.postgres.embedded_world import eventually
from syncflow_pipelines_tests.postgres.event_world import SOON, Heard, event, publish_now


def test_an_event_comes_back_as_it_was_published(database: Database) -> None:
    published = Event("happened", "a/b", {"text": "ü\0\ud800", "deep": [1, {"x": None}]})
    publish_now(database, published)
    with database.dedicated("test") as connection:
        put_in_order(connection)
        (read,) = map(event_of, read_events(connection, 0))
        assert find_event(connection, published.id) == find_event(connection, "1")
    assert (read.id, read.type, read.subject, read.source, read.time) == (
        published.id,
        "happened",
        "a/b",
        "/syncflow",
        published.time,
    )
    assert (read.data, read.sequence) == ({"text": "ü\ufffd?", "deep": [1, {"x": None}]}, 1)


def test_nothing_is_published_by_a_transaction_that_is_rolled_back(database: Database) -> None:
    with database.dedicated("test") as connection, connection.transaction(force_rollback=True):
        publish(connection, [event(1)])
    publish_now(database, event(2))
    with database.dedicated("test") as connection:
        assert put_in_order(connection) == 1
        assert [each.data["n"] for each in read_events(connection, 0)] == [2]


def test_an_event_that_commits_late_comes_behind_those_that_were_read_meanwhile(database: Database) -> None:
    with database.dedicated("late") as late, database.dedicated("reader") as reader:
        with late.transaction():
            publish(late, [event(1, "late")])
            publish_now(database, event(2), event(3))
            assert put_in_order(reader) == 2
            first = read_events(reader, 0)
        put_in_order(reader)
        assert [each.data["n"] for each in first] == [2, 3]
        assert [each.data["n"] for each in read_events(reader, first[-1].seq)] == [1]


def test_places_are_given_once_and_without_gaps_by_however_many_at_once(database: Database) -> None:
    def work(publisher: int) -> None:
        for n in range(20):
            publish_now(database, event(n, f"s{publisher}"), event(n, f"t{publisher}"))
            with database.dedicated("test") as connection:
                put_in_order(connection, most=3)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    with database.dedicated("test") as connection:
        found = read_events(connection, 0)
    assert [each.seq for each in found] == list(range(1, 161))


def test_a_subscriber_hears_of_its_types_from_when_it_came_and_in_order(settings: Settings, database: Database) -> None:
    publish_now(database, event(0))
    heard, everything = Heard(), Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("some", ["happened"], heard)
        bus.subscribe("all", [], everything, from_beginning=True)
        bus.publish(event(1), event(2, kind="other"), event(3))
        heard.wait_for_numbers([1, 3])
        everything.wait_for_numbers([0, 1, 2, 3])


def test_a_coroutine_may_be_a_handler(settings: Settings) -> None:
    heard = Heard()

    async def handler(one: Event) -> None:
        heard(one)

    with DurableEventBus(settings) as bus:
        bus.subscribe("coroutine", [], handler)
        bus.publish(event(1), event(2))
        heard.wait_for_numbers([1, 2])


def test_a_subscriber_goes_on_where_it_was(settings: Settings, database: Database) -> None:
    before, after = Heard(), Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], before)
        bus.publish(event(1))
        before.wait_for_numbers([1])
    publish_now(database, event(2))
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], after)
        after.wait_for_numbers([2])


def test_a_handler_that_fails_holds_up_its_subject_alone_then_its_event_is_parked(
    settings: Settings, database: Database
) -> None:
    heard, other = Heard(lambda one: one.data["n"] == 1), Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("failing", [], heard, retry=SOON)
        bus.subscribe("other", [], other)
        bus.publish(event(1, "a"), event(2, "a"), event(3, "b"), event(4, "a"))
        heard.wait_for(lambda all_: sorted(all_.numbers) == [2, 3, 4])
        other.wait_for_numbers([1, 2, 3, 4])
        assert heard.of("a") == [2, 4]
        assert heard.attempts.count(1) == 3
        assert heard.attempts.index(2) > max(i for i, n in enumerate(heard.attempts) if n == 1)
        with database.connection() as connection:
            (parked,) = parked_events(connection)
    assert (parked.subscriber, parked.seq, parked.subject, parked.attempts) == ("failing", 1, "a", 3)
    assert parked.error == "ValueError; its traceback is in the log"


def test_while_an_event_waits_for_its_retry_others_of_its_subject_wait_and_other_subjects_do_not(
    settings: Settings, database: Database
) -> None:
    refusing = threading.Event()
    refusing.set()
    heard = Heard(lambda one: one.data["n"] == 1 and refusing.is_set())
    with DurableEventBus(settings) as bus:
        bus.subscribe("failing", [], heard, retry=type(SOON)(10_000, 0.01, 0.01))
        bus.publish(event(1, "a"), event(2, "a"))
        heard.wait_for(lambda all_: all_.attempts.count(1) > 2)
        bus.publish(event(3, "b"), event(4, "a"))
        heard.wait_for_numbers([3])
        refusing.clear()
        heard.wait_for_numbers([3, 1, 2, 4])
        eventually(lambda: troubles(database) == 0)


def troubles(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM event_troubles").fetchone()
    assert row is not None
    return int(row[0])


def test_an_event_that_waits_survives_the_end_of_the_process_and_so_do_those_behind_it(
    settings: Settings, database: Database
) -> None:
    failing, mended = Heard(lambda one: one.subject == "a"), Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], failing, retry=type(SOON)(10_000, 0.01, 0.01))
        bus.publish(event(1, "a"), event(2, "a"), event(3, "b"))
        failing.wait_for_numbers([3])
    publish_now(database, event(4, "a"))
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], mended)
        mended.wait_for_numbers([1, 2, 4])


def test_a_parked_event_is_delivered_again_or_dropped_on_demand(settings: Settings, database: Database) -> None:
    refusing = threading.Event()
    refusing.set()
    heard = Heard(lambda _: refusing.is_set())
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], heard, retry=SOON)
        bus.publish(event(1, "a"), event(2, "b"), event(3, "c"))
        eventually(lambda: parked(database) == [1, 2, 3])
        refusing.clear()
        with database.connection() as connection:
            assert drop_parked(connection, "one", [2]) == 1
            assert retry_parked(connection, "one", [1]) == 1
        heard.wait_for_numbers([1])
        with database.connection() as connection:
            assert retry_parked(connection, "one") == 1
        heard.wait_for_numbers([1, 3])
        assert parked(database) == []


def parked(database: Database) -> list[int]:
    with database.connection() as connection:
        return [one.seq for one in parked_events(connection, "one")]


def test_a_handler_may_refuse_for_good(settings: Settings, database: Database) -> None:
    attempts = []

    def handler(one: Event) -> None:
        attempts.append(one.data["n"])
        raise DeliveryFailed("gone", is_final=True)

    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], handler)
        bus.publish(event(1))
        eventually(lambda: parked(database) == [1])
    assert attempts == [1]


def test_of_two_under_one_name_one_works_and_the_other_takes_over(settings: Settings, database: Database) -> None:
    first, second = Heard(), Heard()
    with DurableEventBus(settings) as standby:
        with DurableEventBus(settings) as bus:
            bus.subscribe("one", [], first)
            eventually(lambda: is_active(database))
            standby.subscribe("one", [], second)
            bus.publish(*(event(n) for n in range(50)))
            first.wait_for_numbers(range(50))
        standby.publish(event(50))
        second.wait_for_numbers([50])
    assert not is_active(database)


def is_active(database: Database) -> bool:
    with database.connection() as connection:
        return any(one.is_active for one in subscribers(connection))


def test_a_subscriber_is_shown_with_its_lag_and_can_be_forgotten(settings: Settings, database: Database) -> None:
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", ["happened"], Heard())
    publish_now(database, event(1), event(2, kind="other"), event(3))
    with database.dedicated("test") as connection:
        put_in_order(connection)
        (one,) = subscribers(connection)
        assert (one.name, one.types, one.lag, one.waiting, one.parked) == ("one", ["happened"], 2, 0, 0)
        assert forget_subscriber(connection, "one")
        assert not forget_subscriber(connection, "one")
        assert subscribers(connection) == []


def test_nothing_is_delivered_while_it_is_switched_off(settings: Settings) -> None:
    on, heard = threading.Event(), Heard()
    with DurableEventBus(settings) as bus:
        asked = threading.Event()

        def is_enabled() -> bool:
            asked.set()
            return on.is_set()

        bus.subscribe("one", [], heard, is_enabled=is_enabled)
        bus.publish(event(1))
        assert asked.wait(60)
        assert heard.attempts == []
        on.set()
        heard.wait_for_numbers([1])


def test_without_any_notification_events_are_found_all_the_same(settings: Settings, database: Database) -> None:
    heard = Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], heard)
        eventually(lambda: is_active(database))
        with database.connection() as connection:
            connection.execute(
                "INSERT INTO events (event_id, source, type, subject, time, data) "
                "VALUES ('1', '/s', 't', 's', now(), '{\"n\": 7}')"
            )
        heard.wait_for_numbers([7])


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_name_that_cannot_be_kept_is_refused(settings: Settings, name: str) -> None:
    with DurableEventBus(settings) as bus, pytest.raises(ConfigurationError, match="1 to 100 characters"):
        bus.subscribe(name, [], Heard())


def test_the_newest_events_are_found_by_type_subject_and_time(database: Database) -> None:
    old = event(1)
    publish_now(database, old, event(2, "b"), event(3, kind="other"), event(4), event(5))
    with database.dedicated("test") as connection:
        put_in_order(connection)

        def numbers(found: list[Event]) -> list[int]:
            return [one.data["n"] for one in found]

        def newest(types: tuple[str, ...] = (), **options: object) -> list[int]:
            return numbers([event_of(one) for one in newest_events(connection, types, **options)])  # type: ignore[arg-type]

        assert newest(limit=2) == [4, 5]
        assert newest(("other",)) == [3]
        assert newest(subject="b") == [2]
        assert newest(after=3) == [4, 5]
        assert newest(since=old.time) == [1, 2, 3, 4, 5]


def test_a_subscriber_may_acknowledge_less_often_and_does_so_at_the_end(database: Database) -> None:
    with database.dedicated("test") as connection:
        last = put_in_order(connection)
        register(connection, "one", [], from_beginning=True)
        publish_now(database, *(event(n) for n in range(1, 8)))
        seen = list[int]()
        delivery = Delivery(
            connection, "one", [], lambda _: seen.append(position(database)), lambda: False, lambda: True,
            position=last, retry=SOON, acknowledge_every=3,
        )  # fmt: skip
        assert delivery.run() is None
    assert seen == [0, 0, 0, 3, 3, 3, 6]
    assert position(database) == 7


def position(database: Database) -> int:
    with database.connection() as connection:
        return subscribers(connection)[0].position


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (lambda: DeliveryFailed("it said \0\ud800"), "it said \ufffd?"),
        (lambda: SystemExit(1), "SystemExit; its traceback is in the log"),
        (asyncio.CancelledError, "CancelledError; its traceback is in the log"),
        (lambda: DeliveryFailed("x" * 1_000_000), "x" * 2000),
    ],
)
def test_whatever_a_handler_raises_its_event_is_parked_and_others_go_on(
    settings: Settings, database: Database, failure: Callable[[], BaseException], told: str
) -> None:
    good = Heard()

    def handler(event: Event) -> None:
        if event.subject == "bad":
            raise failure()
        good(event)

    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], handler, retry=SOON)
        bus.publish(event(1, "bad"), event(2, "good"))
        good.wait_for_numbers([2])
        eventually(lambda: parked(database) == [1])
    with database.connection() as connection:
        assert [each.error for each in parked_events(connection)] == [told]


def test_one_type_may_be_given_as_it_is(settings: Settings, database: Database) -> None:
    heard = Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", "happened", heard)
        bus.publish(event(1), event(2, kind="other"), event(3))
        heard.wait_for_numbers([1, 3])
    with database.connection() as connection:
        assert [one.types for one in subscribers(connection)] == [["happened"]]


def test_a_subject_that_no_index_takes_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="500 characters at most, not 501"):
        publish_now(database, event(1, "x" * 501))
    publish_now(database, event(2, "\U0001f600" * 500))
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_a_subject_of_the_greatest_length_can_be_in_trouble(database: Database) -> None:
    rng = random.Random(1)
    subject = "".join(chr(rng.randrange(0x10000, 0x110000)) for _ in range(500))
    publish_now(database, event(1, subject))
    name = "\U0001f600" * 100
    with database.dedicated("test") as connection:
        put_in_order(connection)
        register(connection, name, [], from_beginning=True)
        hold(connection, name, 1)
        assert held_subjects(connection, name) == {subject}


def test_a_subscriber_of_ones_own_heeds_the_flag_of_events(settings: Settings) -> None:
    heard = Heard()
    file = settings.config_dir / "flags.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("flags: {events: false}\n")
    with DurableEventBus(settings) as bus:
        bus.subscribe("on", [], second := Heard(), is_enabled=lambda: True)
        bus.subscribe("as the flag says", [], heard)
        bus.publish(event(1))
        second.wait_for_numbers([1])
        assert heard.attempts == []
        file.write_text("flags: {events: true}\n")
        heard.wait_for_numbers([1])


def test_an_event_that_is_removed_while_it_is_delivered_holds_up_nothing(
    settings: Settings, database: Database
) -> None:
    first = threading.Event()

    def removed(event: Event) -> bool:
        if event.data["n"] > 1:
            return False
        with database.connection() as connection:
            connection.execute("DELETE FROM events WHERE seq = %s", (event.sequence,))
        first.set()
        return True

    heard = Heard(removed)
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], heard, retry=SOON)
        bus.publish(event(1))
        assert first.wait(60)
        bus.publish(event(2))
        heard.wait_for_numbers([2])
    assert heard.attempts == [1, 2]


def test_those_in_trouble_and_new_ones_take_turns(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SLICE_S", 0.0)
    attempts = list[int]()
    publish_now(database, *(event(n, f"s{n}") for n in range(1, 6)))
    with database.dedicated("test") as connection:
        put_in_order(connection)
        course = Delivery(
            connection,
            "one",
            (),
            lambda given: attempts.append(given.data["n"]),
            lambda: False,
            lambda: True,
            register(connection, "one", (), from_beginning=True),
            SOON,
        )
        for seq in (1, 2, 3):
            hold(connection, "one", seq)
        advance(connection, "one", 3)
        course.position = 3
        course.run()
    assert attempts == [1, 4, 2, 5, 3]
