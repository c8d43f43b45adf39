"""Several processes that accept from one socket: started, kept alive, told of signals, and ended together."""

import logging
import multiprocessing
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from os import getpid, kill
from time import monotonic
from types import FrameType
from typing import Final

Work = Callable[[list[socket.socket]], None]

_QUICKLY_S: Final = 5.0
"""A process that ends sooner did not get to serve anything: another would not either."""
_LOG = logging.getLogger(__name__)


def supervise(work: Work, listener: socket.socket, number: int) -> None:
    """Runs `work` in so many processes until SIGINT or SIGTERM; returns when all have ended.

    One that ends by itself is started anew. SIGHUP is passed on to all. Raises `RuntimeError` where one ends before it
    could serve anything.
    """
    team = _Team(work, listener, number)
    before = {number: signal.signal(number, team.hear) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        team.run()
    finally:
        team.end()
        for heard, handler in before.items():
            signal.signal(heard, handler)


class _Team:
    def __init__(self, work: Work, listener: socket.socket, number: int) -> None:
        multiprocessing.allow_connection_pickling()
        self._context = multiprocessing.get_context("spawn")
        self._work, self._listener, self._number = work, listener, number
        self._started: dict[SpawnProcess, float] = {}
        self._ending = False

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """A second SIGTERM cuts what is in flight, and so each is passed on once."""
        if number in (signal.SIGINT, signal.SIGTERM):
            self._ending = True
        self._pass_on(signal.SIGTERM if number == signal.SIGINT else number)

    def run(self) -> None:
        while not self._ending:
            while len(self._started) < self._number and not self._ending:
                self._start()
            wait([process.sentinel for process in self._started], timeout=0.5)
            self._bury()

    def end(self) -> None:
        if not self._ending:
            self.hear(signal.SIGTERM, None)
        for process in self._started:
            process.join()

    def _start(self) -> None:
        process = self._context.Process(target=_begin, args=(self._work, self._listener), name="syncflow-gateway")
        with sighup_blocked():
            process.start()
        was_ending = self._ending
        self._started[process] = monotonic()
        if was_ending:  # the signal came before it could be told
            process.terminate()

    def _bury(self) -> None:
        for process in [one for one in self._started if one.exitcode is not None]:
            lived_s = monotonic() - self._started.pop(process)
            if self._ending:
                continue
            if lived_s < _QUICKLY_S and process.exitcode != -signal.SIGKILL:
                raise RuntimeError(f"a process of the gateway did not start (exit code {process.exitcode})")
            _LOG.error("A process of the gateway ended (exit code %s); another takes its place", process.exitcode)

    def _pass_on(self, number: int) -> None:
        for process in list(self._started):
            with suppress(ProcessLookupError):
                if process.pid is not None and process.exitcode is None:
                    kill(process.pid, number)


@contextmanager
def sighup_blocked() -> Iterator[None]:
    """A process that is started meanwhile hears SIGHUP only once it can read its configuration anew: `Gateway.open`
    unblocks it. Before that, it would be the end of the process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def end_with_parent() -> None:
    """Has this process drain and end once the one that started it is gone, however that went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent.join,), name="syncflow-parent", daemon=True).start()


def _outlive(parent_ends: Callable[[], None]) -> None:
    parent_ends()
    kill(getpid(), signal.SIGTERM)


def _begin(work: Work, listener: socket.socket) -> None:
    # Until the server takes it: Ctrl-C comes to all of a terminal's processes, and the first of them tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with suppress(KeyboardInterrupt):
        work([listener])
