"""The feature flag `gateway`: while it is off, nothing is passed on."""

import asyncio
from typing import Final

from syncflow_pipelines.config import Flag, Settings
from syncflow_pipelines.events.flags import standing
from syncflow_pipelines.gateway.model import Problem

PERIOD_S: Final = 1.0
"""A switch takes effect within so long; a request asks nobody."""


class Switch:
    """Whether requests are passed on, as it was a moment ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_on = True

    async def look(self) -> None:
        """Asks how the flag stands. It may take seconds, where somebody else's provider does."""
        self.is_on = (await asyncio.to_thread(standing, Flag.GATEWAY, self._settings)).is_on

    async def follow(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD_S)


SWITCHED_OFF: Final = Problem(
    503,
    "gateway-off",
    "The gateway is switched off",
    "Nothing is passed on while the feature flag gateway is off; `syncflow config flags` shows who says so.",
    ((b"retry-after", b"5"),),
)
