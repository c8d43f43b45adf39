"""Whole syncs through a gateway that is really served."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncflow_pipelines.config.gateway import BreakerConfig, EndpointConfig, GatewayConfig
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.routing import Routes
from syncflow_pipelines_tests.postgres.world import World, row
from syncflow_pipelines_tests.server.gateway_world import ServedGateway, registered

BREAKER = BreakerConfig(failure_threshold=3, reset_timeout_s=3600)


@pytest.fixture
def gateway(world: World) -> Iterator[ServedGateway]:
    """Leads to the world's source, which the connector asks through it from then on."""
    endpoint = EndpointConfig("erp", world.connector.base_url, breaker=BREAKER)
    world.settings.config_dir.mkdir(exist_ok=True)
    (world.settings.config_dir / "gateway.yaml").write_text(f"endpoints: [{{name: erp, url: '{endpoint.url}'}}]")
    with ServedGateway(GatewayConfig(endpoints=(endpoint,)), (registered(endpoint),)) as served:
        world.connector = replace(world.connector, via="erp", max_retry_after_s=1)
        world.settings = replace(world.settings, gateway_url=f"http://127.0.0.1:{served.port}")
        yield served


def breaker(gateway: ServedGateway) -> BreakerSnapshot:
    route = gateway.plane.routes.find("erp")
    assert route is not None
    return route.breaker.snapshot()


def test_an_entity_is_discovered_and_synced_through_the_gateway(world: World, gateway: ServedGateway) -> None:
    world.offer("items")
    world.configure("items", page_size=7)
    world.store.insert("items", [row(number) for number in range(50)])
    world.discover()
    outcome = world.sync("items")
    assert (outcome.status, outcome.counts.inserted) == ("success", 50)
    assert world.live("items") == world.expected("items")
    assert breaker(gateway).consecutive_failures == 0


def test_a_source_that_is_down_opens_the_breaker_and_its_tables_stand(world: World, gateway: ServedGateway) -> None:
    world.offer("items")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    down = registered(EndpointConfig("erp", "http://127.0.0.1:9", breaker=BREAKER))
    gateway.call(lambda: setattr(gateway.plane, "routes", Routes.build([down], gateway.config)))
    outcome = world.sync("items", full_refresh=True)
    assert outcome.status == "failed"
    assert "the gateway's breaker for erp@v1 is open; try again in" in (outcome.error or "")
    assert breaker(gateway).state == "open"
    assert len(world.live("items")) == 1, "no entity has gone, and no row"
