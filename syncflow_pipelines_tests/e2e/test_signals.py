"""Whatever `syncflow` is at, a signal ends it with the signal's code, without a traceback and without leftovers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.demo.erp import open_erp
from syncflow_pipelines.demo.server import running_source
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="asks /proc whether a process handles signals by now"),
]

STEP_S = 0.6


def test_a_signal_at_any_moment_ends_the_demo_with_its_code_and_leaves_nothing(project: ProjectFolder) -> None:
    # The services' part takes long, and has tests of its own.
    (project.path / "config" / "auto_sync_services.yaml").unlink()
    moments = 0
    while is_interrupted_after(moments * STEP_S, (signal.SIGINT, signal.SIGTERM)[moments % 2], project):
        moments += 1
    assert moments >= 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_a_run_of_dagster_closes_the_record_of_its_sync(
    number: signal.Signals, project: ProjectFolder
) -> None:
    with kept_world(project) as url, open_erp(project.home) as source:
        source.break_entity("items", Fault(status=None, delay_s=60))
        with materialising("erp/items", project, DEMO_ERP_URL=url) as process:
            wait_until(lambda: newest_run(project)["status"] == "running" or process.poll() is not None, "the sync")
            process.send_signal(number)
            assert process.wait(timeout=40) != 0
        # The source still does not answer: the sync gave way, and its record says so already.
        run = newest_run(project)
        source.heal_entity("items")
        assert (run["status"], run["error_details"]) == ("failed", {"type": "SyncCancelled"})
        assert project.syncflow("sync", "erp/items", DEMO_ERP_URL=url).returncode == 0


def newest_run(project: ProjectFolder) -> dict[str, Any]:
    told = project.syncflow("runs", "erp/items", "--json").stdout.splitlines()
    return dict(json.loads(told[0])) if told else {"status": "none"}


@contextmanager
def kept_world(project: ProjectFolder) -> Iterator[str]:
    """The URL of a demo source that was discovered; its PostgreSQL stays for the block, too."""
    assert project.syncflow("db", "start").returncode == 0
    try:
        with running_source(project.home, rows=1000) as url:
            discovered = project.syncflow("discover", DEMO_ERP_URL=url)
            assert discovered.returncode == 0, discovered.stderr
            yield url
    finally:
        assert project.syncflow("db", "stop").returncode == 0


@contextmanager
def materialising(asset: str, project: ProjectFolder, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster asset materialize`, which runs the sync in its own process."""
    what = ("asset", "materialize", "-m", "syncflow_pipelines.definitions", "--select", f'key:"{asset}"')
    with subprocess.Popen(
        [sys.executable, "-m", "dagster", *what], cwd=project.path,
        env=project.environment(DAGSTER_HOME=str(project.path), **environment),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def is_interrupted_after(delay_s: float, number: signal.Signals, project: ProjectFolder) -> bool:
    """Whether the demo still ran after so many seconds, to be ended by the signal as it must."""
    with project.running("demo", "--rows", "1000") as process:
        wait_until(lambda: handles_signals(process), "the demo's first lines")
        if is_ended_within(process, delay_s):
            assert process.returncode == 0, project.stderr()
            return False
        process.send_signal(number)
        code = process.wait(timeout=60)
    was_done = "The tables were compared" in project.stderr()
    assert code in ({128 + number, 0} if was_done else {128 + number}), project.stderr()
    assert "Traceback" not in project.stderr()
    assert "Exception" not in project.stderr()
    assert project.processes() == []
    return True


def handles_signals(process: subprocess.Popen[str]) -> bool:
    """Whether the process has handlers of its own for SIGTERM; true of one that has ended, too."""
    try:
        status = Path("/proc", str(process.pid), "status").read_text()
    except FileNotFoundError:
        return True
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")] or ["ffff"]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def is_ended_within(process: subprocess.Popen[str], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process.poll() is not None
