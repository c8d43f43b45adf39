"""The gateway of one process: what it knows, whom it watches, and what it passes on."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic

import aiohttp

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import load_api_tokens
from syncflow_pipelines.config.gateway_file import gateway_path, load_gateway
from syncflow_pipelines.config.serving import Serving
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.control.access import Access, refuse_open_binding
from syncflow_pipelines.gateway.health import CheckOutcome, HealthChecks
from syncflow_pipelines.gateway.health.probe import look
from syncflow_pipelines.gateway.model import Registered
from syncflow_pipelines.gateway.proxy.data_plane import DataPlane
from syncflow_pipelines.gateway.registry import Registry, SyncReport
from syncflow_pipelines.gateway.registry.targets import checked_connector, rules_of
from syncflow_pipelines.gateway.routing import Route, Routes
from syncflow_pipelines.gateway.statistics import StatisticsSnapshot
from syncflow_pipelines.gateway.switch import Switch

_LOG = logging.getLogger(__name__)


class Phase(StrEnum):
    STARTING = "starting"
    RUNNING = "healthy"
    DRAINING = "draining"
    """It was asked to end, and will once the requests in flight have."""


@dataclass(frozen=True, slots=True)
class ReloadAttempt:
    """What came of reading the configuration again."""

    at: datetime
    error: ConfigurationError | None = None
    """Why everything stayed as it was."""


class Gateway:
    """Opens and holds all of it. Lives in one event loop, from `open` to `close`."""

    def __init__(self, settings: Settings, serving: Serving, *, reloaded: Callable[[], None] = lambda: None) -> None:
        """Reads the configuration. `reloaded` is called when somebody had it read anew, for other processes to follow.

        Raises `ConfigurationError`.
        """
        self.settings, self.serving, self._reloaded = settings, serving, reloaded
        self.config = load_gateway(settings, serving.config_path)
        self.loaded_at = datetime.now(UTC)
        self.last_reload: ReloadAttempt | None = None
        self.phase = Phase.STARTING
        self.access = Access(load_api_tokens(settings.environment))
        self.switch = Switch(settings)
        self.registry = Registry(settings, self.config)
        self.plane = DataPlane(self.config, self._connector)
        self.health = HealthChecks(settings, breakers=self.breakers)
        self._closing: list[Callable[[], None]] = []
        self._began, self._reloading = monotonic(), asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def path(self) -> Path:
        """Of the file that is read."""
        return gateway_path(self.settings, self.serving.config_path)

    @property
    def uptime_s(self) -> float:
        return monotonic() - self._began

    @property
    def routes(self) -> Routes:
        return self.plane.routes

    async def open(self) -> None:
        """Begins to pass on what the registry names. Raises `SyncflowError` where it cannot."""
        await self.switch.look()
        await self.registry.open()
        self.registry.subscribe(self._follow)
        self._follow(self.registry.endpoints())
        await self.health.start()
        self._start(self.switch.follow(), "flag of the gateway")
        self._listen_to_signals()
        self.phase = Phase.RUNNING

    async def close(self) -> None:
        """Ends all of it; requests that are still in flight are cut."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.plane.close()
        await self.health.stop()
        await self.registry.close()
        for close in self._closing:
            await asyncio.to_thread(close)

    def at_close(self, close: Callable[[], None]) -> None:
        """Has that called, in a thread, once nothing is answered any more."""
        self._closing.append(close)

    def drain(self) -> None:
        """Says from now on that the process will end."""
        self.phase = Phase.DRAINING

    async def reload(self, *, by_signal: bool = False) -> SyncReport:
        """Reads the file and the tokens anew, and goes by them; requests in flight end as they began.

        Raises `ConfigurationError` where they cannot be used; nothing is changed then.
        """
        async with self._reloading:
            try:
                report = await self._apply()
            except ConfigurationError as error:
                self.last_reload = ReloadAttempt(datetime.now(UTC), error)
                _LOG.error("The configuration was not reloaded, what held before does: %s", error)
                raise
            self.last_reload = ReloadAttempt(datetime.now(UTC))
            _LOG.info("The configuration was reloaded: %d endpoints of the file", len(self.config.endpoints))
        if not by_signal:
            self._reloaded()
        return report

    def refresh(self) -> None:
        """Makes the routes anew from the registry."""
        self._follow(self.registry.endpoints())

    def route(self, key: str) -> Route | None:
        """The route of an endpoint, where requests are passed on to it."""
        return self.routes.find(key)

    async def look(self, endpoint: Registered) -> CheckOutcome:
        """What one look at the endpoint brings, as the checks look at it; it counts for nothing."""
        return await look(endpoint, self.config.targets, self.config.health.timeout_s)

    def breakers(self) -> Mapping[str, BreakerSnapshot]:
        """The breakers of endpoints that had requests, by key."""
        routes = self.routes.by_key()
        return {key: one.breaker.snapshot() for key, one in routes.items() if one.statistics.snapshot().requests}

    def statistics(self) -> Mapping[str, StatisticsSnapshot]:
        """What came of the requests to endpoints that had any in this process, by key."""
        snapshots = {key: one.statistics.snapshot() for key, one in self.routes.by_key().items()}
        return {key: snapshot for key, snapshot in snapshots.items() if snapshot.requests}

    async def _apply(self) -> SyncReport:
        config = await asyncio.to_thread(load_gateway, self.settings, self.serving.config_path)
        tokens = await asyncio.to_thread(load_api_tokens, self.settings.environment)
        refuse_open_binding(self.serving.host, tokens)
        report = await self.registry.configure(config)
        self.config, self.access.tokens, self.loaded_at = config, tokens, datetime.now(UTC)
        self._follow(self.registry.endpoints())
        return report

    def _follow(self, endpoints: tuple[Registered, ...]) -> None:
        self.plane.routes = Routes.build(endpoints, self.config, self.plane.routes)
        self.health.follow(endpoints, self.config)

    def _connector(self, endpoint: Registered) -> aiohttp.TCPConnector:
        rules = rules_of(endpoint, self.config.targets)
        return checked_connector(endpoint.config.url, rules, resolver=aiohttp.ThreadedResolver(), limit=0)

    def _listen_to_signals(self) -> None:
        with suppress(RuntimeError, ValueError):  # not the main thread: somebody else's process
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
            # one that came while all this was opened comes now
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def _hang_up(self) -> None:
        self._start(self._reload_by_signal(), "reload by SIGHUP")

    async def _reload_by_signal(self) -> None:
        with suppress(ConfigurationError):  # it was logged
            await self.reload(by_signal=True)

    def _start(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
