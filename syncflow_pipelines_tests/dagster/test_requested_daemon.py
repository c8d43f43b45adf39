"""The admin API beside `dagster dev`: a connector that is registered over it, and syncs that are asked for."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.storage.tags import SENSOR_NAME_TAG

from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.config.sealed_secrets import VARIABLE, new_secret_key
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.claims import CLAIM_TAG
from syncflow_pipelines_tests.dagster.project import Project
from syncflow_pipelines_tests.dagster.test_defs_daemon import dagster_dev, processes_in, wait_until
from syncflow_pipelines_tests.postgres.admin_api import TOKENS, serving_api
from syncflow_pipelines_tests.postgres.world import TOKEN, row

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def reachable(project: Project, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a project whose webserver has a port of its own, and whose own connector is not enabled."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("SYNCFLOW_DAGSTER_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv(VARIABLE, new_secret_key())
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    enabled: false\n")
    project.offer("items", rows=40)
    return load_settings()


@contextmanager
def apis(settings: Settings) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """An API that reaches Dagster's webserver, and one that does not."""
    with serving_api(settings, TOKENS) as near, serving_api(replace(settings, dagster_url=NOWHERE), TOKENS) as far:
        yield near, far


def ended(client: httpx.Client, run: str) -> Callable[[], bool]:
    return lambda: client.get(f"/runs/{run}").json()["completed_at"] is not None


def asked(client: httpx.Client, path: str, **more: Any) -> str:
    answer = client.post(path, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["uid"])


@pytest.mark.timeout(600)
def test_what_is_asked_for_over_http_is_run_by_dagster_once(
    project: Project, reachable: Settings, instance: dg.DagsterInstance
) -> None:
    with dagster_dev(project.path) as dev, apis(reachable) as (near, far):
        body = {
            "name": "crm",
            "base_url": project.world.connector.base_url,
            "auth": {"type": "bearer", "token": TOKEN},
            "sync_interval_seconds": 86400,
            "page_size": 5,
            "concurrency": 1,
        }
        uid = near.post("/connectors", json=body).json()["uid"]
        assert near.post(f"/connectors/{uid}/discover").json()["added"] == ["items"]
        entity = near.get("/entities").json()["items"][0]["uid"]
        wait_until(lambda: _is_synced(project), "a new connector is loaded, and synced as it is due")

        at_once = asked(near, f"/entities/{entity}/sync")
        wait_until(ended(near, at_once), "the webserver has a sync run at once")
        run = near.get(f"/runs/{at_once}").json()
        assert (run["status"], run["trigger"]) == ("success", "api")
        assert run["dagster_url"] == f"{reachable.dagster_url}/runs/{run['dagster_run_id']}"
        assert httpx.get(run["dagster_url"], trust_env=False).status_code == 200

        by_sensor = asked(far, f"/entities/{entity}/full-refresh")
        wait_until(ended(far, by_sensor), "without the webserver, the sensor has it run")
        assert far.get(f"/runs/{by_sensor}").json()["records_fetched"] == 40

        project.world.store.insert("items", [row(number) for number in range(100, 200)])
        project.world.store.break_entity("items", Fault(status=None, delay_s=0.5))
        slow = asked(near, f"/entities/{entity}/full-refresh")
        wait_until(lambda: (near.get(f"/runs/{slow}").json()["progress"] or {}).get("rows"), "a run tells its rows")
        cancelled_at = time.monotonic()
        assert near.post(f"/runs/{slow}/cancel").status_code == 202
        wait_until(ended(near, slow), "a cancelled run ends")
        assert time.monotonic() - cancelled_at < 5
        assert near.get(f"/runs/{slow}").json()["error_details"] == {"type": "SyncCancelled"}
        project.world.store.heal_entity("items")

        runs = project.world.query("SELECT uid::text FROM sync_runs WHERE trigger = 'api'")
        assert {one for (one,) in runs} == {at_once, by_sensor, slow}
        tags = {run.tags[CLAIM_TAG]: run.tags for run in instance.get_runs() if CLAIM_TAG in run.tags}
        begun = dict(project.world.query("SELECT uid::text, claim::text FROM sync_runs WHERE claim IS NOT NULL"))
        assert {run: SENSOR_NAME_TAG in tags[claim] for run, claim in begun.items()} == {
            at_once: False, by_sensor: True, slow: False
        }  # fmt: skip

        dev.send_signal(signal.SIGINT)
        assert dev.wait(120) == 0
    assert processes_in(project.path) == []


def _is_synced(project: Project) -> bool:
    return project.world.query("SELECT 1 FROM entities WHERE last_sync_status = 'success'") != []
