"""What a backend that dies does to its callers: how many find out, and who tries again when it is back."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.gateway_doors import Door, serving
from benchmarks.processes import ChildFailed, child_environment

THRESHOLD, RESET_S, PROBES = 5, 1.0, 3
"""What the endpoint is set to."""

_CALLERS = 16
_AT_ONCE = 20
_PROBE_S = 0.3
"""How long the backend keeps each probe, so that all that come meanwhile meet them."""
_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Died:
    """What callers saw of a backend that was killed and came back."""

    failures: int
    """Requests that found nobody before the breaker opened."""
    open_ms: tuple[float, ...]
    """What each of the refused took."""
    probes: int
    """That came through of so many at once, once the reset time-out was over."""
    is_closed: bool
    """Whether all was well after them, without anybody's help."""
    asked: int
    unanswered: int
    doubled: int
    """Requests that the backend saw twice, or of which a success was told that it did not see."""


@contextmanager
def scripted_backend(port: int, folder: Path, delay_s: float = 0.0) -> Iterator[Door]:
    """`benchmarks.gateway_backend` in a process of its own; the ids that it saw are in `folder/ids`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.gateway_backend", str(port), str(folder / "ids"), str(delay_s)]
    with serving(command, port, folder, child_environment()) as process:
        yield Door(port, process)


def kill_and_revive(door: Door, path: str, port: int, folder: Path, requests: int) -> Died:
    """The whole life of a backend at that port. `requests`: how many are on their way or to come when it is killed."""
    return asyncio.run(asyncio.wait_for(_Life(door, path, port, folder, requests).lived(), _LIMIT_S))


class _Life:
    def __init__(self, door: Door, path: str, port: int, folder: Path, requests: int) -> None:
        self._url, self._port, self._folder, self._requests = f"{door.url}{path}/once", port, folder, requests
        self._statuses: dict[str, int | None] = {}

    async def lived(self) -> Died:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._client:
            with scripted_backend(self._port, self._folder) as backend:
                await self._until_all_is_well()
                await self._killed_meanwhile(backend)
            await asyncio.sleep(RESET_S * 1.1)
            with scripted_backend(self._port, self._folder) as backend:
                await self._until_all_is_well()
                backend.process.kill()
                backend.process.wait()
                failures, open_ms = await self._until_it_opens(), await self._while_open()
            with scripted_backend(self._port, self._folder, _PROBE_S):
                await asyncio.sleep(RESET_S * 1.1)
                statuses = await asyncio.gather(*(self._ask() for _ in range(_AT_ONCE)))
                is_closed = all([await self._ask() == 200 for _ in range(PROBES)])
        return self._told(failures, open_ms, statuses.count(200), is_closed)

    async def _until_all_is_well(self) -> None:
        ends_at = time.monotonic() + _LIMIT_S
        while [await self._ask() for _ in range(PROBES + 1)] != [200] * (PROBES + 1):
            if time.monotonic() > ends_at:
                raise ChildFailed(f"{self._url} is not passed on to")
            await asyncio.sleep(0.1)

    async def _killed_meanwhile(self, backend: Door) -> None:
        """Kills it among requests, when a third of them has been answered."""
        before, total = len(self._statuses), self._requests

        async def call() -> None:
            while len(self._statuses) - before < total:
                await self._ask()
                if len(self._statuses) - before > total // 3 and backend.process.poll() is None:
                    backend.process.kill()

        await asyncio.gather(*(call() for _ in range(_CALLERS)))
        backend.process.wait()

    async def _until_it_opens(self) -> int:
        statuses = []
        while (status := await self._ask()) != 503:
            statuses.append(status)
        if set(statuses) != {502}:
            raise ChildFailed(f"a backend that is gone was answered for with {sorted(set(statuses), key=str)}")
        return len(statuses)

    async def _while_open(self) -> tuple[float, ...]:
        """As many as come in half the time that it stays open."""
        ends_at, found = time.monotonic() + RESET_S / 2, []
        while time.monotonic() < ends_at:
            began = time.perf_counter()
            status = await self._ask()
            found.append((time.perf_counter() - began) * 1e3)
            if status != 503:
                raise ChildFailed(f"an endpoint whose breaker is open was answered for with {status}")
        return tuple(found)

    async def _ask(self) -> int | None:
        """The status; None without an answer. Sent once: nobody sends a POST again."""
        name = str(len(self._statuses))
        self._statuses[name] = None
        try:
            async with self._client.post(self._url, params={"id": name}) as answer:
                await answer.read()
                self._statuses[name] = answer.status
        except (aiohttp.ClientError, TimeoutError):
            pass
        return self._statuses[name]

    def _told(self, failures: int, open_ms: tuple[float, ...], probes: int, is_closed: bool) -> Died:
        seen = Counter((self._folder / "ids").read_text().split())
        succeeded = [name for name, status in self._statuses.items() if status == 200]
        doubled = sum(count - 1 for count in seen.values()) + sum(name not in seen for name in succeeded)
        unanswered = sum(status is None for status in self._statuses.values())
        return Died(failures, open_ms, probes, is_closed, len(self._statuses), unanswered, doubled)
