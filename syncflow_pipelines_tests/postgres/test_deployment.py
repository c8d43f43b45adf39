"""Every query of the rules and of the dashboard finds something in real metrics, asked by Prometheus."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
import yaml

from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.config import AlertsConfig, Rule
from syncflow_pipelines.config.api_tokens import ApiTokens
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.subscriptions import register
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.events.alerts.evaluation import evaluate
from syncflow_pipelines_tests.postgres.test_alerts import stand_endpoint
from syncflow_pipelines_tests.postgres.world import World, row

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "syncflow.json").read_text())
TOO_LONG_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.deploy,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Prometheus: apt-get install prometheus"),
]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that is running."""

    url: str

    def find(self, query: str) -> list[Any]:
        """What the query finds now. Raises where it is no PromQL."""
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': query})}") as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/api/v1/rules") as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[Prometheus]:
    """A server of the test's own that scrapes the targets every second, with our rules."""
    scraping = {"job_name": "syncflow", "static_configs": [{"targets": targets}]}
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [scraping],
        "rule_files": [str(RULES)],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.wait()


def break_everything(world: World) -> None:
    """A world in which every rule finds something: one entity fails, one was rejected, and so on."""
    for slug in ("items", "orders"):
        world.offer(slug)
        world.store.insert(slug, [row(number) for number in range(3)])
    world.discover()
    world.sync("items")
    world.sync("orders")
    world.store.insert("orders", [row(9, label="x" * 50)])
    with world.database.connection() as connection:
        connection.execute("ALTER TABLE erp.orders ALTER label TYPE varchar(40)")
        register(connection, "test", (), from_beginning=True)
    assert world.sync("orders").counts.rejected == 1
    world.query("UPDATE sync_runs SET started_at = started_at - interval '11 minutes' RETURNING 1")
    world.query("UPDATE entities SET last_sync_at = now() - interval '1 day' RETURNING 1")
    world.store.break_entity("items", Fault(404))
    for _ in range(2):
        world.sync("items")
    world.connector = replace(world.connector, base_url="http://127.0.0.1:9")
    world.sync("items")
    _break_the_rest(world)


def _break_the_rest(world: World) -> None:
    world.query(
        "INSERT INTO specs (service, checksum, operations, fetched_at, changed_at) "
        "VALUES ('crm', 'a', 3, now(), now()) RETURNING 1"
    )
    world.query(
        "WITH newest AS (INSERT INTO spec_versions (service, checksum, contract, form, document) "
        "VALUES ('crm', 'a', 'a', '', '') RETURNING id) "
        "INSERT INTO spec_verdicts (version, service, contract, is_accepted) SELECT id, 'crm', 'a', false FROM newest "
        "RETURNING 1"
    )
    stand_endpoint(world)
    world.query("UPDATE events SET seq = id RETURNING 1")
    world.query(
        "INSERT INTO event_troubles (subscriber, seq, subject, attempts, parked_at) "
        "SELECT 'test', min(seq), 'erp/items', 3, now() FROM events RETURNING 1"
    )
    observed = {Rule.RUN_FAILED: [("retention", "it failed")], Rule.ASSET_STALE: [("erp/items", "it is stale")]}
    evaluate(world.database, AlertsConfig(), observed)


def exhaust_pool(database: Database) -> None:
    small = Database(database.url, database.schema, max_connections=1, timeout_s=0.05)
    with closing(small), small.connection(), suppress(DatabaseError), small.connection():
        pass


def eventually(query: str, server: Prometheus) -> list[Any]:
    """What the query finds, as soon as it finds anything."""
    deadline = time.monotonic() + TOO_LONG_S
    while True:
        with suppress(OSError):
            if found := server.find(query):
                return found
        if time.monotonic() > deadline:
            pytest.fail(f"Prometheus finds nothing: {query}")
        time.sleep(0.2)


def dashboard_queries() -> dict[str, str]:
    """The queries of the dashboard, by panel, as Grafana sends them for every connector."""
    queries = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    }
    return {name: expr.replace("$__rate_interval", "1m").replace("$connector", ".*") for name, expr in queries.items()}


def test_every_query_of_the_rules_and_of_the_dashboard_finds_something(world: World, tmp_path: Path) -> None:
    break_everything(world)
    with ExitStack() as stack:
        away = replace(world.settings, database_url="postgresql://nobody@127.0.0.1:9/nowhere")
        served = [
            stack.enter_context(serve_in_thread(create_application(settings, ApiTokens()), has_lifespan=True))
            for settings in (world.settings, away)
        ]
        targets = [*(urlsplit(url).netloc for url in served), "127.0.0.1:9"]
        server = stack.enter_context(prometheus(tmp_path, targets))
        eventually('syncflow_database_up{instance="' + targets[0] + '"} == 1', server)
        exhaust_pool(world.database)
        world.query("UPDATE sync_totals SET runs = runs + 1, duration_counts[3] = duration_counts[3] + 1 RETURNING 1")
        eventually("increase(syncflow_pool_exhausted_total[5m]) > 0", server)
        rules = server.rules()
        assert {rule["name"]: rule["health"] for rule in rules if rule["health"] == "err"} == {}
        written = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
        assert [rule["name"] for rule in rules] == [rule["alert"] for rule in written]
        for rule in written:
            assert eventually(rule["expr"], server), rule["alert"]
        for query in dashboard_queries().values():
            eventually(query, server)


def test_every_rule_of_alerts_yaml_is_one_of_prometheus() -> None:
    named = re.findall(r'rule(?:: |=")(\w+)', RULES.read_text())
    assert set(named) == set(Rule)
