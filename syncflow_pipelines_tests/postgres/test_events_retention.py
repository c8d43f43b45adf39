"""Old events go once everybody has had them, and at a bound that is told whoever has not."""

import pytest

from syncflow_pipelines.config import EventsConfig, Settings
from syncflow_pipelines.database import Database, event_purge
from syncflow_pipelines.database.outbox import put_in_order
from syncflow_pipelines.database.subscriptions import parked_events, subscribers
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.retention import forget_old_events
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines_tests.postgres.embedded_world import eventually
from syncflow_pipelines_tests.postgres.event_world import SOON, Heard, event, publish_now, published

CONFIG = EventsConfig(retention_days=10, undelivered_retention_days=30)


def age(database: Database, days: int) -> None:
    """Makes every event so much older."""
    with database.connection() as connection:
        connection.execute("UPDATE events SET recorded_at = recorded_at - make_interval(days => %s)", (days,))


def left(database: Database) -> list[int]:
    return [one.data["n"] for one in published(database)]


def test_without_subscribers_old_events_go_and_others_stay(database: Database) -> None:
    publish_now(database, event(1), event(2))
    age(database, 11)
    publish_now(database, event(3))
    assert forget_old_events(database, CONFIG).events == 2
    assert left(database) == [3]
    assert forget_old_events(database, CONFIG).events == 0


def test_more_than_a_batch_goes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_purge, "REMOVED_AT_ONCE", 3)
    publish_now(database, *(event(n) for n in range(10)))
    age(database, 11)
    assert forget_old_events(database, CONFIG).events == 10


def test_an_old_event_stays_until_the_last_subscriber_has_had_it(settings: Settings, database: Database) -> None:
    fast, slow = Heard(), Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("fast", [], fast)
        bus.subscribe("slow", [], slow, is_enabled=lambda: False)
        bus.publish(event(1), event(2))
        fast.wait_for_numbers([1, 2])
    age(database, 11)
    assert forget_old_events(database, CONFIG).events == 0
    with DurableEventBus(settings) as bus:
        bus.subscribe("slow", [], slow)
        slow.wait_for_numbers([1, 2])
    assert forget_old_events(database, CONFIG).events == 2


def test_an_event_that_nobody_fetches_goes_at_the_bound_and_is_told(settings: Settings, database: Database) -> None:
    refusing = Heard(lambda _: True)
    with DurableEventBus(settings) as bus:
        bus.subscribe("asleep", ["happened"], Heard(), is_enabled=lambda: False)
        bus.subscribe("refusing", [], refusing, retry=SOON)
        bus.publish(event(1), event(2, kind="other"))
        eventually(lambda: len(parked(database)) == 2)
    age(database, 31)
    forgotten = forget_old_events(database, CONFIG)
    assert (forgotten.events, dict(forgotten.missed)) == (2, {"asleep": 1, "refusing": 2})
    assert str(forgotten).startswith("Removed 2 old events; ")
    assert "asleep misses 1 that it never had" in str(forgotten)
    assert parked(database) == []
    with database.connection() as connection:
        assert {one.name: one.missed for one in subscribers(connection)} == {"asleep": 1, "refusing": 2}


def parked(database: Database) -> list[int]:
    with database.connection() as connection:
        return [one.seq for one in parked_events(connection)]


def test_places_go_on_after_all_events_are_gone_and_subscribers_hear_of_new_ones(
    settings: Settings, database: Database
) -> None:
    heard = list[Event]()
    publish_now(database, event(1), event(2))
    age(database, 11)
    forget_old_events(database, CONFIG)
    with DurableEventBus(settings) as bus:
        bus.subscribe("one", [], heard.append, from_beginning=True)
        bus.publish(event(3))
        eventually(lambda: len(heard) == 1)
    assert heard[0].sequence == 3
    with database.dedicated("test") as connection:
        assert put_in_order(connection) == 3
