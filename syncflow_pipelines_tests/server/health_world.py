"""Endpoints whose health a test decides, and checks that run in the test's own event loop."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig, HealthConfig
from syncflow_pipelines.gateway.health import HealthChecks
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines_tests.server.recording_backend import Arrival

PATIENCE_S = 60.0
OFTEN = HealthConfig(interval_s=0.05, timeout_s=5.0, unhealthy_threshold=3, healthy_threshold=2)


class Answers:
    """Answers every path with a status that can be changed, or not at all; counts what was asked."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()

    def __call__(self, arrival: Arrival) -> None:
        path = arrival.target
        self.asked[path] += 1
        self.methods[arrival.method] += 1
        if path in self.silent:
            arrival.is_hung_up()
            return
        status = self.statuses.get(path, 200)
        arrival.send(f"HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode())


def registered(
    url: str,
    name: str = "orders",
    status: Status = Status.ACTIVE,
    path: str | None = "/health",
    origin: Origin = Origin.FILE,
) -> Registered:
    now = datetime.now(UTC)
    config = EndpointConfig(name=name, url=url, health_check_path=path)
    return Registered(config, origin, status, True, 1, now, now)


def switched(endpoint: Registered, status: Status) -> Registered:
    return replace(endpoint, status=status)


@asynccontextmanager
async def checking(
    settings: Settings | None, *endpoints: Registered, config: HealthConfig = OFTEN, **more: Any
) -> AsyncIterator[HealthChecks]:
    checks = HealthChecks(settings, **more)
    checks.follow(endpoints, GatewayConfig(health=config))
    await checks.start()
    try:
        yield checks
    finally:
        await checks.stop()


async def eventually(fact: Callable[[], bool]) -> None:
    """Waits until it is so; fails after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.01)
