"""File locks by `flock`: the kernel frees them however their holder ends.

A lock belongs to the open file, not to the process: a child that inherits the file inherits the lock.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncflow_pipelines.database.embedded.account import Account
from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)

PAUSE_S = 0.02
QUIET_S = 5.0
"""How long a person waits without being told for what."""


def open_lock(path: Path, account: Account) -> int:
    """A new file descriptor of the lock file, not inherited by programs; the file is made if need be."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        account.own(path)
        return descriptor


def try_shared(descriptor: int) -> bool:
    """Takes the lock together with others, unless somebody holds it alone."""
    return _try(descriptor, fcntl.LOCK_SH)


def try_exclusive(descriptor: int) -> bool:
    """Takes the lock alone; a shared lock held through the same descriptor is lost if that fails."""
    return _try(descriptor, fcntl.LOCK_EX)


@contextmanager
def exclusive(path: Path, account: Account, limit_s: float) -> Iterator[None]:
    """The lock, held alone. Raises `DatabaseError` after `limit_s`."""
    descriptor = open_lock(path, account)
    try:
        wait_exclusive(descriptor, path, limit_s)
        yield
    finally:
        os.close(descriptor)


def wait_exclusive(descriptor: int, path: Path, limit_s: float) -> None:
    """Takes the lock alone as soon as it is free. Raises `DatabaseError` after `limit_s`."""
    started = time.monotonic()
    told = False
    while not try_exclusive(descriptor):
        waited_s = time.monotonic() - started
        if waited_s > limit_s:
            raise DatabaseError(
                f"Another process has held {path} for {limit_s:.0f} s while it starts or stops PostgreSQL; "
                "look for a hanging syncflow or dagster process and end it."
            )
        if waited_s > QUIET_S and not told:
            told = True
            log.warning("Waiting for another process that starts or stops PostgreSQL (%s).", path)
        time.sleep(PAUSE_S)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock alone; looking is in nobody's way for more than a moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_shared(descriptor)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
