"""Ctrl-C while entities are being synced: they end their transactions, and then the command ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = "Interrupted: nothing of the syncs that had not ended was kept; run the same command again"
_PATIENCE_S = 5.0
"""How long the entities get to stop: a read that hangs in the network cannot be called back."""


@contextmanager
def cancel_on_signal() -> Iterator[Callable[[], bool]]:
    """A function that says whether somebody asked to stop; leaving then raises `SystemExit` with the signal's code.

    The first SIGINT or SIGTERM asks. A second one, or five seconds of waiting, ends the process where
    it stands: PostgreSQL then rolls back what was not committed, and the next command closes the runs.
    """
    asked = _Asked()
    before = {number: signal.signal(number, asked.take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked.number is not None
    finally:
        asked.settle()
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked.number is not None:
        _tell()
        raise SystemExit(128 + asked.number)


def _end(code: int) -> None:
    _tell()
    os._exit(code)


def _tell() -> None:
    # Past Python's own streams, which the code that the signal came into may be in the middle of.
    with suppress(OSError):
        os.write(2, f"{INTERRUPTED}\n".encode())


class _Asked:
    def __init__(self) -> None:
        self.number: int | None = None
        self._watchdog: threading.Timer | None = None

    def take(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            _end(128 + number)
        self.number = number
        self._watchdog = threading.Timer(_PATIENCE_S, _end, (128 + number,))
        self._watchdog.daemon = True
        self._watchdog.start()

    def settle(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
