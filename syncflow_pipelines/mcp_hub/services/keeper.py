"""Keeps the generated servers in step with their folder, without a restart."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastmcp.tools.base import Tool

from syncflow_pipelines.mcp_hub.answers import ServiceAnswer
from syncflow_pipelines.mcp_hub.services.folder import GeneratedModule, Mark, mark, modules
from syncflow_pipelines.mcp_hub.services.loading import NotLoaded, load_server
from syncflow_pipelines.mcp_hub.services.naming import HubNames
from syncflow_pipelines.mcp_hub.services.served import ServedServer

LOOK_EVERY_S = 1.0
FIRST_PATIENCE_S = 30.0
"""How long a client waits for modules that are loaded for the first time; then it gets what is there."""
PATIENCE_S = 2.0
"""How long it waits for those that replace others."""
LOAD_LIMIT_S = 60.0
"""Of one module; the others go on then."""
RESERVED = "syncflow"
"""How the names of SyncFlow's own tools begin."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """One generated module, and what is served of it."""

    module: GeneratedModule
    """The newest."""
    served: ServedServer | None
    """Of an older module, where the newest does not work."""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """All tools of all services, under their names in the hub."""

    servers: Mapping[str, ServedServer] = field(default_factory=dict)
    names: HubNames = field(default_factory=lambda: HubNames(()))

    @property
    def listed_bytes(self) -> int:
        """Of the tools that the servers list, in an answer to `tools/list`."""
        return sum(
            server.offered_bytes + len(server.offered) * (len(service) + 1) for service, server in self.servers.items()
        )

    def offered(self) -> list[Tool]:
        """What the servers list by themselves."""
        return [self._named(service, tool) for service, one in self.servers.items() for tool in one.offered.values()]

    async def all_tools(self) -> list[Tool]:
        """Every operation of every service, in the place of the searches that some offer."""
        return [
            self._named(service, tool)
            for service, one in self.servers.items()
            for tool in (await one.all_tools()).values()
        ]

    async def find(self, name: str) -> Tool | None:
        """The tool of that name, listed or not."""
        for service in self.names.candidates(name):
            server = self.servers[service]
            found = self._among(service, server.offered, name)
            found = found or self._among(service, await server.all_tools(), name)
            if found is not None:
                return self._named(service, found)
        return None

    def _among(self, service: str, tools: Mapping[str, Tool], name: str) -> Tool | None:
        plain = tools.get(name.removeprefix(f"{service}_"))
        if plain and self.names.name(service, plain.name) == name:
            return plain
        return next((tool for tool in tools.values() if self.names.name(service, tool.name) == name), None)

    def _named(self, service: str, tool: Tool) -> Tool:
        return tool.model_copy(update={"name": self.names.name(service, tool.name)})


