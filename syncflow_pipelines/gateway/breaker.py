"""The circuit breaker of one endpoint: who may ask it while it fails, and when it is asked again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from syncflow_pipelines.config.gateway import BreakerConfig, TimeoutConfig

State = Literal["closed", "open", "half_open"]

_PROBE_TIMEOUT_S: Final = 300.0
"""For an endpoint that may take as long as it likes."""
_PROBES_OUT_S: Final = 1.0
"""When to come again while probes are out: nobody knows when the first returns."""


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """How a breaker stands, and what it did since the process began."""

    state: State
    """`open` until the first request after the reset time-out makes it `half_open`."""
    consecutive_failures: int
    """While it was closed; kept while it is not."""
    opened_at: datetime | None
    """When it last opened, if it is not closed."""
    retry_after_s: float
    """Until a request may be let through; 0 where one would be."""
    probes_out: int
    probes_succeeded: int
    times_opened: int
    refused: int


class Breaker:
    """Belongs to one event loop: nothing here waits, and so nothing here is shared.

    Closed, it lets everything through, and opens once as many requests in a row failed as its threshold says. Open,
    it refuses until the reset time-out is over. Half open, it lets so many probes through and no more: one that fails,
    or does not return, opens it again, and as many successes close it. Whoever gave up without an answer gives the
    place back.
    """

    __slots__ = (
        "_config",
        "_generation",
        "_now",
        "_on_change",
        "_opened_at",
        "_probe_timeout_s",
        "_probes",
        "_refused",
        "_succeeded",
        "_times_opened",
        "consecutive_failures",
        "opened_at",
        "state",
    )

    def __init__(
        self,
        config: BreakerConfig,
        *,
        now: Callable[[], float] = time.monotonic,
        on_change: Callable[[State, State], None] | None = None,
        probe_timeout_s: float = _PROBE_TIMEOUT_S,
    ) -> None:
        """`on_change` hears the old and the new state, at once: it must neither wait nor fail.

        `probe_timeout_s`: after which a probe that has not returned has failed, as `probe_timeout_of` says.
        """
        self._config, self._now, self._on_change = config, now, on_change
        self._probe_timeout_s = probe_timeout_s
        self._generation = 0
        self._probes: dict[Permit, float] = {}
        self._opened_at = 0.0
        self._succeeded = self._times_opened = self._refused = 0
        self.state: State = "closed"
        self.consecutive_failures = 0
        self.opened_at: datetime | None = None

    def acquire(self) -> "Permit | None":
        """Leave to ask the endpoint; None where it is not asked, and `retry_after_s` says when to come again."""
        if self.state == "closed":
            return Permit(self, self._generation)
        if self.state == "open" and self._now() - self._opened_at >= self._config.reset_timeout_s:
            self._become("half_open")
        permit = self._probe() if self.state == "half_open" else None
        self._refused += permit is None
        return permit

    @property
    def retry_after_s(self) -> float:
        if self.state == "open":
            return max(0.0, self._opened_at + self._config.reset_timeout_s - self._now())
        return 0.0 if self.state == "closed" or self._has_place else _PROBES_OUT_S

    def snapshot(self) -> BreakerSnapshot:
        return BreakerSnapshot(
            state=self.state,
            consecutive_failures=self.consecutive_failures,
            opened_at=self.opened_at,
            retry_after_s=self.retry_after_s,
            probes_out=len(self._probes),
            probes_succeeded=self._succeeded,
            times_opened=self._times_opened,
            refused=self._refused,
        )

    @property
    def _has_place(self) -> bool:
        return len(self._probes) + self._succeeded < self._config.half_open_max_calls

    def _probe(self) -> "Permit | None":
        now = self._now()
        sent_at = next(iter(self._probes.values()), now)
        if now - sent_at > self._probe_timeout_s:
            self._open()
        elif self._has_place:
            permit = Permit(self, self._generation)
            self._probes[permit] = now
            return permit
        return None

    def _ended(self, permit: "Permit", succeeded: bool | None) -> None:
        if permit.generation != self._generation:
            return  # what it says is of a state that is over
        if self.state == "half_open":
            self._probe_ended(permit, succeeded)
        elif succeeded:
            self.consecutive_failures = 0
        elif succeeded is False:
            self.consecutive_failures += 1
            if self.consecutive_failures >= self._config.failure_threshold:
                self._open()

    def _probe_ended(self, permit: "Permit", succeeded: bool | None) -> None:
        self._probes.pop(permit, None)
        if succeeded is False:
            self._open()
        elif succeeded:
            self._succeeded += 1
            if self._succeeded >= self._config.half_open_max_calls:
                self.consecutive_failures, self.opened_at = 0, None
                self._become("closed")

    def _open(self) -> None:
        self._opened_at, self.opened_at = self._now(), datetime.now(UTC)
        self._times_opened += 1
        self._become("open")

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        self._generation += 1
        self._probes = {}
        self._succeeded = 0
        if self._on_change is not None:
            self._on_change(before, state)


class Permit:
    """Leave to ask an endpoint once. The first word on what came of it counts, and the later ones do nothing."""

    __slots__ = ("_breaker", "generation")

    def __init__(self, breaker: Breaker, generation: int) -> None:
        self._breaker: Breaker | None = breaker
        self.generation = generation
        """The state of the breaker that it was given in."""

    def succeeded(self) -> None:
        self._end(True)

    def failed(self) -> None:
        self._end(False)

    def released(self) -> None:
        """Neither: the client went away, or the gateway itself refused the request."""
        self._end(None)

    def _end(self, succeeded: bool | None) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._ended(self, succeeded)


def probe_timeout_of(timeouts: TimeoutConfig) -> float:
    """How long an endpoint's answer can take before the gateway gives up by itself, in seconds."""
    if timeouts.total_s is not None:
        return timeouts.total_s
    return _PROBE_TIMEOUT_S if timeouts.read_s is None else timeouts.connect_s + timeouts.read_s
