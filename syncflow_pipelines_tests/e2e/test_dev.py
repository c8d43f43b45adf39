"""`syncflow dev`, as `make dev` calls it: the UI answers, the daemon syncs, and a signal ends all of it."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from syncflow_pipelines.codegen.manifest import read_manifest
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.defs.spec_changes import GRACE_S
from syncflow_pipelines.demo.erp import ensure_erp
from syncflow_pipelines.demo.mutate import EntityMutation, mutate
from syncflow_pipelines.demo.verification import RowCount, count_rows
from syncflow_pipelines.sync.entities import list_entities
from syncflow_pipelines.sync.runs import list_runs
from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, unused_port, wait_until
from syncflow_pipelines_tests.unit.spec_files import document, save

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 1000
Done = tuple[int, int, int]
OFTEN = {"DEFAULT_SYNC_INTERVAL_SECONDS": "5"}


def test_the_daemon_follows_the_source_until_ctrl_c_which_leaves_nothing(project: ProjectFolder) -> None:
    ensure_erp(project.home, ROWS)
    port = unused_port()
    with project.running("dev", "--port", str(port), **OFTEN) as dev:
        wait_until(lambda: ui_answers(port, dev), "the UI answers")
        assert f"Dagster's UI will be at http://127.0.0.1:{port}" in project.stderr()
        with database_of(project) as database:
            wait_until(lambda: is_synced(database), "the daemon has synced every entity")
            before = done_in_all(database)
            after = {change.entity: plus(before[change.entity], change) for change in mutate(project.home, 0.05)}
            wait_until(lambda: done_in_all(database) == after, f"the tables have followed: {after}")
            assert all(count.at_source == count.in_table for count in counts(database, project))
        dev.send_signal(signal.SIGINT)
        assert dev.wait(timeout=90) == 0
    assert project.processes() == []


def test_without_the_demo_source_a_taken_port_of_the_ui_is_told(project: ProjectFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = project.syncflow("dev", "--no-demo", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "The demo source answers" not in done.stderr
    assert project.processes() == []


def test_where_dagster_is_not_set_up_nothing_is_started(project: ProjectFolder) -> None:
    (project.path / "dagster.yaml").unlink()
    done = project.syncflow("dev")
    assert (done.returncode, "there is no dagster.yaml" in done.stderr) == (2, True)
    assert not project.home.exists()


def test_killed_it_leaves_neither_dagster_nor_companions_nor_postgresql(project: ProjectFolder) -> None:
    (project.path / "config" / "connectors.yaml").write_text("connectors: []\n")
    (project.path / "config" / "auto_sync_services.yaml").write_text(NOTES)
    save(project.path / "notes.json", document())
    port = unused_port()
    with project.running("dev", "--no-demo", "--port", str(port)) as dev:
        wait_until(lambda: ui_answers(port, dev), "the UI answers")
        running = "\n".join(project.processes())
        assert all(name in running for name in ("dagster", "specs watch", "postgres")), running
        dev.send_signal(signal.SIGKILL)
        dev.wait()
    wait_until(lambda: project.processes() == [], "everything has ended")
    assert list(project.path.glob(".tmp_dagster_home*")) == []


def ui_answers(port: int, dev: subprocess.Popen[str]) -> bool:
    assert dev.poll() is None, "syncflow dev has ended"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def database_of(project: ProjectFolder) -> Iterator[Database]:
    """The project's database, reached by its URL, so that this process has no part in its running."""
    url = project.syncflow("db", "url").stdout.strip()
    settings = Settings(config_dir=project.path / "config", home=project.home, database_url=url)
    with open_database(settings) as database:
        yield database


def is_synced(database: Database) -> bool:
    with database.connection() as connection:
        entities = list_entities(connection)
    return bool(entities) and all(entity.last_sync_status == "success" for entity in entities)


def counts(database: Database, project: ProjectFolder) -> tuple[RowCount, ...]:
    with database.connection() as connection:
        return count_rows(database, project.home, list_entities(connection))


def done_in_all(database: Database) -> dict[str, Done]:
    """How many rows all syncs of each entity inserted, updated and deleted, by slug."""
    with database.connection() as connection:
        runs = {
            entity.spec.slug: list_runs(connection, entity=entity.key, limit=1000)
            for entity in list_entities(connection)
        }
    return {
        slug: (sum(run.inserted for run in some), sum(run.updated for run in some), sum(run.deleted for run in some))
        for slug, some in runs.items()
    }


def plus(before: Done, change: EntityMutation) -> Done:
    inserted, updated, deleted = before
    return inserted + len(change.inserted), updated + len(change.updated), deleted + len(change.deleted)


ASK = """
import json
import sys
from pathlib import Path

import dagster as dg

from syncflow_pipelines.defs.names import mcp_server_key, spec_key
from syncflow_pipelines.defs.spec_changes import materialised
from syncflow_pipelines.defs.spec_checks import BREAKING_CHANGES

spec, server = spec_key("notes"), mcp_server_key("notes")
with dg.DagsterInstance.from_config(str(Path.cwd())) as instance:
    found = materialised(instance, [spec, server])
    states = {state.instigator_name: state.instigator_data for state in instance.all_instigator_state()}
    sensor = states.get("openapi_spec_changes")
    check = dg.AssetCheckKey(spec, BREAKING_CHANGES)
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
    print(json.dumps({
        "checksums": [found.get(key, "").partition(" ")[0] for key in (spec, server)],
        "ticked_at": (sensor and sensor.last_tick_timestamp) or 0,
        "runs": [run.job_name for run in instance.get_runs() if "openapi" in run.job_name],
        "checks": [record.status.value for record in checks.values()],
    }))
"""
NOTES = """
services:
  - {name: notes, base_url: 'http://127.0.0.1:9', openapi_path: notes.json, components: [mcp]}
settings: {watch_interval: 5, output_dir: specs, generated_dir: generated}
"""


def test_a_spec_file_is_in_the_code_and_in_dagster_at_once_and_no_run_is_asked_for(project: ProjectFolder) -> None:
    (project.path / "config" / "connectors.yaml").write_text("connectors: []\n")
    (project.path / "config" / "auto_sync_services.yaml").write_text(NOTES)
    save(project.path / "notes.json", document())
    port = unused_port()
    with project.running("dev", "--no-demo", "--port", str(port)) as dev:
        wait_until(lambda: ui_answers(port, dev), "the UI answers")
        wait_until(lambda: has_tools(project, 1), "the first generation")
        save(project.path / "notes.json", document("added"))
        changed_at = time.time()
        wait_until(lambda: has_tools(project, 2), "the change is in the code")
        checksum = json.loads((project.path / ".openapi_checksums.json").read_text())["notes"]["checksum"]
        wait_until(lambda: asked(project)["checksums"] == [checksum] * 2, "the change is in Dagster")
        wait_until(lambda: asked(project)["ticked_at"] > changed_at + GRACE_S, "the sensor has looked at it")
        seen = asked(project)
        assert seen["checks"] == ["SUCCEEDED"]
        assert seen["runs"] == []
        dev.send_signal(signal.SIGINT)
        assert dev.wait(timeout=90) == 0
    assert project.processes() == []


def has_tools(project: ProjectFolder, count: int) -> bool:
    entry = read_manifest(project.path / "generated").services.get("notes")
    return entry is not None and entry.sizes is not None and entry.sizes.tools == count


def asked(project: ProjectFolder) -> dict[str, Any]:
    """What Dagster's instance holds of the service, asked in a process of the project's folder."""
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=project.path, env=project.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))
