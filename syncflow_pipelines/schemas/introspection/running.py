"""Reads models in processes of their own, which may hang, crash, print and die without anybody noticing.

A process that holds the ORM is kept, and forks for each request; what it says is checked before it is used.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import psutil

from syncflow_pipelines.errors import ConfigurationError, ModelsError
from syncflow_pipelines.schemas.introspection.places import ModelsKind, ModelsPlace, models_place
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.secrets import SECRET_NAMES, keep_secrets

TIMEOUT_S: Final = 30.0
MEMORY_BYTES: Final = 4 << 30
ANSWER_BYTES: Final = 64 << 20

_START_S: Final = 60.0
"""How long the process may take to import the ORM, on a machine that has much to do."""
_CHUNK: Final = 1 << 16
_READER: Final = Path(str(files("syncflow_pipelines.schemas.introspection"))) / "reader"
_PROGRAM: Final = """
import importlib.util, sys
if sys.version_info < (3, 11):
    sys.exit("it is Python %d.%d, and 3.11 or later is needed" % sys.version_info[:2])
folder, kind, answers = sys.argv[1:]
sys.argv[1:] = []
spec = importlib.util.spec_from_file_location(
    "_syncflow_reader", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
from _syncflow_reader.answering import main
main(kind, int(answers))
"""
_PACKAGES: Final = {"tortoise": "tortoise-orm", "sqlalchemy": "sqlalchemy"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of somebody's models."""

    source: SchemaSource
    files: tuple[Path, ...]
    """Every file of theirs that was imported, anywhere but `output`; for `source_digest`."""
    orm_version: str


class _Answer(msgspec.Struct, frozen=True):
    source: SchemaSource | None = None
    files: tuple[str, ...] = ()
    version: str = ""
    error: str = ""
    place: str = ""
    ended: str = ""
    missing: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)


class Introspector:
    """Reads models of one ORM, again and again; the process behind it starts with the first request.

    One thread at a time. `python` is the interpreter of the project that the models are from, where that has the ORM
    and what they import; otherwise our own.
    """

    def __init__(
        self,
        kind: ModelsKind,
        *,
        python: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        secret_names: Sequence[str] = SECRET_NAMES,
    ) -> None:
        self._kind = kind
        self._python = python
        self._limits = {"timeout_s": timeout_s, "memory_bytes": memory_bytes, "answer_bytes": ANSWER_BYTES}
        self._secret_names = tuple(secret_names)
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, and all that models have started; the next request starts it anew."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def read(self, models_path: Path, *, python_path: Sequence[Path] = (), output: Path | None = None) -> Reading:
        """The models of that package, folder or file, as their files are now.

        `output` is the module that their schemas go to. Where they import that themselves, by way of an application,
        what is not there yet is no mistake.

        Raises `ModelsError` naming file and line where they cannot be read, and `ConfigurationError` where there are
        none, or no ORM to read them with.
        """
        place = models_place(models_path, python_path)
        answer = self._ask(place, [place.root, *(path.absolute() for path in python_path)], output)
        if answer.missing:
            raise ConfigurationError(self._missing(answer.missing))
        if answer.ended:
            raise ModelsError(f"the models in {models_path} cannot be read: {answer.ended}; see what they do at import")
        if answer.source is None:
            raise ModelsError(f"{answer.place or models_path}: {answer.error}; mend the models, the old schemas stand")
        source = keep_secrets(answer.source, self._secret_names)
        return Reading(source, tuple(file for file in map(Path, answer.files) if file != output), answer.version)

    def _ask(self, place: ModelsPlace, paths: Sequence[Path], output: Path | None) -> _Answer:
        roots = list(dict.fromkeys(str(path) for path in paths))
        files = dict(zip(place.modules, map(str, place.files), strict=True))
        written = None if output is None else str(output)
        request = {"modules": files, "paths": roots, "roots": roots, "output": written, **self._limits}
        if self._child is None:
            self._child = _Child(self._program())
        try:
            line = self._child.ask(json.dumps(request).encode(), _START_S + self._limits["timeout_s"])
            answer = _ANSWER.decode(line)
        except BaseException:
            self.close()
            raise
        if answer.ended:
            self._child.end_leftovers()
        return answer

    def _program(self) -> list[str]:
        if self._python is not None and not self._python.is_file():
            raise ConfigurationError(f"{self._python} does not exist; name the interpreter that the models run under")
        return [str(self._python or sys.executable), "-P", "-c", _PROGRAM, str(_READER), self._kind]

    def _missing(self, reason: str) -> str:
        package = _PACKAGES[self._kind]
        if self._python is not None:
            return f"{self._python} cannot import {package} ({reason}); install it there"
        extra = f"; pip install 'syncflow-pipelines[{self._kind}]'" if self._kind == "tortoise" else "; install it"
        return f"{package} cannot be imported ({reason}){extra}"


def introspect(
    kind: ModelsKind,
    models_path: Path,
    *,
    python_path: Sequence[Path] = (),
    python: Path | None = None,
    timeout_s: float = TIMEOUT_S,
    secret_names: Sequence[str] = SECRET_NAMES,
) -> SchemaSource:
    """The models of that package, folder or file, read once; as `Introspector.read`."""
    with Introspector(kind, python=python, timeout_s=timeout_s, secret_names=secret_names) as introspector:
        return introspector.read(models_path, python_path=python_path).source


class _Child:
    """The process that holds the ORM."""

    def __init__(self, program: list[str]) -> None:
        # not standard output, to which an interpreter may write before anything of ours runs
        self._answers, sending = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*program, str(sending)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=(sending,),
            )
        except BaseException:
            os.close(self._answers)
            raise
        finally:
            os.close(sending)
        self._said: deque[bytes] = deque(maxlen=4)

    def ask(self, request: bytes, timeout_s: float) -> bytes:
        """The line that it answers. Raises `ModelsError` where it ends or says nothing in time."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(request + b"\n")
        line = self._line(time.monotonic() + timeout_s)
        if line is None:
            raise ModelsError(f"the process that reads models did not answer: {self._last_words()}; run it again")
        return line

    def end_leftovers(self) -> None:
        """Ends what models have started and left, also where it has left their group."""
        for process in self._descendants():
            with suppress(psutil.Error):
                process.kill()

    def end(self) -> None:
        leftovers = self._descendants()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in leftovers:
            with suppress(psutil.Error):
                process.kill()
        self._process.wait()
        os.close(self._answers)
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()

    def _descendants(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def _line(self, ends_at: float) -> bytes | None:
        """What it answers, while its other output is read and forgotten; None where it ends or time does."""
        assert self._process.stderr is not None
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        poll.register(self._process.stderr, select.POLLIN)
        answer = bytearray()
        while (left := ends_at - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                if descriptor == self._process.stderr.fileno():
                    self._listen(poll)
                    continue
                chunk = os.read(self._answers, _CHUNK)
                if not chunk:
                    return None
                answer += chunk
                if chunk.endswith(b"\n"):
                    return bytes(answer)
        return None

    def _listen(self, poll: "select.poll") -> None:
        assert self._process.stderr is not None
        chunk = self._process.stderr.read(_CHUNK)
        if chunk:
            self._said.append(chunk)
        else:
            poll.unregister(self._process.stderr)

    def _last_words(self) -> str:
        words: Any = b"".join(self._said).decode("utf-8", "replace").split()
        return " ".join(words)[-300:] or "it said nothing"
