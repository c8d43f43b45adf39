"""What came of the requests to one endpoint since the process began, and lately."""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

LATENCY_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets, each within its bucket; one bucket more holds what took longer."""

_SLICE_S: Final = 60.0
_SLICES: Final = 5
_ERRORS_KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long requests took."""

    counts: tuple[int, ...]
    """One for each of `LATENCY_BOUNDS_S`, not added up, and one for the rest."""
    sum_s: float

    @property
    def total(self) -> int:
        return sum(self.counts)

    def quantile_s(self, share: float) -> float | None:
        """What `share` of the requests took at most, as near as the buckets say; None without any."""
        total = self.total
        if not total:
            return None
        rank, reached = share * total, list(accumulate(self.counts))
        bucket = bisect_left(reached, max(rank, 1e-9))
        if bucket >= len(LATENCY_BOUNDS_S):
            return LATENCY_BOUNDS_S[-1]
        low = LATENCY_BOUNDS_S[bucket - 1] if bucket else 0.0
        part = (rank - (reached[bucket] - self.counts[bucket])) / self.counts[bucket]
        return low + (LATENCY_BOUNDS_S[bucket] - low) * part


@dataclass(frozen=True, slots=True)
class ErrorSeen:
    at: datetime
    status: int
    """What the client was told."""
    error: str


@dataclass(frozen=True, slots=True)
class StatisticsSnapshot:
    """The figures of one moment. All counters only ever grow while the process lives."""

    requests: int
    """That have begun."""
    in_flight: int
    by_status: Mapping[int, int]
    """Of those that have ended; 499: the client went away before it was told anything."""
    errors: int
    latencies: Latencies
    recent: Latencies
    """Of the last four to five minutes."""
    last_errors: tuple[ErrorSeen, ...]
    """The newest first."""
    retries: int
    refused: Mapping[str, int]
    """By reason: `breaker`, `concurrency`, `rate`, `body`."""
    fallbacks: Mapping[str, int]
    """Answers given instead of the endpoint's, by strategy."""


class _Histogram:
    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.sum_s = 0.0


class Statistics:
    """Counts; belongs to one event loop. Every `started` is followed by one `ended`."""

    __slots__ = (
        "_by_status",
        "_ended",
        "_errors",
        "_fallbacks",
        "_last_errors",
        "_now",
        "_refused",
        "_retries",
        "_slice_ends_at",
        "_slices",
        "_started",
        "_total",
    )

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started = self._ended = self._errors = self._retries = 0
        self._by_status: dict[int, int] = {}
        self._last_errors: deque[ErrorSeen] = deque(maxlen=_ERRORS_KEPT)
        self._refused: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._total = _Histogram()
        self._slices = deque([_Histogram()], maxlen=_SLICES)
        self._slice_ends_at = now() + _SLICE_S

    def started(self) -> None:
        self._started += 1

    def ended(self, status: int, seconds: float, error: str | None = None) -> None:
        """`status` is what the client was told. `error`: why the endpoint's answer was none; it is shown to people,
        and holds neither credentials nor bodies."""
        self._ended += 1
        self._by_status[status] = self._by_status.get(status, 0) + 1
        bucket = bisect_left(LATENCY_BOUNDS_S, seconds)
        for histogram in (self._total, self._slice()):
            histogram.counts[bucket] += 1
            histogram.sum_s += seconds
        if error is not None:
            self._errors += 1
            self._last_errors.appendleft(ErrorSeen(datetime.now(UTC), status, error))

    def retried(self) -> None:
        self._retries += 1

    def refused(self, reason: str) -> None:
        self._refused[reason] += 1

    def fell_back(self, strategy: str) -> None:
        self._fallbacks[strategy] += 1

    def snapshot(self) -> StatisticsSnapshot:
        self._slice()
        recent = tuple(map(sum, zip(*(part.counts for part in self._slices), strict=True)))
        return StatisticsSnapshot(
            requests=self._started,
            in_flight=self._started - self._ended,
            by_status=dict(self._by_status),
            errors=self._errors,
            latencies=Latencies(tuple(self._total.counts), self._total.sum_s),
            recent=Latencies(recent, sum(part.sum_s for part in self._slices)),
            last_errors=tuple(self._last_errors),
            retries=self._retries,
            refused=dict(self._refused),
            fallbacks=dict(self._fallbacks),
        )

    def _slice(self) -> _Histogram:
        now = self._now()
        if now >= self._slice_ends_at:
            over = min(_SLICES, 1 + int((now - self._slice_ends_at) / _SLICE_S))
            self._slices.extend(_Histogram() for _ in range(over))
            self._slice_ends_at = now + _SLICE_S
        return self._slices[-1]
