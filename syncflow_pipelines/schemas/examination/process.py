"""Modules are looked at in a child process: it forks for each one, so that none meets what another has left behind."""

import json
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from syncflow_pipelines.errors import GenerationFailed

Json = Any

TIMEOUT_S: Final = 120.0
"""For one module; a thousand entities take 6 s, GitHub's components 20 s."""
_GRACE_S: Final = 15.0
"""Beyond the time-out of a module, which the child process keeps itself."""
_ROOT: Final = Path(__file__).parents[3]
_START: Final = """
import sys
sys.path.insert(0, sys.argv[1])
from syncflow_pipelines.schemas.examination.child import main
main()
"""
_SHOWN_LINES: Final = 5


class Examiner:
    """The child process: started at once, so that it is warm when it is needed, and anew after it has ended.

    Threads may share one; they wait for each other.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._child: _Child | None = _Child()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child process; using the examiner again starts another one."""
        with self._lock:
            self._end()

    def ask(self, task: Mapping[str, Json]) -> Mapping[str, Json]:
        """What was found. Where the module ended its process or took too long, `ended` says so in a sentence.

        Raises `GenerationFailed` where there is no child process to ask.
        """
        with self._lock:
            if self._child is None:
                self._child = _Child()
            try:
                answer = self._child.ask({"timeout_s": self._timeout_s, **task}, self._timeout_s + _GRACE_S)
            except queue.Empty:
                answer = None
            except BaseException:
                self._end()
                raise
            if answer is None:
                told = self._child.last_words()
                self._end()
                raise GenerationFailed(f"the process that examines schemas has ended, so that none can be: {told}")
            return dict(answer)

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    def __init__(self) -> None:
        # -B: nothing is written beside modules of a user
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-P", "-c", _START, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for the parent, which then ends it
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

    def ask(self, task: Json, timeout_s: float) -> Json:
        """The answer; None where the process has ended. Raises `queue.Empty` where none comes in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        line = self._answers.get(timeout=timeout_s)
        return None if line is None else json.loads(line)

    def last_words(self) -> str:
        """The end of what it wrote to standard error, should it have ended."""
        self._readers[1].join(1)
        return " ".join(" ".join(list(self._said)).split()) or "it said nothing"

    def end(self) -> None:
        """Ends it: at the end of its input it ends what it has forked, too."""
        assert self._process.stdin is not None
        with suppress(OSError):  # what it no longer reads cannot be flushed
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read_answers(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._answers.put(line)
        self._answers.put(None)
