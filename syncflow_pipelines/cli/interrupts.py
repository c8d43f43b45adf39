"""Signals that ask the process to end, whatever it is doing: while it starts, works, syncs, and ends.

One handler stays in place from the first line of `main` to the end of the interpreter; what it does changes with
what the process is at. So no signal meets Python's own handlers, which end in a traceback, or in a process that
died without having stopped what it started.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = "Interrupted: nothing of the syncs that had not ended was kept; run the same command again"
_PATIENCE_S = 10.0
"""How long entities get to stop. They need far less, unless PostgreSQL itself no longer answers."""
_ECHO_S = 0.5
"""So soon after the first, a signal is the same wish once more: `timeout` sends two, a terminal one to everybody."""
_AGAIN_S = 0.1

_Signal = Callable[[int], None]
_Handler = Callable[[int, FrameType | None], object]


class Interrupted(KeyboardInterrupt):
    """Somebody asked the process to end; raised wherever its main thread is."""


def code_of_interruption() -> int:
    """The exit code of a process that was asked to end."""
    return 128 + (_asked.number or signal.SIGINT)


def is_interruption(error: BaseException) -> bool:
    """Whether the error is but another word for `Interrupted`: what it was raised from, or that from what, is one.

    Python 3.11 does so by itself, where a signal comes while a class is made.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Interrupted):
            return True
        cause = cause.__cause__
    return False


def end_on_signals() -> None:
    """From now on a signal ends the process where it stands: it has nothing to put in order yet.

    To be called first. A signal that the process was started to ignore, as `nohup` does, it ignores.
    """
    # The first to register is the last to be called: behind it the interpreter takes its handlers away.
    atexit.register(_ignore_all)
    sys.unraisablehook = _raise_again
    _asked.react = _end
    _take_over()


def raise_on_signals() -> None:
    """From now on a signal raises `Interrupted`, so that every `with` on the way out stops what it started.

    It does so once. Another one ends the process at once, unless it is but an echo of the first.
    """
    _asked.react = _raise


def finish_in_spite_of_signals() -> None:
    """From now on a signal changes nothing: the work is done, and what was started is being stopped."""
    _asked.react = _stay


@contextmanager
def cancel_on_signal() -> Iterator[Callable[[], bool]]:
    """A function that says whether somebody asked to stop; leaving then raises `Interrupted`.

    The first signal asks. A second one, or ten seconds of waiting, ends the process where it stands:
    PostgreSQL then rolls back what was not committed, and the next command closes the runs.
    """
    with _reacting(lambda: None):
        yield lambda: _asked.number is not None
    if _asked.number is not None:
        _tell()
        raise Interrupted


@contextmanager
def call_on_signal(end: Callable[[], None]) -> Iterator[None]:
    """For the block, the first signal calls `end`, which has to bring the block to its end; leaving then raises
    `Interrupted`. A second one, or ten seconds of waiting, ends the process where it stands.
    """
    with _reacting(end):
        yield
    if _asked.number is not None:
        raise Interrupted


@contextmanager
def pass_on_signals(pass_on: Callable[[int], None]) -> Iterator[None]:
    """For the block, every signal is given to `pass_on`, and changes nothing else."""

    def give(number: int, _frame: FrameType | None) -> None:
        pass_on(number)

    before = _take_over(give)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reacting(react: Callable[[], None]) -> Iterator[None]:
    watchdog = threading.Timer(_PATIENCE_S, lambda: _give_up(code_of_interruption()))
    watchdog.daemon = True
    before, react_before = _take_over(), _asked.react

    def take(_number: int) -> None:
        watchdog.start()
        react()

    _asked.react = take
    try:
        yield
    finally:
        watchdog.cancel()
        _asked.react = react_before
        for number, handler in before.items():
            signal.signal(number, handler)


class _Asked:
    """The first signal, and what is done about it."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.react: _Signal = _raise
        self._since_s = 0.0

    def take(self, number: int, _frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self._since_s = number, time.monotonic()
            self.react(number)
        elif time.monotonic() - self._since_s > _ECHO_S:
            _give_up(128 + number)


def _raise(_number: int) -> None:
    raise Interrupted


def _stay(_number: int) -> None:
    return None


def _end(number: int) -> None:
    os._exit(128 + number)


def _give_up(code: int) -> None:
    _tell()
    os._exit(code)


def _tell() -> None:
    # Past Python's own streams, which the code that the signal came into may be in the middle of.
    with suppress(OSError):
        os.write(2, f"{INTERRUPTED}\n".encode())


def _take_over(
    handler: _Handler | None = None,
) -> dict[int, signal.Handlers | _Handler | int | None]:
    """Makes every signal come to `_asked`, or to another handler; the handlers of before."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler or _asked.take) for number in heard}


def _ignore_all() -> None:
    for number in _take_over():
        signal.signal(number, signal.SIG_IGN)


def _raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Where an interruption came into code that cannot pass it on, such as a destructor, it comes once more."""
    if not issubclass(lost.exc_type, Interrupted) or _asked.number is None:
        sys.__unraisablehook__(lost)
        return
    number, _asked.number = _asked.number, None
    threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()


_asked = _Asked()
