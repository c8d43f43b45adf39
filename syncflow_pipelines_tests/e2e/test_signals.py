"""Whatever `syncflow` is at, a signal ends it with the signal's code, without a traceback and without leftovers."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="asks /proc whether a process handles signals by now"),
]

STEP_S = 0.6


def test_a_signal_at_any_moment_ends_the_demo_with_its_code_and_leaves_nothing(project: ProjectFolder) -> None:
    moments = 0
    while is_interrupted_after(moments * STEP_S, (signal.SIGINT, signal.SIGTERM)[moments % 2], project):
        moments += 1
    assert moments >= 3


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
