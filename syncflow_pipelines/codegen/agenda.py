"""Which services are to be looked at, and when."""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from syncflow_pipelines.openapi.refreshing import PATIENCE_FACTOR

FLAG_EVERY_S: Final = 2.0
"""How often a flag that is off is asked for again; less often where that would take more than a 200th of the time."""
FLAG_SHARE: Final = 200
RETRY_S: Final = 2.0
"""After the first failure that is none of the spec's own; twice as long after each that follows."""


@dataclass(slots=True)
class Agenda:
    """The names of services that are due, now or later."""

    due: set[str] = field(default_factory=set)
    at_intervals: set[str] = field(default_factory=set)
    interval_at: float = 0.0
    again_at: dict[str, float] = field(default_factory=dict)
    """Of those with unsettled files: when these are quiet, if they do not change before."""
    unsettled_since: dict[str, float] = field(default_factory=dict)
    pauses_s: dict[str, float] = field(default_factory=dict)
    """Of those that failed, how long they were put off the last time."""
    flag_every_s: float = FLAG_EVERY_S

    def advance(self, interval_s: float) -> None:
        """Makes due what is so by now."""
        now = time.monotonic()
        if now >= self.interval_at:
            self.due |= self.at_intervals
            self.interval_at = now + interval_s
        ready = {name for name, at in self.again_at.items() if at <= now}
        self.due |= ready
        self.again_at = {name: at for name, at in self.again_at.items() if name not in ready}

    def seconds_left(self) -> float:
        """Until something is due again; of what is due and switched off, until that is asked again."""
        left = min([self.interval_at, *self.again_at.values()]) - time.monotonic()
        return max(0.0, min(left, self.flag_every_s) if self.due else left)

    def wait_for(self, name: str, quiet_s: float) -> bool:
        """Whether there is still hope that an unsettled file becomes usable; it is looked at again in any case."""
        now = time.monotonic()
        self.again_at[name] = now + quiet_s
        return now - self.unsettled_since.setdefault(name, now) <= PATIENCE_FACTOR * quiet_s

    def put_off(self, names: Collection[str], longest_s: float) -> None:
        """They failed for what may soon be over: they are looked at again after a while, which grows to `longest_s`."""
        now = time.monotonic()
        for name in names:
            pause_s = self.pauses_s[name] = min(2 * self.pauses_s.get(name, RETRY_S / 2), longest_s)
            self.again_at[name] = min(now + pause_s, self.again_at.get(name, math.inf))

    def succeed(self, names: Collection[str]) -> None:
        """The next failure of these is the first one."""
        for name in names:
            self.pauses_s.pop(name, None)

    def asked_for_flags(self, took_s: float) -> None:
        """Keeps the asking to a small share of the time, however many are asked for."""
        self.flag_every_s = max(FLAG_EVERY_S, FLAG_SHARE * took_s)

    def settle(self, name: str) -> None:
        """Forgets that it was unsettled."""
        self.unsettled_since.pop(name, None)
        self.again_at.pop(name, None)

    def keep(self, names: frozenset[str]) -> None:
        """Forgets all but these."""
        self.due &= names
        self.at_intervals &= names
        self.again_at = {name: at for name, at in self.again_at.items() if name in names}
        self.pauses_s = {name: pause for name, pause in self.pauses_s.items() if name in names}
