"""New modules are imported and listed in a child process before anybody else does."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from syncflow_pipelines.codegen.verification_child import WARM
from syncflow_pipelines.errors import GenerationFailed, SyncCancelled

Json = Any

TIMEOUT_S = 120.0
"""For one service; GitHub's takes 4 s on an idle machine."""
_ROOT = Path(__file__).parents[2]
_START = """
import sys
sys.path.insert(0, sys.argv[1])
from syncflow_pipelines.codegen.verification_child import main
main()
"""
_SHOWN_LINES = 5
_LOOK_S = 0.2
"""How long a wait goes on without a look at whether it was cancelled."""


def never() -> bool:
    """Nobody cancels."""
    return False


class Verifier:
    """The child process, started when it is needed, and anew after it was killed."""

    def __init__(self, timeout_s: float = TIMEOUT_S, cancelled: Callable[[], bool] = never) -> None:
        self._timeout_s = timeout_s
        self._cancelled = cancelled
        self._child: _Child | None = None

    def warm_up(self) -> None:
        """Starts the child, which imports by itself what modules need, so that the next examination is quick."""
        if self._child is None or not self._child.is_alive:
            self._end()
            self._child = _Child(is_warm=True)

    def kept(self) -> AbstractContextManager["Verifier"]:
        """Itself, for a generation that leaves the child running for the next one."""
        return nullcontext(self)

    @property
    def child_pid(self) -> int | None:
        """The child's process; None where it has not been needed."""
        return self._child.pid if self._child is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def examine(self, parent: Path, package: str, mcp: str | None, resolver: str | None) -> Mapping[str, Json]:
        """`tools` and `list_bytes` of the MCP server, if there is one.

        Raises `GenerationFailed` where a module cannot be imported or used, or takes too long, and `SyncCancelled`.
        """
        task = {"parent": str(parent), "package": package, "mcp": mcp, "resolver": resolver}
        if self._child is None or not self._child.is_alive:
            self._end()
            self._child = _Child()
        try:
            answer = self._child.ask(task, self._timeout_s, self._cancelled)
        except queue.Empty:
            self._end()
            raise GenerationFailed(
                f"the generated modules took longer than {self._timeout_s:g} s to import; leave operations out of them"
            ) from None
        if answer is None:
            told = self._child.last_words()
            self._end()
            raise GenerationFailed(f"the generated modules ended the process that imported them: {told}")
        if "error" in answer:
            raise GenerationFailed(f"the generated modules do not work: {answer['error']}")
        return dict(answer)

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    def __init__(self, *, is_warm: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(_ROOT), *([WARM] if is_warm else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=_SHOWN_LINES)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=self._read_answers, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._said.extend, args=(self._process.stderr,), daemon=True),
        )
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, task: Json, timeout_s: float, cancelled: Callable[[], bool]) -> Json:
        """The answer; None where the process has ended.

        Raises `queue.Empty` where none comes in time, and `SyncCancelled`.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        line = self._answer(time.monotonic() + timeout_s, cancelled)
        return None if line is None else json.loads(line)

    def _answer(self, ends_at: float, cancelled: Callable[[], bool]) -> str | None:
        while True:
            try:
                return self._answers.get(timeout=_LOOK_S)
            except queue.Empty:
                if cancelled():
                    raise SyncCancelled("stopped while generated modules were tried; the old ones stand") from None
                if time.monotonic() > ends_at:
                    raise

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self._readers[1].join(5)
        return " ".join(" ".join(self._said).split()) or "it said nothing"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read_answers(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._answers.put(line)
        self._answers.put(None)
