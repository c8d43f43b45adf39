"""A fresh folder with the project's own configuration, in which `syncflow` runs as a person would run it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[2]
SHIPPED = ("config", "dagster.yaml", "workspace.yaml")
LIMIT_S = 240.0
"""Far more than anything takes, for machines that are busy with something else."""


@dataclass(frozen=True)
class ProjectFolder:
    """The folder, and the commands that run in it."""

    path: Path

    @property
    def home(self) -> Path:
        return self.path / ".syncflow"

    def environment(self, **given: str) -> dict[str, str]:
        """This process's environment, without what would lead SyncFlow or Dagster elsewhere."""
        said = {name: value for name, value in os.environ.items() if not name.startswith(_LEADS_ELSEWHERE)}
        return {**said, "PYTHONPATH": str(REPOSITORY), **given}

    def syncflow(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self._command(arguments), cwd=self.path, env=self.environment(**environment),
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs; killed if it has not ended by the end of the block. Its stderr is in `stderr`."""
        with open(self.path / "stderr", "w") as errors:
            process = subprocess.Popen(
                self._command(arguments), cwd=self.path, env=self.environment(**environment),
                stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
            )  # fmt: skip
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def stderr(self) -> str:
        return (self.path / "stderr").read_text()

    def processes(self) -> list[str]:
        """What still runs of all that was started in the folder, by its working folder or its arguments."""
        return [told for process in psutil.process_iter() if (told := _told(process, str(self.path)))]

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "syncflow_pipelines.cli", *arguments]


_LEADS_ELSEWHERE = ("SYNCFLOW_", "DAGSTER_", "POSTGRES_", "DEMO_", "DEFAULT_", "LOG_", "MAX_PAGE", "SYNC_WORKER")


def make_project(path: Path) -> ProjectFolder:
    """The folder with what the repository ships."""
    path.mkdir()
    for name in SHIPPED:
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, path / name)
    return ProjectFolder(path)


def wait_until(holds: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Returns once `holds()` is true; fails where it is not within the limit."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.1)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _told(process: psutil.Process, folder: str) -> str:
    try:
        command = " ".join(process.cmdline())
        return f"{process.pid}: {command}" if folder in command or process.cwd().startswith(folder) else ""
    except psutil.Error:
        return ""
