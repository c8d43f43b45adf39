"""Which sources a sensor leaves alone, because a feature flag says so."""

from collections.abc import Collection

import dagster as dg

from syncflow_pipelines.config import Settings
from syncflow_pipelines.events.flags import Flag, standing


class Switches:
    """How a flag stands for each of the connectors or services, at one tick."""

    def __init__(self, flag: Flag, settings: Settings, names: Collection[str]) -> None:
        self._all = standing(flag, settings)
        self._standings = {name: standing(flag, settings, name) for name in names}

    def is_on(self, name: str) -> bool:
        """Whether the connector or service is to be looked after."""
        return self._standings.get(name, self._all).is_on

    @property
    def are_all_off(self) -> bool:
        """Whether there is nothing left to do."""
        standings = self._standings.values() or (self._all,)
        return not any(one.is_on for one in standings)

    def skip(self, consequence: str, cursor: str | None) -> dg.SensorResult:
        """The tick that says which flag is off, and remembers what the sensor knew."""
        first = next(iter(self._standings.values()), self._all)
        return dg.SensorResult(skip_reason=first.reason(consequence), cursor=cursor)
