"""How the tests of the transport call a server: with a token, and without ever really sleeping."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncflow_pipelines.transport import Clock, SourceClient
from syncflow_pipelines_tests.server.raw_server import RawServer

TOKEN = "Sesame-0penThySelf/+="
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class PatientClock:
    """Stands still, but for what is slept; chance always says one half."""

    slept_s: float = 0.0
    runs: bool = False
    """Whether it also goes on with the real time, for tests of time-outs."""
    on_sleep: Callable[[], None] = field(default=lambda: None)

    @property
    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: self.slept_s + (time.monotonic() if self.runs else 0.0),
            now=lambda: NOW,
            sleep=self._sleep,
            random=lambda: 0.5,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.on_sleep()


def calling(server: RawServer, clock: PatientClock | None = None, **options: Any) -> SourceClient:
    """A client for the server; `options` are those of `SourceClient`."""
    given = {"base_url": server.url, "headers": AUTHORIZATION, "timeout_s": 10.0, "max_connections": 2}
    return SourceClient(**{**given, "clock": (clock or PatientClock()).clock, **options})
