"""The health of the gateway's endpoints, as one process knows it."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.gateway import GatewayConfig, HealthConfig, TargetRules
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.health.ledger import TURN_S, Ledger
from syncflow_pipelines.gateway.health.probe import look
from syncflow_pipelines.gateway.health.rounds import Rounds
from syncflow_pipelines.gateway.health.session import Recording, Turn
from syncflow_pipelines.gateway.health.standing import (
    CheckedBy,
    CheckOutcome,
    EndpointStanding,
    begun,
    observed,
    renewed,
    settled,
)
from syncflow_pipelines.gateway.model import Health, Registered, Status

_LOG = logging.getLogger(__name__)


def no_breakers() -> Mapping[str, BreakerSnapshot]:
    """Of a gateway that passes nothing on."""
    return {}


def process_name() -> str:
    """What this process is called among those of one database."""
    return f"{socket.gethostname()}:{os.getpid()}"


class HealthChecks:
    """Checks endpoints, or knows what the process found out that checks them for all.

    Of the processes on one database one checks, and another takes over within seconds of its end. Where there is no
    database (`settings` None) or it cannot be reached, every process checks for itself, and tells nobody.

    Lives in one event loop, from `start` to `stop`. `breakers`: those that had requests, by key, for other processes
    to see.
    """

    def __init__(
        self,
        settings: Settings | None,
        *,
        breakers: Callable[[], Mapping[str, BreakerSnapshot]] = no_breakers,
        process: str | None = None,
    ) -> None:
        self._settings, self._breakers = settings, breakers
        self._process = process or process_name()
        self._config, self._targets = HealthConfig(), TargetRules()
        self._endpoints: dict[str, Registered] = {}
        self._standings: dict[str, EndpointStanding] = {}
        self._checked_by: CheckedBy = "nobody"
        self._ledger: Ledger | None = None
        self._is_running = self._is_following = self._is_recorded = False
        self._telling: asyncio.Task[None] | None = None
        self._rounds = Rounds(self._look, self._noted, self._is_failing)

    async def start(self) -> None:
        """Begins to check, or to follow who does; returns at once."""
        self._is_running = True
        if self._settings is None:
            self._heard(None)
            return
        loop = asyncio.get_running_loop()

        def told(turn: Turn | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know
                loop.call_soon_threadsafe(self._heard, turn)

        self._ledger = Ledger(self._settings, self._process, told)
        if self._is_following:
            self._ledger.declare(self._endpoints.values(), self._config)
        self._ledger.start()
        self._telling = asyncio.create_task(self._tell_breakers(), name="breakers of the gateway")

    async def stop(self) -> None:
        """Ends the checks; another process may take them over at once."""
        self._is_running = False
        await self._rounds.stop()
        self._checked_by = "nobody"
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        if self._ledger is not None:
            ledger, self._ledger = self._ledger, None
            await asyncio.to_thread(ledger.stop)

    def follow(self, endpoints: Iterable[Registered], config: GatewayConfig) -> None:
        """Takes these endpoints and settings from now on; to be called in the event loop."""
        now = datetime.now(UTC)
        self._is_following = True
        self._config, self._targets = config.health, config.targets
        self._endpoints = {one.config.key: one for one in endpoints}
        self._standings = {key: self._renewed(key, self._standings.get(key), now) for key in self._endpoints}
        if self._ledger is not None:
            self._ledger.declare(self._endpoints.values(), self._config)
        self._set_rounds()

    def standing(self, key: str) -> EndpointStanding | None:
        """How the endpoint (`name@version`) stands; None where it is not registered."""
        return self._standings.get(key)

    def standings(self) -> Mapping[str, EndpointStanding]:
        """How every endpoint stands, by key."""
        return dict(self._standings)

    @property
    def checked_by(self) -> CheckedBy:
        return self._checked_by

    async def check_now(self, key: str) -> EndpointStanding | None:
        """Checks the endpoint once, whoever else does; None where it is not registered.

        It counts like any other check. Of an endpoint that is not checked by itself it says how this check ended, and
        its health stays what it is.
        """
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            return None
        outcome = await self._look(endpoint, self._config.timeout_s)
        await self._noted(endpoint, outcome)
        standing = self._standings.get(key)
        if standing is not None and endpoint.status is not Status.ACTIVE:
            return observed(standing, outcome)
        return standing

    async def _look(self, endpoint: Registered, timeout_s: float) -> CheckOutcome:
        return await look(endpoint, self._targets, timeout_s)

    async def _noted(self, endpoint: Registered, outcome: CheckOutcome) -> None:
        if self._ledger is not None and self._is_recorded:
            with suppress(DatabaseError):
                await asyncio.wrap_future(self._ledger.record(Recording(endpoint, outcome, self._config)))
                return
        key = endpoint.config.key
        before = self._standings.get(key)
        if before is not None:
            self._keep({key: settled(before, self._endpoints[key], outcome, self._config)})

    def _is_failing(self, key: str) -> bool:
        standing = self._standings.get(key)
        return standing is not None and standing.is_good is False

    def _heard(self, turn: Turn | None) -> None:
        """Takes in what the tables say."""
        if not self._is_running:
            return  # it was said while the checks were ended
        now = datetime.now(UTC)
        self._is_recorded = turn is not None
        if turn is not None:
            keys = self._endpoints.keys() if turn.is_whole else self._endpoints.keys() & turn.standings.keys()
            self._keep({key: self._renewed(key, turn.standings.get(key), now) for key in keys})
        before = self._checked_by
        self._checked_by = "this process" if turn is None or turn.is_leading else "another process"
        if self._checked_by != before:
            self._set_rounds()

    def _renewed(self, key: str, known: EndpointStanding | None, now: datetime) -> EndpointStanding:
        endpoint = self._endpoints[key]
        # what is still to come from the process that checks, is seen at once where this one knows
        return begun(endpoint, now) if known is None else renewed(known, endpoint, self._config, now)

    def _keep(self, standings: Mapping[str, EndpointStanding]) -> None:
        for key, standing in standings.items():
            before = self._standings.get(key)
            if before is not None and before.health is not standing.health:
                _log_change(key, before, standing)
            self._standings[key] = standing

    def _set_rounds(self) -> None:
        is_checking = self._checked_by == "this process"
        self._rounds.follow(self._endpoints.values() if is_checking else (), self._config)

    async def _tell_breakers(self) -> None:
        while self._ledger is not None:
            self._ledger.note_breakers(dict(self._breakers()))
            await asyncio.sleep(TURN_S)


def _log_change(key: str, before: EndpointStanding, after: EndpointStanding) -> None:
    level = logging.WARNING if after.health is Health.UNHEALTHY else logging.INFO
    why = f": {after.last_error}" if after.last_error else ""
    _LOG.log(level, "endpoint %s is %s, and was %s%s", key, after.health, before.health, why)
