"""One writer at a time, among all processes and threads: a lock on a file or a folder."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from syncflow_pipelines.errors import SyncCancelled, SyncflowError
from syncflow_pipelines.files.replacing import unwritable

PATIENCE_S: Final = 60.0
"""How long others may hold a lock; they do so for moments."""

_PAUSE_S: Final = 0.02
_SILENT_S: Final = 5.0
"""A longer wait is logged."""

_LOG = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, cancelled: Callable[[], bool] = lambda: False, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Holds the lock of that file or folder alone, among all processes and threads.

    A file is made if need be, and left there. Raises `SyncCancelled`, `SyncflowError` where others hold it for longer
    than `patience_s`, and `ConfigurationError` where it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
        descriptor = os.open(path, kind | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        _wait(descriptor, path, cancelled, patience_s)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, cancelled: Callable[[], bool], patience_s: float) -> None:
    started_at = time.monotonic()
    is_told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        if cancelled():
            raise SyncCancelled(f"stopped while another process held {path}")
        waited_s = time.monotonic() - started_at
        if waited_s > patience_s:
            raise SyncflowError(
                f"{_holder(descriptor)} has held {path} for {patience_s:g} s; end it, or try again later"
            )
        if waited_s > _SILENT_S and not is_told:
            _LOG.info("waiting for %s, which holds %s", _holder(descriptor), path)
            is_told = True
        time.sleep(_PAUSE_S)


def _holder(descriptor: int) -> str:
    """Who holds the lock, as far as the system tells."""
    found = os.fstat(descriptor)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        held = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:  # not on Linux
        held = []
    numbers = [words[4] for words in held if len(words) > 5 and words[1] == "FLOCK" and words[5] == place]
    if str(os.getpid()) in numbers:
        return "this process itself"
    return f"process {numbers[0]}" if numbers else "another process"


_LOCKS: Final = Path("/proc/locks")
