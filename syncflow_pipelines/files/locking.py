"""One writer at a time, among all processes and threads: a lock on a file."""

import fcntl
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


@contextmanager
def locked(path: Path, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Holds the lock of that file alone, among all processes and threads; it is made if need be, and left there.

    Raises `SyncCancelled`, `SyncflowError` where others hold it for a minute, and `ConfigurationError` where it cannot
    be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        _wait(descriptor, path, cancelled)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, cancelled: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        if cancelled():
            raise SyncCancelled(f"stopped while another process held {path}")
        if time.monotonic() > ends_at:
            raise SyncflowError(f"another process has held {path} for {PATIENCE_S:g} s; end it, or try again later")
        time.sleep(_PAUSE_S)
