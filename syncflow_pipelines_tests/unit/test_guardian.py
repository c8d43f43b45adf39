"""What a killed process had started is ended by its guardian."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

LIMIT_S = 90.0
PARENT = """
import subprocess, sys, time
from pathlib import Path
from syncflow_pipelines.config import Settings
from syncflow_pipelines.defs.guardian import guardian

with guardian(Settings(Path("config"), Path("home"))) as guard:
    leader = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, stdout=subprocess.PIPE)
    print(leader.stdout.readline().decode().strip(), flush=True)
    guard.guard(leader.pid)
    sys.stdin.read()
print("over", flush=True)
"""
LEADER = """
import os, signal, subprocess, sys, time

child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.pause()"])
print(os.getpid(), child.pid, flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    open("interrupted", "w").close()
"""


def start(folder: Path) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A process with a guardian, and the two processes that it guards."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, LEADER], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert parent.stdout is not None
    guarded = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(guarded) == 2
    return parent, guarded


def wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_the_group_of_a_killed_process_is_interrupted_and_ended_and_so_is_its_guardian(tmp_path: Path) -> None:
    parent, guarded = start(tmp_path)
    with parent:
        guards = [one for one in psutil.Process(parent.pid).children() if one not in guarded]
        assert len(guards) == 1
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: living(guarded + guards) == [])
    assert (tmp_path / "interrupted").exists(), "as Ctrl-C would"


@pytest.mark.slow
def test_after_the_block_nothing_is_guarded_and_where_the_guardian_is_killed_nothing_ends(tmp_path: Path) -> None:
    parent, guarded = start(tmp_path)
    with parent:
        (guard,) = [one for one in psutil.Process(parent.pid).children() if one not in guarded]
        guard.kill()
        assert len(living(guarded)) == 2
        assert parent.communicate(timeout=LIMIT_S)[0] == b"over\n"
    assert len(living(guarded)) == 2
    for one in guarded:
        one.kill()
