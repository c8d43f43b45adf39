"""The document of an app that is named by its import path, asked in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from syncflow_pipelines.errors import ConfigurationError, SyncflowError
from syncflow_pipelines.openapi.exporting import application_child
from syncflow_pipelines.openapi.model import Json

IMPORT_S: Final = 60.0
"""How long an app may take to be imported."""
IMPORT_PATH: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*(?:\(\))?")
"""`module:name`, or `module:name()` for a function that makes the app."""

_GRACE_S: Final = 5.0


class AppFailed(SyncflowError):
    """The app could not be imported, or tells no document."""


def document_of_app(target: str, folder: Path, *, python: str = sys.executable, patience_s: float = IMPORT_S) -> Json:
    """The OpenAPI document of the app `module:name`, whose module is looked for in the folder first.

    The app is imported by `python` in a process of its own, whose output goes to stderr and which has ended when this
    returns, whatever the app started. Raises `AppFailed` with the file and the line of the app where that is known.
    """
    with tempfile.TemporaryDirectory(prefix="syncflow-") as scratch:
        result = Path(scratch, "result.json")
        code = _run(
            [python, str(application_child.__file__), target, str(folder), str(result), f"{patience_s:g}"], patience_s
        )
        told = _result(result)
    if told is None:
        raise AppFailed(f"{target}: importing it ended the process ({_ending(code)}); nothing may end it at import")
    if "document" in told:
        return told["document"]
    raise AppFailed(_sentence(target, told))


def _run(command: list[str], patience_s: float) -> int | None:
    """The exit code; None where it had to be killed."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, process_group=0)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"{command[0]} cannot be run ({reason}); name a Python by --python") from error
    try:
        return child.wait(patience_s + _GRACE_S)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _result(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _ending(code: int | None) -> str:
    if code is None:
        return "it was killed, since it did not end"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _sentence(target: str, told: dict[str, Any]) -> str:
    place = f" at {told['file']}:{told['line']}" if told.get("file") else ""
    remedy = "mend it there" if place else "mend the app, or its name"
    if told.get("slow"):
        remedy = "start nothing at import, or give it more by --timeout"
    return f"{target}: {told['error']}{place}; {remedy}"