class Keeper:
    """The servers of one folder; `only` names the modules that are wanted, None all of them.

    Lives in one event loop, between `start` and `stop`. The folder may be absent, and come later.
    """

    def __init__(self, folder: Path, only: Collection[str] | None = None, reserved: Collection[str] = ()) -> None:
        self.folder = folder
        self.on_change: Callable[[], Awaitable[None]] | None = None
        """Is called when other tools are offered than before, but for the first ones."""
        self.offer = Offer()
        self._only = None if only is None else frozenset(only)
        self._reserved = reserved
        self._services: dict[str, Service] = {}
        self._mark: Mark | None = None
        self._looked_s = 0.0
        self._context = contextvars.Context()
        self._looking: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to load, and to watch."""
        self._context = contextvars.copy_context()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends every server."""
        for task in (self._watching, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        served = [service.served for service in self._services.values() if service.served]
        self._services, self.offer = {}, Offer()
        for one in served:
            one.retire(at_once=True)
        for one in served:
            await one.ended()

    async def fresh(self) -> Offer:
        """What is offered now: the folder was looked at within the last second, and what it holds is loaded."""
        if self._looking is None and time.monotonic() - self._looked_s < LOOK_EVERY_S and self._mark is not None:
            return self.offer
        await asyncio.wait([self._look()], timeout=FIRST_PATIENCE_S if self._mark is None else PATIENCE_S)
        return self.offer

    def told(self) -> list[ServiceAnswer]:
        """How every service stands, those that were asked for and are not there included."""
        missing = sorted((self._only or frozenset()) - self._services.keys())
        absent = [
            ServiceAnswer(
                service=name,
                status="failed",
                tools=0,
                problem=f"{self.folder.name} has no MCP server of it; run: syncflow generate",
            )
            for name in missing
        ]
        return [_answer(service) for service in self._services.values()] + absent

    def _look(self) -> asyncio.Task[None]:
        """Looks at the folder, unless somebody is at that already. A client that goes away does not stop it."""
        if self._looking is None:
            # In the hub's own context: what a client's request carries is no business of the servers.
            self._looking = asyncio.create_task(self._follow(), context=self._context.copy())
            self._looking.add_done_callback(self._looked)
        return self._looking

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking, self._looked_s = None, time.monotonic()
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("the folder of generated servers could not be followed", exc_info=error)

    async def _watch(self) -> None:
        while True:
            await asyncio.wait([self._look()])
            await asyncio.sleep(LOOK_EVERY_S)

    async def _follow(self) -> None:
        now = await asyncio.to_thread(mark, self.folder)
        if now == self._mark:
            return
        is_first = self._mark is None
        found = await asyncio.to_thread(modules, self.folder)
        wanted = {name: module for name, module in found.items() if self._only is None or name in self._only}
        before = self.offer
        for name in self._services.keys() - wanted.keys():
            self._replace(name, None)
        for name, module in wanted.items():
            known = self._services.get(name)
            if known is None or known.problem or known.module.digest != module.digest:
                self._replace(name, await _loaded(module, known))
        self._mark = now
        if not is_first and self.on_change and self.offer.servers != before.servers:
            await self.on_change()

    def _replace(self, name: str, service: Service | None) -> None:
        old = self._services.pop(name, None)
        if service is not None:
            self._services[name] = service
            self._services = dict(sorted(self._services.items()))
        self.offer = _offer(self._services, self._reserved)  # nobody is sent to a server that is about to end
        if old and old.served and old.served is not (service and service.served):
            old.served.retire()


async def _loaded(module: GeneratedModule, known: Service | None) -> Service:
    """The module as a service. Where it does not work, the one that was served before still is."""
    if module.service == RESERVED:
        problem = f"{RESERVED} is the name of SyncFlow's own tools; give the service another"
        return Service(module, None, problem)
    try:
        started = await asyncio.wait_for(_started(module), LOAD_LIMIT_S)
    except TimeoutError:
        started = NotLoaded(f"{module.file.name} was not loaded within {LOAD_LIMIT_S:.0f} s")
    if isinstance(started, ServedServer):
        return Service(module, started)
    problem = started.problem
    _LOG.error("service %s: %s", module.service, problem)
    return Service(module, known.served if known else None, problem)


async def _started(module: GeneratedModule) -> ServedServer | NotLoaded:
    loaded = await asyncio.to_thread(load_server, module)
    if isinstance(loaded, NotLoaded):
        return loaded
    served = ServedServer(loaded)
    try:
        await served.start()
    except Exception as error:  # noqa: BLE001 - generated code, which must not take the others down with it
        return NotLoaded(f"{module.file.name} cannot be started: {type(error).__name__}: {str(error)[:300]}")
    return served


def _answer(service: Service) -> ServiceAnswer:
    return ServiceAnswer(
        service=service.module.service,
        status=("stale" if service.served else "failed") if service.problem else "served",
        tools=len(service.served.offered) if service.served else 0,
        problem=service.problem,
    )


def _offer(services: Mapping[str, Service], reserved: Collection[str]) -> Offer:
    servers = {name: service.served for name, service in services.items() if service.served}
    return Offer(servers, HubNames(tuple(servers), reserved))
