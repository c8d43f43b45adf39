"""A backend that is started for the time that it is followed, in a process group of its own."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.process_groups import Guard, living_members

DEFAULT_PORT: Final = 8000

_PORT: Final = re.compile(r"(?:^|\s)(?:--port[= ]|-p[= ]?|PORT=|runserver )(\d{1,5})(?=[\s:]|$)")
_ADDRESS: Final = re.compile(r"(?:^|[\s=/])(?:[\w.-]+|\[[0-9a-f:]+\])?:(\d{2,5})(?=[\s/]|$)")
_PATIENCE_S: Final = 10.0
"""How long a backend may take to end once it was asked to."""
_LOOK_S: Final = 0.05


class CannotStart(SyncflowError):
    """The command of a backend cannot be run."""


def shell_command(line: str, variables: Mapping[str, str]) -> list[str]:
    """The command that has a line run by the shell, with those variables beside the ones that are there."""
    return ["env", *(f"{name}={value}" for name, value in variables.items()), "sh", "-c", line]


def is_taken(url: str) -> bool:
    """Whether something listens at the port of a URL of this machine already."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost"):
        return False
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass(slots=True)
class BackendProcess:
    """A backend, and all that it starts: none of it is left once `wait` has returned, or this process was killed.

    Signals may be passed on at any time, from a handler as well, even before it has started.
    """

    command: Sequence[str]
    folder: Path | None = None
    """Where it runs; None: where this process does."""
    output: int | None = None
    """A descriptor for its standard output; None: that of this process."""
    _process: subprocess.Popen[bytes] | None = None
    _guard: Guard | None = None
    _passed_on: list[int] = field(default_factory=list)
    _asked: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Raises `CannotStart`."""
        # a group that is not the terminal's would be stopped as soon as it read from there
        stdin = subprocess.DEVNULL if sys.stdin is None or sys.stdin.isatty() else None
        try:
            self._process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=stdin, stdout=self.output, process_group=0
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CannotStart(
                f"{shlex.join(self.command)} cannot be started ({reason}); mend the command, or its folder"
            ) from error
        self._guard = Guard(self._process.pid)
        for number in self._passed_on:
            self._send(number)

    def pass_on(self, number: int) -> None:
        """Sends a signal to all that the backend consists of."""
        self._passed_on.append(number)
        self._asked.set()
        self._send(number)

    @property
    def is_asked_to_end(self) -> bool:
        return self._asked.is_set()

    def wait(self) -> int:
        """The exit code, 128 and its number for a signal, once nothing of the backend runs any more.

        One that was asked to end and does not within ten seconds is killed.
        """
        assert self._process is not None, "it was started"
        ends_at = None
        while (code := self._process.poll()) is None:
            if ends_at is None and self._asked.is_set():
                ends_at = time.monotonic() + _PATIENCE_S
            if ends_at is not None and time.monotonic() > ends_at:
                self._send(signal.SIGKILL)
            time.sleep(_LOOK_S)
        self._end_the_rest()
        if self._guard is not None:
            self._guard.release()
        return code if code >= 0 else 128 - code

    def end(self) -> None:
        """Ends what still runs, for whoever does not get as far as `wait`."""
        if self._process is not None and self._process.poll() is None:
            self.pass_on(signal.SIGTERM)
            self.wait()

    def _end_the_rest(self) -> None:
        """Ends what the backend's first process has left behind; what was asked to end gets the time to."""
        for number in (0, signal.SIGTERM, signal.SIGKILL)[not self._asked.is_set() :]:
            if not self._send(number):
                return
            ends_at = time.monotonic() + _PATIENCE_S
            while self._is_left() and time.monotonic() < ends_at:
                time.sleep(_LOOK_S)

    def _is_left(self) -> bool:
        """Whether anything of the group runs; what has ended and waits for its parent to notice does not."""
        assert self._process is not None, "it was started"
        return bool(living_members(self._process.pid))

    def _send(self, number: int) -> bool:
        """Whether there was anybody to send it to."""
        if self._process is None:
            return False
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS refuses what is but a zombie
            return False
        return True


def port_in(command: str) -> int | None:
    """The port that a command line names: `--port 8001`, `-p 8001`, `PORT=8001`, `0.0.0.0:8001`, `runserver 8001`."""
    match = _PORT.search(command) or _ADDRESS.search(command)
    port = int(match[1]) if match else 0
    return port if 0 < port < 65_536 else None
