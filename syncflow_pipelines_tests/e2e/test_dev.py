"""`syncflow dev`, as `make dev` calls it: the UI answers, the daemon syncs, and a signal ends all of it."""

import http.client
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.demo.erp import ensure_erp
from syncflow_pipelines.demo.mutate import EntityMutation, mutate
from syncflow_pipelines.demo.verification import RowCount, count_rows
from syncflow_pipelines.sync.entities import list_entities
from syncflow_pipelines.sync.runs import list_runs
from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, unused_port, wait_until

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
