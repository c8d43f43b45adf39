"""`dagster dev` with its daemon, from a fresh folder: discovery, syncs, retries, a killed worker, and a clean end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.workers import NOBODY, WORKER_TAG
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.dagster.project import Project
from syncflow_pipelines_tests.postgres.world import row

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LIMIT_S = 180.0
RUN_DEV = """
import sys
from syncflow_pipelines.config import load_settings
from syncflow_pipelines.defs.launch import run_dev
sys.exit(run_dev(load_settings()))
"""


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {LIMIT_S:.0f} s: {what}"
        time.sleep(0.2)


@contextmanager
def dagster_dev(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`run_dev` as a script in the background would start it: with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with (folder / "dev.log").open("wb") as log:
            command = [sys.executable, "-c", RUN_DEV]
            dev = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with dev:
        try:
            yield dev
        finally:
            for process in processes_in(folder):
                process.kill()


def processes_in(folder: Path) -> list[psutil.Process]:
    """What runs in the folder, this process left out."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _is_in(process, folder)]


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def follows(project: Project, *slugs: str) -> Callable[[], bool]:
    """Whether the tables are there and hold what the source holds."""

    def equal() -> bool:
        known = {slug for (slug,) in project.world.query("SELECT slug FROM entities WHERE last_sync_at IS NOT NULL")}
        return set(slugs) <= known and all(project.world.live(slug) == project.world.expected(slug) for slug in slugs)

    return equal


def retries(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs() if "dagster/retry_number" in run.tags]


def working_pid(instance: dg.DagsterInstance, slug: str) -> int | None:
    """The process of a run that syncs the entity now."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        worker = run.tags.get(WORKER_TAG, NOBODY)
        if worker != NOBODY and entity_key("erp", slug) in (run.asset_selection or ()):
            return int(worker.rpartition(":")[2])
    return None


@pytest.mark.timeout(900)
def test_the_daemon_discovers_syncs_and_retries_and_leaves_nothing_behind(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNCFLOW_DAGSTER_URL")
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + "    sync_interval_seconds: 5\n")
    project.offer("items", "orders", "sites")
    with dagster_dev(project.path) as dev:
        wait_until(follows(project, "items", "orders", "sites"), "what was never discovered is discovered and synced")

        project.world.store.insert("items", [row(number) for number in range(100, 120)])
        project.world.store.update("items", [row(3, label="changed")])
        project.world.store.delete("items", [("A", 4)])
        wait_until(follows(project, "items"), "the table follows the source")

        project.offer("late")
        wait_until(follows(project, "late"), "a new entity is discovered, becomes an asset and is synced")

        project.world.store.break_entity("orders", Fault(500))
        wait_until(lambda: len(retries(instance)) >= 2, "the daemon retries")
        assert all(run.asset_selection == {entity_key("erp", "orders")} for run in retries(instance))
        project.world.store.heal_entity("orders")

        project.world.store.break_entity("sites", Fault(status=None, delay_s=20.0))
        wait_until(lambda: working_pid(instance, "sites"), "sites is being synced")
        os.kill(working_pid(instance, "sites") or 0, signal.SIGKILL)
        project.world.store.heal_entity("sites")
        project.world.store.insert("sites", [row(500)])
        wait_until(follows(project, "items", "orders", "sites", "late"), "everything follows again")
        open_syncs = "SELECT count(*) FROM sync_runs WHERE status = 'running' AND started_at < now() - interval '1 min'"
        assert project.world.query(open_syncs) == [(0,)]

        dev.send_signal(signal.SIGINT)
        assert dev.wait(120) == 0
    assert processes_in(project.path) == []
