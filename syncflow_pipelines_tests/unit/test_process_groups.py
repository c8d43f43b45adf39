"""Process groups end with the process that guards them, and are left alone once they were released."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from syncflow_pipelines.process_groups import Guard, living_members

LIMIT_S = 60.0
GUARDING = """
import subprocess, sys
from syncflow_pipelines.process_groups import Guard
group = subprocess.Popen(["sh", "-c", sys.argv[1]], stdout=subprocess.DEVNULL, start_new_session=True)
guard = Guard(group.pid)
print(group.pid, flush=True)
group.wait()
"""
FAMILY = "sleep 600 & sleep 600"


@pytest.fixture
def group() -> Iterator[int]:
    """A group of three processes."""
    with subprocess.Popen(["sh", "-c", FAMILY], start_new_session=True) as leader:
        wait_until(lambda: len(living_members(leader.pid)) == 3, "the group runs")
        yield leader.pid
        os.killpg(leader.pid, signal.SIGKILL)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {LIMIT_S:.0f} s: {what}"
        time.sleep(0.02)


def test_a_guarded_group_ends_when_the_process_that_started_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", GUARDING, FAMILY], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        wait_until(lambda: len(living_members(group)) == 3, "the group runs")
        starter.kill()
        wait_until(lambda: living_members(group) == [], "the group has ended")


def test_a_released_guard_is_gone_and_has_left_the_group_alone(group: int) -> None:
    guard = Guard(group)
    (watcher,) = [
        child for child in psutil.Process().children() if "syncflow_pipelines.process_groups" in child.cmdline()
    ]
    guard.release()
    assert not watcher.is_running()
    assert len(living_members(group)) == 3
