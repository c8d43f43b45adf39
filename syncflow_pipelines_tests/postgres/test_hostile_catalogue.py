"""A catalogue that changes between two pages of a sync."""

from typing import Any

import pytest

from syncflow_pipelines.sync.model import DiscoveryReport
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines_tests.misbehaving.faults import Fault, lie
from syncflow_pipelines_tests.misbehaving.source import Asked
from syncflow_pipelines_tests.misbehaving.world import SLUG, HostileWorld, hostile, values
from syncflow_pipelines_tests.unit.moving_source import Row, filled

__all__ = ["hostile"]

COLOUR = {"name": "COLOUR", "data_type": "VARCHAR2(20)", "output_alias": "colour"}


@pytest.fixture(params=["rowversion", "hash"])
def synced(request: pytest.FixtureRequest, hostile: HostileWorld) -> HostileWorld:
    """Twenty rows, synced once, and then all changed."""
    source = hostile.offer(filled([1] * 20), request.param, page_size=4, concurrency=1)
    assert hostile.sync().counts.inserted == 20
    source.rows = {key: Row(30 + n, f"changed {n}") for n, key in enumerate(source.rows)}
    source.clock = 60
    return hostile


def paint(page: dict[str, Any]) -> None:
    for row in page["rows"]:
        row["data"]["colour"] = "red"


def drop_value(page: dict[str, Any]) -> None:
    for row in page["rows"]:
        row["data"].pop("v", None)


def from_third_request(world: HostileWorld, fault: Fault) -> None:
    first = world.source.offers[SLUG].asked
    world.source.plan = lambda asked: fault if asked.nth > first + 2 else None


def columns(world: HostileWorld) -> list[Any]:
    found: list[Any] = world.source.offers[SLUG].api["columns"]
    return found


def test_a_column_that_appears_between_two_pages_is_named_and_filled_after_the_next_discovery(
    synced: HostileWorld,
) -> None:
    from_third_request(synced, lie(paint))
    outcome = synced.sync()
    assert outcome.error is None
    assert any("colour" in note for note in outcome.notes)
    assert synced.live() == values(synced.source.offers[SLUG].rows)
    columns(synced).append(COLOUR)
    assert discover(synced.database, synced.connector, synced.settings).changed == (SLUG,)
    synced.source.plan = lambda asked: lie(paint)
    assert synced.sync().counts.updated == 20
    with synced.database.connection() as connection:
        assert connection.execute("SELECT DISTINCT colour FROM odd.items").fetchall() == [("red",)]


def test_a_discovery_in_the_middle_of_a_sync_leaves_the_entity_to_the_next_one_and_loses_nothing(
    synced: HostileWorld,
) -> None:
    from_third_request(synced, lie(paint))
    third = synced.source.offers[SLUG].asked + 3
    reports: list[DiscoveryReport] = []

    def arrives(asked: Asked) -> None:
        if asked.nth == third:  # the sync waits for this page, and holds the entity, until the discovery has ended
            columns(synced).append(COLOUR)
            reports.append(discover(synced.database, synced.connector, synced.settings))

    synced.source.arrives = arrives
    assert synced.sync().error is None
    assert reports[0].changed == ()
    assert any("is being synced just now" in finding.message for finding in reports[0].findings)
    assert discover(synced.database, synced.connector, synced.settings).changed == (SLUG,)
    synced.source.plan = lambda asked: lie(paint)
    assert synced.sync().error is None
    assert synced.live() == values(synced.source.offers[SLUG].rows)
    with synced.database.connection() as connection:
        assert connection.execute("SELECT DISTINCT colour FROM odd.items").fetchall() == [("red",)]


def test_a_column_that_vanishes_between_two_pages_empties_its_values_and_nothing_else(synced: HostileWorld) -> None:
    from_third_request(synced, lie(drop_value))
    assert synced.sync().error is None
    source = synced.source.offers[SLUG].rows
    live = synced.live()
    assert live.keys() == values(source).keys()
    assert {key: value for key, value in live.items() if value is not None}.items() <= values(source).items()
    synced.source.plan = lambda asked: None
    assert synced.sync(full_refresh=True).error is None
    assert synced.live() == values(source)


def test_an_entity_that_goes_between_two_pages_fails_the_sync_and_keeps_its_rows(synced: HostileWorld) -> None:
    written, cursor = synced.written(), synced.entity().last_rowversion
    offer = synced.source.offers[SLUG]
    first = offer.asked

    def arrives(asked: Asked) -> None:
        if asked.nth == first + 2:
            del synced.source.offers[SLUG]

    synced.source.arrives = arrives
    outcome = synced.sync()
    assert (outcome.status, outcome.error_type) == ("failed", "EntityGone")
    assert "syncflow discover odd" in str(outcome.error)
    assert (synced.written(), synced.entity().last_rowversion) == (written, cursor)
    synced.source.offers[SLUG] = offer
    assert synced.sync().error is None
    assert synced.live() == values(offer.rows)
