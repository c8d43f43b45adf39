"""Files and folders that others change: each is told once it has been quiet for a moment.

Folders are watched rather than files, and every folder on the way, links followed: so a file is followed through
replacement, deletion and new creation, and from before its folder is there. The system's word is not all: whenever
other folders come to be watched, and every minute, what is followed is held against what it looked like before.
"""

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from syncflow_pipelines.files.following import Followed, Follower
from syncflow_pipelines.files.looks import Target, everything
from syncflow_pipelines.files.settling import AT_LAST_S, Settling

__all__ = ["Target", "Watcher", "everything", "ignore"]


AT_LAST_FACTOR: Final = 10


def ignore(_said: str) -> None:
    """Nobody listens."""


class Watcher:
    """Follows files and folders while it is entered, in a thread of its own; one other thread may wait for it.

    `tell` hears, in a sentence, what can only be looked at again and again, and why. What changes without an end is
    told after five seconds, or ten times the debounce where that is longer.
    """

    def __init__(
        self, targets: Mapping[str, Target], *, debounce_ms: int = 500, tell: Callable[[str], None] = ignore
    ) -> None:
        self._settling = Settling(*_seconds(debounce_ms))
        self._followed = Followed()
        self._followed.give(targets)
        self._is_over = False
        self._fault: BaseException | None = None
        self._follower = Follower(self._followed, self._settling.mark, tell, lambda: self._is_over)
        self._thread = threading.Thread(target=self._run, name="syncflow-watching", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether it was stopped."""
        return self._is_over

    def wait(self, timeout_s: float | None = None) -> frozenset[str]:
        """The keys of what changed and has been quiet for the debounce; none on time-out, and after `stop()`.

        A change counts from the making of the watcher on, also where it was undone by now. Raises what `tell` or
        `accepts` raised.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._is_over:
            if self._fault is not None:
                raise self._fault
            settled = self._settling.take() & self._followed.keys()
            if settled or (ends_at is not None and time.monotonic() >= ends_at):
                return settled
            self._settling.sleep(ends_at)
        return frozenset()

    def follow(self, targets: Mapping[str, Target], *, debounce_ms: int | None = None) -> None:
        """Replaces what is followed. Of what is new, changes from now on are told; of what stays, none is lost."""
        if debounce_ms is not None:
            self._settling.debounce_s, self._settling.at_last_s = _seconds(debounce_ms)
        self._followed.give(targets)
        self._settling.keep(targets.keys())

    def stop(self) -> None:
        """Ends it for good. Any thread may call it, and a signal handler."""
        self._is_over = True
        self._settling.wake()

    def _run(self) -> None:
        try:
            self._follower.run()
        except BaseException as fault:  # noqa: BLE001 - it is raised where somebody waits
            self._fault = fault
            self._settling.wake()


def _seconds(debounce_ms: int) -> tuple[float, float]:
    """How long it has to be quiet, and when it is told all the same."""
    return debounce_ms / 1000, max(AT_LAST_S, AT_LAST_FACTOR * debounce_ms / 1000)
