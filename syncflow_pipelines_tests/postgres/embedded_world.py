"""Processes that come and go around one embedded server, and what to ask of it from outside."""

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

import syncflow_pipelines
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database.embedded.locks import is_locked
from syncflow_pipelines.database.embedded.place import Place

CHECKOUT = Path(syncflow_pipelines.__file__).parents[1]
CHILD = "syncflow_pipelines_tests.postgres.embedded_child"
PATIENCE_S = 60.0


class Refused(Exception):
    """The child was told a SyncFlow error."""


class Child:
    """A process of its own on a home, as this user or another; killed at the end if it still lives."""

    def __init__(self, home: Path, user: str | None = None, **popen: Any) -> None:
        arguments = as_user(user) if user else {}
        self.process = subprocess.Popen(
            [interpreter(user), "-m", CHILD, home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *filter(None, sys.path)])},
            **arguments,
            **popen,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, order: str) -> Any:
        """Gives an order and waits for the reply. Raises `Refused` with the error's sentence."""
        self.send(order)
        return self.reply()

    def send(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()

    def reply(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the child ended with {self.process.wait()}"
        reply = json.loads(line)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["reply"]

    def leave(self) -> int:
        """Lets the process end in order, and tells its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def settings_of(home: Path) -> Settings:
    return Settings(config_dir=home / "config", home=home)


def is_running(home: Path) -> bool:
    return is_locked(Place.of(home).server_lock)


def postmaster(home: Path) -> psutil.Process:
    """The server's main process."""
    return psutil.Process(int(Place.of(home).postmaster_pid.read_text().split("\n")[0]))


def kill_server(home: Path) -> None:
    """Kills the server's main process as the kernel would, and waits for the others to notice."""
    postmaster(home).kill()
    eventually(lambda: not is_running(home))


def eventually(fact: Callable[[], bool]) -> None:
    """Waits until it is so; fails after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def as_user(name: str) -> dict[str, Any]:
    """Arguments of `Popen` for a program as that user. Skips the test where this process is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can start programs as other users")
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@cache
def interpreter(user: str | None) -> str:
    """A Python with our packages that the user can run. Skips the test where there is none."""
    if user is None:
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if _works(candidate, user):
            return candidate
    pytest.skip(f"{user} cannot run this Python")


def _works(candidate: str, user: str) -> bool:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *filter(None, sys.path)])}
    command = [candidate, "-c", f"import {CHILD}"]
    try:
        return not subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, **as_user(user)
        ).returncode
    except OSError:
        return False
