"""Children that are measured from before they start until after they have ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
_KEPT = ("PATH", "LANG", "HOME", "TMPDIR")
_SHOWN_CHARACTERS = 3000


class ChildFailed(Exception):
    """A measured process ended badly, so that there is nothing to tell of it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that ended well."""

    seconds: float
    """From before it was started until it had ended: interpreter and imports included."""
    cpu_s: float
    """Its own, its ended children's included; not PostgreSQL's."""
    report: dict[str, Any]
    """The JSON object that it printed last."""


def child_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child inherits: little, so that nobody's settings change the figures."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **(more or {})}


def run_python(module: str, request: Mapping[str, Any], environment: Mapping[str, str]) -> Measured:
    """`python -m module REQUEST`, the request as JSON. Raises `ChildFailed`."""
    return run_measured([sys.executable, "-m", module, json.dumps(request)], environment)


def run_measured(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Runs the command, whose last line of output is a JSON object. Raises `ChildFailed`."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        with process.stdout as stream:
            output = stream.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            _end(process)
    if process.returncode != 0:
        raise ChildFailed(f"{' '.join(command[:-1])} ended with {process.returncode}: {output[-_SHOWN_CHARACTERS:]}")
    return Measured(seconds, used.ru_utime + used.ru_stime, json.loads(output.strip().rpartition("\n")[2]))


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends the process and all that it started: they are a session of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        process.wait()
