"""How often a request is tried, and how long it waits in between."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from syncflow_pipelines.errors import SourceError, SourceUnreachable
from syncflow_pipelines.transport.clock import Clock

RETRIES = 3
"""Repetitions after failures of the source or the network."""

MAX_WAITS = 10
"""Waits that the source may ask of one request."""

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0
_SECONDS = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)


class Trouble(Exception):
    """A failure of one attempt: `str()` is the end of a sentence that begins with the URL."""

    def __init__(
        self,
        message: str,
        *,
        error: type[SourceError] = SourceUnreachable,
        hopeless: bool = False,
        throttled: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.error = error
        """What to raise when there is no other attempt."""
        self.hopeless = hopeless
        """Whether another attempt would end the same way."""
        self.throttled = throttled
        """Whether the source asked to wait, rather than failed."""
        self.retry_after_s = retry_after_s


class Patience:
    """The patience with one request."""

    def __init__(self, clock: Clock, retries: int = RETRIES) -> None:
        self._clock = clock
        self._retries = retries
        self._failures = 0
        self._waits = 0

    @property
    def attempts(self) -> int:
        """How often the request has failed."""
        return self._failures + self._waits

    def delay_s(self, trouble: Trouble) -> float | None:
        """Seconds to wait before the next attempt; None when it is time to give up.

        A wait that the source asks for costs none of the retries.
        """
        if trouble.hopeless:
            self._failures += 1
            return None
        if trouble.throttled:
            self._waits += 1
            return self._wait_s(trouble.retry_after_s or 0.0) if self._waits <= MAX_WAITS else None
        self._failures += 1
        return self._backoff_s(self._failures) if self._failures <= self._retries else None

    def _wait_s(self, asked_s: float) -> float:
        # Jitter on top, so that threads that were sent away together do not come back together;
        # and a floor, since a source that says 0 would use up all waits at once.
        jitter_s = min(1.0, 0.1 * asked_s) * self._clock.random()
        return max(asked_s + jitter_s, self._backoff_s(self._waits))

    def _backoff_s(self, times: int) -> float:
        longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** (times - 1))
        return longest * (0.5 + 0.5 * self._clock.random())


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, never negative; None where there is none that can be read.

    A date counts from the reply's own `Date`, so that a wrong clock on either side does no harm.
    """
    asked = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        return max(0.0, float(asked))
    until = http_date(asked)
    if until is None:
        return None
    since = http_date(headers.get("date", "")) or now
    return max(0.0, (until - since).total_seconds())


def http_date(text: str) -> datetime | None:
    """The time that a header names; None where it names none."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
