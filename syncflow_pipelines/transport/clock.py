"""What the transport takes from the world besides the network: time, sleep and chance."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, sleep and chance, so that a test of a long wait takes none."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds, from an arbitrary beginning."""
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    """From 0 up to, not including, 1."""


SYSTEM = Clock()
"""The real ones."""
