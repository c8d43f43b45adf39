"""What `/metrics` says is what the tables say, whatever becomes of processes and of the history."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from syncflow_pipelines.api import metric_families
from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.api.metrics import Metrics
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens, Role, new_api_token
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.sync.runs import purge_runs
from syncflow_pipelines_tests.postgres.scraping import Scrape, scrape
from syncflow_pipelines_tests.postgres.test_alerts import stand_endpoint
from syncflow_pipelines_tests.postgres.world import World, row

ITEMS = {"connector": "erp", "entity": "items"}


@pytest.fixture
def metrics(settings: Settings) -> Iterator[Metrics]:
    with closing(Metrics(settings)) as made:
        yield made


@pytest.fixture
def synced(world: World) -> World:
    """An entity `items` of three rows, which was synced twice."""
    world.offer("items")
    world.store.insert("items", [row(number) for number in range(3)])
    world.discover()
    world.sync("items")
    world.sync("items")
    return world


def fail(world: World, slug: str = "items") -> None:
    world.store.break_entity(slug, Fault(404))
    assert world.sync(slug).status == "failed"


def test_syncs_records_and_errors_are_counted_by_entity_and_strategy(synced: World, metrics: Metrics) -> None:
    fail(synced)
    found = scrape(metrics)
    assert found.value("syncflow_syncs_total", **ITEMS, strategy="rowversion", status="success") == 2
    assert found.value("syncflow_syncs_total", **ITEMS, strategy="rowversion", status="failed") == 1
    assert found.value("syncflow_sync_errors_total", **ITEMS, error_type="EntityGone") == 1
    assert found.value("syncflow_records_total", **ITEMS, kind="inserted") == 3
    assert found.value("syncflow_records_total", **ITEMS, kind="rejected") == 0
    assert found.value("syncflow_entity_consecutive_failures", **ITEMS) == 1
    assert found.value("syncflow_entity_live_rows", **ITEMS) == 3


def test_durations_and_latencies_are_histograms_whose_sum_is_what_was_measured(synced: World, metrics: Metrics) -> None:
    found = scrape(metrics)
    labels = {"connector": "erp", "strategy": "rowversion"}
    assert found.value("syncflow_sync_seconds_bucket", **labels, le="+Inf") == 2
    assert found.value("syncflow_sync_seconds_count", **labels) == 2
    assert found.value("syncflow_entity_sync_seconds_count", **ITEMS, strategy="rowversion") == 2
    ((spent,),) = synced.query("SELECT sum(extract(epoch FROM completed_at - started_at))::float8 FROM sync_runs")
    assert found.value("syncflow_sync_seconds_sum", **labels) == pytest.approx(spent)
    ((requests,),) = synced.query("SELECT sum((details ->> 'pages')::int) FROM sync_runs")
    assert found.value("syncflow_source_request_seconds_count", connector="erp") == requests


def test_what_was_counted_outlives_the_history_and_the_process(synced: World, settings: Settings) -> None:
    fail(synced)
    with closing(Metrics(settings)) as before:
        first = scrape(before)
    synced.query("UPDATE sync_runs SET completed_at = completed_at - interval '400 days' RETURNING 1")
    with synced.database.connection() as connection:
        assert purge_runs(connection, 30) > 0
    with closing(Metrics(settings)) as after:
        second = scrape(after)
    counted = {key: value for key, value in first.samples.items() if key[0].startswith("syncflow_") and
               key[0].endswith(("_total", "_count", "_bucket"))}  # fmt: skip
    assert {key: second.samples[key] for key in counted} == counted


def test_a_failed_request_is_counted_and_its_source_is_down(synced: World, metrics: Metrics) -> None:
    assert scrape(metrics).value("syncflow_source_up", connector="erp") == 1
    synced.connector = replace(synced.connector, base_url="http://127.0.0.1:9")
    assert synced.sync("items").error_type == "SourceUnreachable"
    found = scrape(metrics)
    assert found.value("syncflow_source_up", connector="erp") == 0
    assert (found.value("syncflow_source_requests_failed_total", connector="erp") or 0) >= 1


def test_a_sync_that_postgresql_refused_is_counted_with_its_requests(synced: World, metrics: Metrics) -> None:
    before = scrape(metrics).value("syncflow_source_request_seconds_count", connector="erp") or 0
    with synced.database.connection() as connection:
        connection.execute("ALTER TABLE erp.items ADD CONSTRAINT few CHECK (number < 3)")
    synced.store.insert("items", [row(7)])
    assert synced.sync("items").status == "failed"
    found = scrape(metrics)
    assert found.value("syncflow_syncs_total", **ITEMS, strategy="rowversion", status="failed") == 1
    assert (found.value("syncflow_source_request_seconds_count", connector="erp") or 0) > before


def test_entities_beyond_the_bound_share_series_and_their_number_is_told(
    synced: World, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slug in ("orders", "sites"):
        synced.offer(slug)
    synced.discover()
    synced.sync("orders")
    synced.sync("sites")
    monkeypatch.setattr(metric_families, "MOST_ENTITIES", 1)
    found = scrape(metrics)
    assert found.value("syncflow_entities_without_series") == 2
    others = {"connector": "erp", "entity": "_other", "strategy": "rowversion", "status": "success"}
    assert found.value("syncflow_syncs_total", **others) == 2
    assert found.value("syncflow_entity_live_rows", connector="erp", entity="sites") is None


def test_without_the_database_the_process_tells_that_it_is_down(settings: Settings) -> None:
    away = replace(settings, database_url="postgresql://nobody@127.0.0.1:9/nowhere")
    with closing(Metrics(away)) as metrics:
        found = scrape(metrics)
        assert found.value("syncflow_database_up") == 0
        assert found.value("process_start_time_seconds")
        assert not {name for name in found.names() if name.startswith("syncflow_entity")}
        metrics._settings = settings
        assert scrape(metrics).value("syncflow_database_up") == 1


def test_a_connection_that_was_lost_is_made_anew(metrics: Metrics, database: Database) -> None:
    assert scrape(metrics).value("syncflow_database_up") == 1
    with database.connection() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'syncflow metrics' AND datname = current_database()"
        )
    assert scrape(metrics).value("syncflow_database_up") == 1


def test_scrapes_that_come_at_once_ask_the_database_once(metrics: Metrics, database: Database) -> None:
    scrape(metrics)
    with database.connection() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS later")
    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda _: metrics.exposition("")[0].decode(), range(16)))
    assert len({Scrape.of(text).value("syncflow_scrape_seconds") for text in texts}) == 1


def test_a_pool_without_connections_is_told_by_every_process(database: Database, metrics: Metrics) -> None:
    small = Database(database.url, database.schema, max_connections=1, timeout_s=0.05)
    with closing(small), small.connection():
        in_use = scrape(metrics)
        with pytest.raises(DatabaseError, match="all 1"), small.connection():
            pass
    assert in_use.value("syncflow_pool_connections", state="in_use") == 1
    found = scrape(metrics)
    assert found.value("syncflow_pool_exhausted_total") == 1
    assert (found.value("syncflow_database_connections", application="syncflow metrics") or 0) >= 1
    assert (found.value("syncflow_database_connections_limit") or 0) > 1


def test_endpoints_of_the_gateway_are_shown_with_the_worst_of_their_breakers(world: World, metrics: Metrics) -> None:
    stand_endpoint(world)
    found = scrape(metrics)
    crm = {"endpoint": "crm", "version": "v1"}
    assert found.value("syncflow_endpoint_health", **crm, health="unhealthy") == 1
    assert found.value("syncflow_endpoint_check_seconds", **crm) == 0.012
    assert found.value("syncflow_breaker_state", **crm) == 2
    assert found.value("syncflow_breaker_refused", **crm) == 4


def test_the_route_answers_in_either_format_whoever_may_read(settings: Settings) -> None:
    token, reader = new_api_token("prometheus", Role.READ)
    with TestClient(create_application(settings, ApiTokens((reader,)))) as client:
        assert client.get("/metrics").status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        plain = client.get("/metrics")
        assert plain.headers["content-type"].startswith("text/plain")
        assert Scrape.of(plain.text).value("syncflow_database_up") == 1
        opened = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert opened.headers["content-type"].startswith("application/openmetrics-text")
        assert opened.text.endswith("# EOF\n")
        odd = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=abc"})
        assert (odd.status_code, odd.headers["content-type"].split(";")[0]) == (200, "text/plain")
