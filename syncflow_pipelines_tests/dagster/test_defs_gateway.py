"""The gateway's endpoints in Dagster: assets, what stands behind them, and observations where their health changed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckEvaluation, AssetCheckKey

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.gateway_state import FILE, read_endpoint_state
from syncflow_pipelines.defs.names import catalogue_key, endpoint_key, entity_of, spec_key
from syncflow_pipelines.defs.world import load_world

GATEWAY = """
endpoints:
  - {name: orders, url: "https://orders.example.com", health_check_path: /health, description: What was ordered}
  - {name: orders, url: "https://orders.example.com/v2", version: v2}
  - {name: erp, url: "http://127.0.0.1:9/api"}
register_services: true
"""
CONNECTORS = """
connectors:
  - {name: below, base_url: "http://127.0.0.1:9/api/v1"}
  - {name: through, base_url: "https://orders.example.com/v2", via: orders}
  - {name: elsewhere, base_url: "https://elsewhere.example.com"}
  - {name: gateway, base_url: "https://elsewhere.example.com"}
"""
SERVICES = """
services:
  - {name: parcels, base_url: "https://parcels.example.com", openapi_path: /openapi.json, components: []}
"""
ORDERS = dg.AssetKey(["gateway", "orders"])
CHECK = AssetCheckKey(ORDERS, "reachable")


@pytest.fixture
def gateway(folder: Path, settings: Settings) -> Settings:
    """The folder with endpoints, and connectors and services behind them."""
    (folder / "config" / "gateway.yaml").write_text(GATEWAY)
    (folder / "config" / "connectors.yaml").write_text(CONNECTORS)
    (folder / "config" / "auto_sync_services.yaml").write_text(SERVICES)
    return settings


def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(load_world(settings))


def tick(settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    sensor = definitions(settings).get_repository_def().get_sensor_def("endpoint_health")
    result = sensor(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def told(result: dg.SensorResult) -> list[tuple[str, Any]]:
    """Of each observation the health it saw, of each check whether it passed."""
    return [
        ("check", event.passed) if isinstance(event, AssetCheckEvaluation) else ("seen", event.metadata["health"].value)
        for event in result.asset_events
    ]


def say(database: Database, health: str, name: str = "orders", error: str | None = None) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO gateway_health (name, version, is_current, health, since, last_error, latency_ms)"
            " VALUES (%(name)s, 'v1', true, %(health)s, now(), %(error)s, 12.3456) ON CONFLICT (name, version)"
            " DO UPDATE SET health = %(health)s, last_error = %(error)s, revision = DEFAULT",
            {"name": name, "health": health, "error": error},
        )


def say_breakers(database: Database, *states: str) -> None:
    with database.connection() as connection:
        connection.execute("DELETE FROM gateway_breakers")
        for number, state in enumerate(states):
            connection.execute(
                "INSERT INTO gateway_breakers VALUES (%s, 'orders', 'v1', %s, 0, NULL, 0, 0)", (str(number), state)
            )


def deps(specs: Iterable[dg.AssetSpec], key: dg.AssetKey) -> list[dg.AssetKey]:
    (spec,) = (spec for spec in specs if spec.key == key)
    return [dep.asset_key for dep in spec.deps]


def test_each_endpoint_is_an_asset_that_nobody_materialises(gateway: Settings) -> None:
    specs = {spec.key: spec for spec in definitions(gateway).resolve_all_asset_specs() if spec.key.path[0] == "gateway"}
    assert specs.keys() == {endpoint_key(name) for name in ("orders", "erp", "parcels")}
    orders = specs[ORDERS]
    assert orders.description == "What was ordered"
    assert orders.metadata["url"].value == "https://orders.example.com"
    assert (orders.metadata["version"], orders.metadata["health_check_path"]) == ("v1, v2", "/health")
    assert not definitions(gateway).get_repository_def().asset_graph.get(ORDERS).is_materializable


def test_tables_and_specs_stand_behind_the_endpoint_that_leads_to_their_source(gateway: Settings) -> None:
    specs = list(definitions(gateway).resolve_all_asset_specs())
    assert deps(specs, catalogue_key("below")) == [endpoint_key("erp")]
    assert deps(specs, catalogue_key("through")) == [ORDERS]
    assert deps(specs, catalogue_key("elsewhere")) == []
    assert deps(specs, spec_key("parcels")) == [endpoint_key("parcels")]
    assert catalogue_key("gateway").path[0] != "gateway", "no connector takes the place of an endpoint"
    assert entity_of(ORDERS) is None


def test_an_endpoint_is_observed_and_checked_whenever_its_health_changes_and_only_then(
    gateway: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    nothing = tick(gateway, instance)
    assert (nothing.asset_events, str(nothing.skip_reason)) == (
        [],
        "SkipReason(skip_message='No endpoint of the gateway is known.')",
    )
    say(database, "healthy")
    first = tick(gateway, instance)
    assert told(first) == [("seen", "healthy"), ("check", True)]
    again = tick(gateway, instance, first.cursor)
    assert told(again) == []
    assert [str(one.skip_reason and one.skip_reason.skip_message) for one in (first, again)] == [
        "Observed: orders.",
        "No endpoint changed.",
    ]
    say(database, "unhealthy", error="it answered 503")
    failed = tick(gateway, instance, again.cursor)
    assert told(failed) == [("seen", "unhealthy"), ("check", False)]
    observation = failed.asset_events[0]
    assert observation.description == "unhealthy: it answered 503"
    assert {name: observation.metadata[name].value for name in ("latency_ms", "last_error", "breaker")} == {
        "latency_ms": 12.346,
        "last_error": "it answered 503",
        "breaker": "no requests",
    }
    say(database, "disabled")
    assert told(tick(gateway, instance, failed.cursor)) == [("seen", "disabled")]


def test_a_breaker_that_opens_anywhere_is_observed_too(
    gateway: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    say(database, "unknown")
    cursor = tick(gateway, instance).cursor
    for states, passed in ((("closed", "open"), False), (("half_open", "closed"), False), (("closed", "closed"), True)):
        say_breakers(database, *states)
        result = tick(gateway, instance, cursor)
        assert told(result) == [("seen", "unknown"), ("check", passed)]
        cursor = result.cursor
    assert result.asset_events[0].description == "unknown; breaker closed in 2 of 2 processes"


def test_dagster_keeps_what_the_sensor_tells(
    gateway: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    say(database, "unhealthy", error="cannot connect")
    for event in tick(gateway, instance).asset_events:
        instance.report_runless_asset_event(event)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
    assert record.status.value == "FAILED"
    (observed,) = instance.fetch_observations(ORDERS, limit=2).records
    assert observed.asset_observation is not None


def test_the_check_can_be_run_and_says_where_nothing_is_known(
    gateway: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    say(database, "healthy")
    job = definitions(gateway).resolve_implicit_global_asset_job_def()
    keys = [CHECK, AssetCheckKey(endpoint_key("erp"), "reachable")]
    result = job.get_subset(asset_check_selection=set(keys)).execute_in_process(instance=instance)
    assert result.success
    evaluations = {one.asset_check_key: one for one in result.get_asset_check_evaluations()}
    assert {key: evaluations[key].passed for key in keys} == {keys[0]: True, keys[1]: False}
    assert evaluations[keys[1]].severity is dg.AssetCheckSeverity.WARN


def test_endpoints_that_were_registered_over_the_api_become_assets_without_a_database_while_loading(
    gateway: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    said = '{"name": "crm", "url": "https://crm.example.com", "version": "v1"}'
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO gateway_endpoints (name, version, origin, said, digest, status, activation, revision)"
            " VALUES ('crm', 'v1', 'api', %s::jsonb, '', 'active', 1, 1)",
            (said,),
        )
    say(database, "healthy", "crm")
    before = load_world(gateway).fingerprint()
    assert told(tick(gateway, instance)) == [], "it is observed once its asset is there"
    assert load_world(gateway).fingerprint() != before, "so that the definitions are loaded anew"
    result = tick(gateway, instance)
    assert [event.asset_key for event in result.asset_events] == 2 * [endpoint_key("crm")]
    (gateway.home / FILE).write_text("half a file")
    assert read_endpoint_state(gateway.home) == ()
    tick(gateway, instance)
    assert [one.name for one in read_endpoint_state(gateway.home)] == ["crm"]
