"""Changes that are held back until there were none for a while."""

import queue
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Final

AT_LAST_S: Final = 5.0
"""What does not become quiet is told after that."""


class Settling:
    """Keys of what has changed. One thread waits for them; any may mark some."""

    def __init__(self, debounce_s: float, at_last_s: float = AT_LAST_S) -> None:
        self.debounce_s = debounce_s
        self.at_last_s = at_last_s
        self._lock = threading.Lock()
        self._spans: dict[str, tuple[float, float]] = {}
        # its put() may be called by a signal handler, whatever the thread is at
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()

    def mark(self, key: str) -> None:
        """It has changed just now."""
        now = time.monotonic()
        with self._lock:
            is_new = key not in self._spans
            self._spans[key] = (self._spans.get(key, (now, now))[0], now)
        if is_new:
            self.wake()

    def take(self) -> frozenset[str]:
        """Those that have been quiet for long enough; they are forgotten."""
        now = time.monotonic()
        with self._lock:
            settled = frozenset(key for key, span in self._spans.items() if self._settles_at(span) <= now)
            for key in settled:
                del self._spans[key]
        return settled

    def keep(self, keys: Collection[str]) -> None:
        """Forgets all but these."""
        with self._lock:
            self._spans = {key: span for key, span in self._spans.items() if key in keys}

    def sleep(self, until: float | None) -> None:
        """Returns when something may have settled, when there is news, or at that monotonic time."""
        with self._lock:
            moments = [self._settles_at(span) for span in self._spans.values()]
        moments += [] if until is None else [until]
        with suppress(queue.Empty):
            self._news.get(timeout=max(0.0, min(moments) - time.monotonic()) if moments else None)

    def wake(self) -> None:
        """Ends a sleep, or the next one."""
        self._news.put(None)

    def _settles_at(self, span: tuple[float, float]) -> float:
        first, last = span
        return min(last + self.debounce_s, first + self.at_last_s)
