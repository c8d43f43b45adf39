"""Forks a process for every module to look at: one line of JSON in, one out. Started by `examination`.

What the modules print goes to standard error. The forked process is ended when it takes too long, when it has answered,
and when whoever asked is gone.
"""

import gc
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import pydantic
import pydantic.json_schema

from syncflow_pipelines.schemas.examination.module_description import describe_file, describe_text
from syncflow_pipelines.schemas.examination.module_validation import validate_text

Json = Any

_JOBS: Final[Mapping[str, Callable[..., Json]]] = {
    "validate": validate_text,
    "describe_text": describe_text,
    "describe_file": describe_file,
}
_CHUNK: Final = 1 << 16
_REASON_LENGTH: Final = 2_000
_MEMORY_BYTES: Final = 4 << 30
_LOOK_S: Final = 0.2
"""How often it is looked whether the supervisor is still there."""


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _warm_up()
    while line := sys.stdin.buffer.readline():
        task = json.loads(line)
        print(json.dumps(_supervise(task, task.pop("timeout_s"), answers.fileno())), file=answers, flush=True)


def _warm_up() -> None:
    """The first model and the first JSON Schema take longer than all others."""
    pydantic.create_model("Warm", name=(str, ...)).model_json_schema()
    gc.collect()
    gc.freeze()


def _supervise(task: Json, timeout_s: float, answers: int) -> Json:
    readable, writable = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(readable)
        os.close(answers)  # its end tells that the supervisor has ended
        _work(task, writable, timeout_s)
    os.close(writable)
    try:
        answer, is_late = _receive(readable, timeout_s)
    finally:
        os.close(readable)
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or has not begun its session yet
            os.killpg(process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    if answer.endswith(b"\n"):
        return json.loads(answer)
    if is_late:
        return {"ended": f"it took longer than {timeout_s:g} s"}
    return {"ended": f"it ended the process that imported it ({_told(status)})"}


def _work(task: Json, writable: int, timeout_s: float) -> None:
    supervisor = os.getppid()
    os.setsid()
    # should the supervisor be killed, nobody else would end it; the alarm is for code that lets no thread run
    threading.Thread(target=_end_without, args=(supervisor,), daemon=True).start()
    signal.alarm(int(timeout_s) + 5)
    gc.disable()  # it would look at the classes time and again, and they stay to the end
    with suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    try:
        found = _JOBS[task.pop("job")](**task)
    except BaseException as error:  # noqa: BLE001 - the module's code may raise anything
        found = {"ended": f"{type(error).__name__}: {error}"[:_REASON_LENGTH]}
    content = (json.dumps(found) + "\n").encode()
    with suppress(BrokenPipeError):
        while content:
            content = content[os.write(writable, content) :]
    os._exit(0)


def _end_without(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(_LOOK_S)
    os.killpg(0, signal.SIGKILL)


def _receive(readable: int, timeout_s: float) -> tuple[bytes, bool]:
    """The answer, as far as it came, and whether the time was up."""
    answer, ends_at = b"", time.monotonic() + timeout_s
    while not answer.endswith(b"\n"):
        ready, _, _ = select.select([readable, 0], [], [], max(0.0, ends_at - time.monotonic()))
        if readable in ready:
            chunk = os.read(readable, _CHUNK)
            if not chunk:
                return answer, False
            answer += chunk
        elif not ready or 0 in ready:  # nobody waits for the answer any more
            return answer, not ready
    return answer, False


def _told(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {-code}"
