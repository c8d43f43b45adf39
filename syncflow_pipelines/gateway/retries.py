"""What may be sent again, and how often: a budget keeps retries from becoming the load that breaks an endpoint."""

import time
from collections.abc import Callable
from typing import Final

from syncflow_pipelines.config.gateway import RetryConfig

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Sent twice, they do what they do once (RFC 9110, section 9.2.2)."""
RETRIED_STATUSES: Final = frozenset({502, 503, 504})
MAX_KEPT_BODY_BYTES: Final = 64 * 1024
"""A request with a larger body is sent once: it is not kept."""

_WINDOW_S: Final = 10
_AT_LEAST: Final = 3
"""Retries in the window whatever the ratio: a share of next to no requests would be none."""


class RetryBudget:
    """Counts requests and retries of the last ten seconds, to the second. Belongs to one event loop."""

    __slots__ = ("_now", "_ratio", "_requests", "_retries", "_second")

    def __init__(self, retries: RetryConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self._ratio, self._now = retries.budget_ratio, now
        self._requests, self._retries = [0] * _WINDOW_S, [0] * _WINDOW_S
        self._second = int(now())

    def note_request(self) -> None:
        """A request came. Its retries are not requests."""
        self._requests[self._slot()] += 1

    def may_retry(self) -> bool:
        """Whether one more request may be sent again; if so, it is counted."""
        slot = self._slot()
        allowed = max(self._ratio * sum(self._requests), _AT_LEAST if self._ratio else 0)
        if sum(self._retries) + 1 > allowed:
            return False
        self._retries[slot] += 1
        return True

    def _slot(self) -> int:
        second = int(self._now())
        for passed in range(max(self._second + 1, second - _WINDOW_S + 1), second + 1):
            self._requests[passed % _WINDOW_S] = self._retries[passed % _WINDOW_S] = 0
        self._second = second
        return second % _WINDOW_S
