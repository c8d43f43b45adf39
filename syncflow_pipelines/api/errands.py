"""What is done after an answer, such as telling Dagster: on threads of its own, since whoever is told may take long."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from syncflow_pipelines.errors import SyncflowError

_LOG: Final = logging.getLogger(__name__)
Errand = Callable[[], object]


class Errands:
    """Errands that nobody waits for, not even the end of the process. `most`: how many may wait to be begun."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        self._name, self._number = name, threads
        self._waiting: queue.Queue[Errand] = queue.Queue(most)
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def add(self, errand: Errand) -> bool:
        """Has it done soon. False where that many wait already, or no more are done: it is not done then."""
        try:
            self._waiting.put_nowait(errand)
        except queue.Full:
            return False
        with self._guard:
            if not self._is_closed and len(self._threads) < self._number:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
            return not self._is_closed

    def close(self) -> None:
        """Begins no more; what is under way is left to itself."""
        with self._guard:
            self._is_closed, threads = True, len(self._threads)
        for _ in range(threads):
            self.add(_nothing)  # for those that wait; where there is no room, none does

    def _work(self) -> None:
        while True:
            errand = self._waiting.get()
            if self._is_closed:
                return
            try:
                errand()
            except SyncflowError as error:
                _LOG.info("%s: what was to be done after an answer is left to Dagster: %s", self._name, error)
            except Exception:  # noqa: BLE001 - the thread is for the errands after it, too
                _LOG.exception("%s: an errand failed", self._name)


def _nothing() -> None:
    return None
