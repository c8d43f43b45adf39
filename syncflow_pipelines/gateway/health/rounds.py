"""Checks of many endpoints, each at its own pace."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from syncflow_pipelines.config.gateway import HealthConfig
from syncflow_pipelines.gateway.health.standing import CheckOutcome, is_watched
from syncflow_pipelines.gateway.model import Registered

AT_ONCE: Final = 64
"""Checks at the same time of endpoints whose last check ended well, and so many of the others."""
_JITTER: Final = 0.1
_FIRST_WITHIN_S: Final = 1.0

_LOG = logging.getLogger(__name__)


class Rounds:
    """Has every endpoint checked again and again, from one event loop.

    Those whose last check failed wait for each other, and for no others: they may take the whole time-out.
    """

    def __init__(
        self,
        look: Callable[[Registered, float], Awaitable[CheckOutcome]],
        noted: Callable[[Registered, CheckOutcome], Awaitable[None]],
        is_failing: Callable[[str], bool],
    ) -> None:
        """`is_failing`: whether the last check of an endpoint failed, by key, whoever made it."""
        self._look, self._noted, self._is_failing = look, noted, is_failing
        self._config = HealthConfig()
        self._tasks: dict[str, tuple[Registered, asyncio.Task[None]]] = {}
        self._good, self._bad = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    def follow(self, endpoints: Iterable[Registered], config: HealthConfig) -> None:
        """Checks these endpoints from now on; one that is as before keeps its pace."""
        wanted = {one.config.key: one for one in endpoints if is_watched(one, config)}
        for key, (endpoint, task) in list(self._tasks.items()):
            is_kept = key in wanted and wanted[key].config == endpoint.config and config == self._config
            if not is_kept or task.done():
                task.cancel()
                del self._tasks[key]
        self._config = config
        for key in wanted.keys() - self._tasks.keys():
            self._tasks[key] = wanted[key], asyncio.create_task(self._repeat(wanted[key]), name=f"health of {key}")

    async def stop(self) -> None:
        """Ends the checks that are under way, and makes no more."""
        tasks = [task for _, task in self._tasks.values()]
        self._tasks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _repeat(self, endpoint: Registered) -> None:
        config = self._config
        await asyncio.sleep(random.uniform(0, min(_FIRST_WITHIN_S, config.interval_s)))
        while True:
            await self._once(endpoint, config)
            await asyncio.sleep(pause_s(config))

    async def _once(self, endpoint: Registered, config: HealthConfig) -> None:
        async with self._bad if self._is_failing(endpoint.config.key) else self._good:
            outcome = await self._look(endpoint, config.timeout_s)
        try:
            await self._noted(endpoint, outcome)
        except Exception:  # noqa: BLE001 - the task's entry point: the next check may do better
            _LOG.exception("a check of %s was not noted", endpoint.config.key)


def pause_s(config: HealthConfig) -> float:
    """Between the end of a check and the next, so that the checks of many endpoints do not fall together."""
    return config.interval_s * random.uniform(1 - _JITTER, 1 + _JITTER)
