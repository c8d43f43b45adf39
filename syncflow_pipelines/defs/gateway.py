"""The assets of the gateway's endpoints: nobody makes them here, and what comes from them stands behind them."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from syncflow_pipelines.config import ConnectorConfig, ServiceConfig, Settings
from syncflow_pipelines.config.endpoints import leading_to, named
from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.endpoint_standing import REACHABLE, EndpointLook, look_at_endpoints
from syncflow_pipelines.defs.names import endpoint_key
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import World

GROUP = "gateway"


def endpoint_assets(world: World) -> list[dg.AssetSpec]:
    """One asset for each name, whatever versions there are of it; nobody materialises it."""
    versions: dict[str, list[EndpointConfig]] = {}
    for endpoint in world.endpoints():
        versions.setdefault(endpoint.name, []).append(endpoint)
    return [_spec(name, endpoints) for name, endpoints in versions.items()]


def endpoint_checks(world: World) -> list[dg.AssetChecksDefinition]:
    """The check `reachable` of all endpoints, in one step; the sensor records it, and a person may run it."""
    keys = [endpoint_key(name) for name in dict.fromkeys(endpoint.name for endpoint in world.endpoints())]
    return [_checks(world.settings, keys)] if keys else []


def keys_before(world: World, asked: ConnectorConfig | ServiceConfig) -> list[dg.AssetKey]:
    """The endpoint that a source or service stands behind, if there is one.

    It is the one that it is asked through, and else the one whose URL its own is below.
    """
    endpoints = world.endpoints()
    found = leading_to(named(endpoints, asked.via) if asked.via else endpoints, asked.base_url)
    return [endpoint_key(found.name)] if found else []


def _spec(name: str, endpoints: list[EndpointConfig]) -> dg.AssetSpec:
    first = endpoints[0]
    return dg.AssetSpec(
        endpoint_key(name),
        description=first.description or f"What /orchestrator/{name}/ of the gateway leads to.",
        metadata=_metadata(endpoints),
        group_name=GROUP,
        kinds={"api"},
    )


def _metadata(endpoints: list[EndpointConfig]) -> Mapping[str, Any]:
    first = endpoints[0]
    return {
        "url": dg.MetadataValue.url(first.url),
        "version": ", ".join(endpoint.version for endpoint in endpoints),
        "methods": ", ".join(first.methods),
        **({"health_check_path": first.health_check_path} if first.health_check_path else {}),
    }


def _checks(settings: Settings, keys: list[dg.AssetKey]) -> dg.AssetChecksDefinition:
    told = "The gateway reaches the endpoint: no check has found it unhealthy, and no breaker is open."

    @dg.multi_asset_check(
        name="gateway__reachable",
        specs=[dg.AssetCheckSpec(REACHABLE, asset=key, description=told) for key in keys],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        wanted = {check.asset_key for check in context.selected_asset_check_keys}
        with open_database(settings) as database, working(database, context.instance, context.run.run_id):
            looks = {look.key: look for look in look_at_endpoints(database)}
        for key in sorted(wanted):
            yield looks.get(key, EndpointLook.of_nobody(key)).result()

    return checks
