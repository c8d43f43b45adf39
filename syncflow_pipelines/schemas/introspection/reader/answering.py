"""The process that reads models: it holds the ORM, and forks for each request, so that nothing of one is left for the
next. One line of JSON in, one out; the user's own output goes elsewhere."""

import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from .failure import ModelsFailure

Json = Any

_READERS = {"tortoise": "tortoise_models", "sqlalchemy": "sqlalchemy_models"}
_LIKELY = {
    "tortoise": ("tortoise.contrib.postgres.fields", "tortoise.contrib.postgres.indexes", "tortoise.indexes"),
    "sqlalchemy": (
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.ext.associationproxy",
        "sqlalchemy.ext.asyncio",
        "sqlalchemy.ext.hybrid",
        "sqlalchemy.ext.mutable",
    ),
}
"""What models import beside the ORM: imported once here, and not again by each fork."""
_CHUNK = 1 << 16
# of prctl(2), on Linux
_PARENT_DEATH_SIGNAL = 1
_CHILD_SUBREAPER = 36


def main(kind: str, answers: int) -> None:
    """Answers until its input ends, through that descriptor."""
    os.set_inheritable(answers, False)
    requests = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    # what the user's code starts and leaves stays below this process, where it is found and ended
    _prctl(_CHILD_SUBREAPER, 1)
    reader, problem = _load(kind)
    with os.fdopen(requests, "rb", buffering=0) as lines:
        while line := lines.readline():
            own = (requests, answers)
            answer = _answer(reader, json.loads(line), own) if reader else json.dumps(problem).encode()
            _write(answers, answer + b"\n")


def _load(kind: str) -> tuple[Any, Json]:
    try:
        reader = importlib.import_module(f"{__package__}.{_READERS[kind]}")
    except ImportError as error:
        return None, {"missing": str(error)}
    for name in _LIKELY[kind]:
        with suppress(ImportError):
            importlib.import_module(name)
    return reader, None


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _answer(reader: Any, request: Json, own: tuple[int, int]) -> bytes:
    """What a fork says; instead of that, what became of it. `own` is what the fork has no business with."""
    receiving, sending = os.pipe()
    worker = os.fork()
    if worker == 0:
        for descriptor in (receiving, *own):
            os.close(descriptor)
        _work(reader, request, sending)
    os.close(sending)
    try:
        said, reason = _received(receiving, own[0], request)
    finally:
        os.close(receiving)
        status = _end(worker)
    if reason is None and said.endswith(b"\n"):
        return said[:-1]
    return json.dumps({"ended": reason or f"it ended by itself ({_status(status)})"}).encode()


def _received(receiving: int, requests: int, request: Json) -> tuple[bytes, str | None]:
    ends_at = time.monotonic() + request["timeout_s"]
    said = bytearray()
    poll = select.poll()
    poll.register(receiving, select.POLLIN)
    poll.register(requests, 0)  # its end, which is that of whoever asked
    while True:
        left = ends_at - time.monotonic()
        ready = poll.poll(max(0, left) * 1000)
        if left <= 0 or not ready:
            return b"", f"it took longer than {request['timeout_s']:g} s"
        if any(descriptor == requests for descriptor, _ in ready):
            return b"", "nobody waits for it any more"
        chunk = os.read(receiving, _CHUNK)
        if not chunk:
            return bytes(said), None
        said += chunk
        if len(said) > request["answer_bytes"]:
            return b"", f"what it found has more than {request['answer_bytes']:,} bytes"
        if said.endswith(b"\n"):
            return bytes(said), None


def _end(worker: int) -> int:
    """Ends the fork and whatever it started in its group; the status that it ended with."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)  # where it had not got as far as its own group
    _, status = os.waitpid(worker, 0)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return status


def _status(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else signal.Signals(-code).name


def _work(reader: Any, request: Json, sending: int) -> None:
    """Reads the models and ends the process, whatever threads there are."""
    os.setsid()
    _prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], request["memory_bytes"]))
    try:
        _write(sending, json.dumps(_read(reader, request), allow_nan=False).encode() + b"\n")
    except BaseException as error:  # noqa: BLE001 - nothing of the user's may reach the process that forked
        _write(sending, json.dumps({"error": f"{type(error).__name__}: {error}"[:500], "place": ""}).encode() + b"\n")
    os._exit(0)


def _read(reader: Any, request: Json) -> Json:
    from .failure import failure_of
    from .importing import import_modules, imported_files

    roots = request["roots"]
    try:
        modules = import_modules(request["modules"], request["paths"], roots, request["output"])
        source = reader.read_models(modules, roots)
        return {"source": source, "files": imported_files(roots), "version": reader.VERSION}
    except ModelsFailure as failure:
        return {"error": failure.message, "place": failure.place, "files": imported_files(roots)}
    except MemoryError:
        return {"error": f"reading it took more than {request['memory_bytes']:,} bytes of memory", "place": ""}
    except Exception as error:  # noqa: BLE001 - properties and types of the user's own may raise anything
        found = failure_of(error, roots)
        return {"error": found.message, "place": found.place, "files": imported_files(roots)}


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
