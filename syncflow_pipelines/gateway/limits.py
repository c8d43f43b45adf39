"""How much is passed on to one endpoint at once and in a second; the rest is refused at once, never queued."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from syncflow_pipelines.config.gateway import LimitConfig

Reason = Literal["concurrency", "rate"]

_FULL_S: Final = 1.0
"""When to come again while all places are taken: nobody knows when the first is free."""


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason
    """`concurrency` is answered with 503, `rate` with 429."""
    retry_after_s: float

    @property
    def status(self) -> int:
        return 429 if self.reason == "rate" else 503


class Gate:
    """Counts the requests in flight, and has a bucket of tokens for their rate. Belongs to one event loop."""

    __slots__ = ("_burst", "_filled_at", "_limits", "_now", "_refusal", "_tokens", "in_flight")

    def __init__(self, limits: LimitConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._now = limits, now
        self._burst = float(max(1, limits.burst or math.ceil(limits.requests_per_second or 1)))
        self._tokens, self._filled_at = self._burst, now()
        self._refusal = Refusal("concurrency", _FULL_S)
        self.in_flight = 0

    def enter(self) -> Refusal | None:
        """None: the request may pass, and `leave` has to follow. A refused one has taken nothing."""
        if self.in_flight >= self._limits.max_concurrent:
            return self._refusal
        if self._limits.requests_per_second is not None:
            refusal = self._take(self._limits.requests_per_second)
            if refusal is not None:
                return refusal
        self.in_flight += 1
        return None

    def leave(self) -> None:
        self.in_flight -= 1

    def _take(self, rate: float) -> Refusal | None:
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1.0:
            return Refusal("rate", (1.0 - self._tokens) / rate)
        self._tokens -= 1.0
        return None
