"""The examples of `docs/exporting-specs.md`, as they stand there."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, REPOSITORY, ProjectFolder, wait_until

GUIDE = (REPOSITORY / "docs" / "exporting-specs.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", GUIDE, re.MULTILINE))
PROGRAMS = {
    "syncflow": [sys.executable, "-m", "syncflow_pipelines.cli"],
    "uvicorn": [sys.executable, "-m", "uvicorn"],
    "python": [sys.executable],
}
"""What the guide's programs are here."""
CHANGE_AGAIN_S = 15.0


def files_of(section: str) -> dict[str, str]:
    """The files that a section shows, by their names."""
    return dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL))


def commands_of(section: str) -> list[str]:
    """The lines that a section shows to be typed."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return [line for language, block in blocks if not language for line in block.splitlines()]


@dataclass(frozen=True)
class GuideProject:
    """A folder in which the guide is followed."""

    folder: ProjectFolder

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def spec(self) -> Path:
        return self.path / "openapi.json"

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def paths(self) -> list[str]:
        """The paths of the exported document; none where there is none."""
        return list(self.document()["paths"])

    def document(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.spec.read_bytes()))
        except FileNotFoundError:
            return {"paths": {}}

    def command(self, line: str, *changes: tuple[str, str]) -> list[str]:
        """A line of the guide as a list, with a port or a path changed; what it starts is found where it is here."""
        for old, new in changes:
            assert old in line, line
            line = line.replace(old, new)
        words = shlex.split(line)
        return [part for word in words for part in PROGRAMS.get(word, [word])]

    def run(self, line: str, *changes: tuple[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Follows a line of the guide to its end; it has to succeed."""
        ended = subprocess.run(
            self.command(line, *changes), cwd=self.path, env=self.folder.environment(**environment),
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended

    @contextmanager
    def running(self, line: str, *changes: tuple[str, str], **environment: str) -> Iterator["RunningExample"]:
        """A line of the guide that runs; killed if it has not ended by the end of the block."""
        output = self.path.parent / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                self.command(line, *changes), cwd=self.path, env=self.folder.environment(**environment),
                stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        try:
            yield RunningExample(self, process, output)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class RunningExample:
    project: GuideProject
    process: subprocess.Popen[bytes]
    output: Path

    def wait_for(self, *paths: str) -> None:
        """Until the document has these paths, and no others."""
        wanted = list(paths)
        wait_until(
            lambda: self.project.paths() == wanted or self.process.poll() is not None, f"{wanted} in the document"
        )
        assert self.project.paths() == wanted, self.output.read_text()

    def wait_for_change(self, change: Callable[[], None], *paths: str) -> None:
        """As `wait_for`, once `change` was made; again and again, for those who look for changes now and then only."""
        deadline, changed_at = time.monotonic() + LIMIT_S, 0.0
        while self.project.paths() != list(paths):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            if time.monotonic() - changed_at > CHANGE_AGAIN_S:
                change()
                changed_at = time.monotonic()
            time.sleep(0.1)

    def wait_for_all(self, *paths: str) -> None:
        """The same, in whatever order."""
        wait_until(lambda: {*self.project.paths()} == {*paths} or self.process.poll() is not None, f"all of {paths}")
        assert {*self.project.paths()} == {*paths}, self.output.read_text()

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.output.read_text() or self.process.poll() is not None, text)
        assert text in self.output.read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def signal_group(self, number: signal.Signals) -> None:
        """As a terminal does: to the process and all that it started."""
        os.killpg(self.process.pid, number)
