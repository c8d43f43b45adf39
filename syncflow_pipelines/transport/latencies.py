"""How long a source takes to answer: a histogram of the requests that one client sent."""

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final, Self

BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets. They are kept in `source_totals`: other ones need a migration."""

_NONE: Final = (0,) * (len(BOUNDS_S) + 1)


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """Requests by how long they took, from the connection to the last byte of the answer."""

    counts: tuple[int, ...] = _NONE
    """One for each of `BOUNDS_S`, not added up, and one for the rest."""
    seconds: float = 0.0
    """Of all of them."""
    failed: int = 0
    """Requests that got no answer; they are in none of the buckets."""

    def __add__(self, other: Self) -> "LatencyCounts":
        counts = tuple(one + more for one, more in zip(self.counts, other.counts, strict=True))
        return LatencyCounts(counts, self.seconds + other.seconds, self.failed + other.failed)

    def __bool__(self) -> bool:
        return self.failed > 0 or any(self.counts)


class Latencies:
    """Counts requests; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def answered(self, seconds: float) -> None:
        """A request was answered, whatever the status."""
        with self._lock:
            self._counts[bisect_left(BOUNDS_S, seconds)] += 1
            self._seconds += seconds

    def failed(self) -> None:
        """A request got no answer that could be read."""
        with self._lock:
            self._failed += 1

    def take(self) -> LatencyCounts:
        """What was counted since the last call."""
        with self._lock:
            taken = LatencyCounts(tuple(self._counts), self._seconds, self._failed)
            self._forget()
        return taken

    def _forget(self) -> None:
        self._counts = list(_NONE)
        self._seconds = 0.0
        self._failed = 0
