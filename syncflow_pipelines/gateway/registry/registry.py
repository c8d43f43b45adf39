"""The endpoints that this process passes requests on to, and who may change them."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from syncflow_pipelines.config import ServiceConfig, Settings, load_services
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_endpoint import RegistrationSection, read_endpoint, said_of
from syncflow_pipelines.database import open_database
from syncflow_pipelines.database.gateway_endpoints import RegistryState
from syncflow_pipelines.errors import ConfigurationError, DatabaseError, EndpointRefused, UnknownEndpoint
from syncflow_pipelines.events.threads import beside
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.registry import changes
from syncflow_pipelines.gateway.registry.changes import Declared
from syncflow_pipelines.gateway.registry.following import Change, Follower, change_registry
from syncflow_pipelines.gateway.registry.report import Reader, RegistryStats, SyncReport, compared, counted
from syncflow_pipelines.gateway.registry.targets import refusal_of

PATIENCE_S: Final = 30.0
"""How long a change may take: PostgreSQL may be there, and not answer."""
ENDING_S: Final = 2.0
"""How long is waited for the thread that follows: it may be just connecting."""

Endpoints = tuple[Registered, ...]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sync:
    """What the configuration says, as a change of the registry."""

    declared: Declared
    since: datetime

    def __call__(self, state: RegistryState) -> RegistryState:
        return changes.declare(state, self.declared, self.since)


class Registry:
    """The endpoints of the file, those that were registered over the API, and the services that are endpoints.

    They are kept in PostgreSQL, and every process that has a registry agrees with the others within a second. While
    PostgreSQL is away, what was known stays in force, or, where nothing was known, what the file says; changes raise
    `DatabaseError` then. To be used in one event loop; open it and close it, or use it as an asynchronous context
    manager.
    """

    def __init__(self, settings: Settings, config: GatewayConfig) -> None:
        self._settings, self._config, self._reader = settings, config, Reader(config)
        self._state = RegistryState()
        self._sync: _Sync | None = None
        self._endpoints: Endpoints = ()
        self._by_reference: dict[str, Registered] = {}
        self._callbacks: list[Callable[[Endpoints], object]] = []
        self._error: str | None = "PostgreSQL was not reached yet"
        self._settled = asyncio.Event()
        self._follower: Follower | None = None

    async def open(self, patience_s: float = 5.0) -> None:
        """Syncs with the file, and follows from then on.

        Where PostgreSQL does not answer within that time, it goes on with what the file says, and the rest comes when
        PostgreSQL is there. Raises `ConfigurationError` where the services cannot be read.
        """
        loop = asyncio.get_running_loop()
        self._sync = _Sync(await self._declared(self._config), datetime.now(UTC))
        self._show()

        def soon(function: Callable[..., object], *arguments: object) -> None:
            with suppress(RuntimeError):  # the loop has ended; nobody waits any more
                loop.call_soon_threadsafe(function, *arguments)

        self._follower = Follower(
            self._settings,
            partial(soon, self._take),
            partial(soon, self._note),
            lambda: self._sync,
            partial(soon, self._has_synced),
        )
        self._follower.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._settled.wait()

    async def close(self) -> None:
        """Follows no longer; the endpoints stay as they are."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.end()
            await beside(partial(follower.join, ENDING_S))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def config(self) -> GatewayConfig:
        """What is in force."""
        return self._config

    def endpoints(self) -> Endpoints:
        """All endpoints, by name and version."""
        return self._endpoints

    def find(self, reference: str) -> Registered:
        """The endpoint of `name@version`, or the current version of a name. Raises `UnknownEndpoint`."""
        found = self._by_reference.get(reference)
        if found is None:
            raise UnknownEndpoint(f"no endpoint {reference!r} is registered")
        return found

    def subscribe(self, callback: Callable[[Endpoints], object]) -> Callable[[], None]:
        """Has the callback called in the event loop with all endpoints, whenever one has changed, here or elsewhere.

        Call the result to end that.
        """
        self._callbacks = [*self._callbacks, callback]

        def unsubscribe() -> None:
            self._callbacks = [each for each in self._callbacks if each is not callback]

        return unsubscribe

    def stats(self) -> RegistryStats:
        """How the registry stands here."""
        by_status, by_origin = counted(self._endpoints)
        return RegistryStats(
            endpoints=len(self._endpoints),
            names=len({endpoint.config.name for endpoint in self._endpoints}),
            by_status=by_status,
            by_origin=by_origin,
            revision=self._state.revision,
            is_connected=self._error is None,
            error=self._error,
            synced_at=self._state.synced_at,
            is_file_in_force=(self._state.file_digest or "") == self._config.digest,
        )

    async def register(self, said: RegistrationSection) -> Registered:
        """Registers an endpoint, which becomes the current version of its name; the endpoint as it is now.

        One that is registered already with the same configuration is left as it is. Raises `EndpointTaken`,
        `EndpointRefused` where it may not lead there, `ConfigurationError` and `DatabaseError`.
        """
        endpoint = self._allowed(said)
        now, values = datetime.now(UTC), said_of(endpoint, self._config)
        await self._change(lambda state: changes.register(state, values, Origin.API, now))
        return self.find(endpoint.key)

    async def update(self, reference: str, said: RegistrationSection, revision: int | None = None) -> Registered:
        """Gives an endpoint that was registered over the API another configuration; the endpoint as it is now.

        With a revision, only where it is the one that the endpoint has. Raises as `register` does, and
        `UnknownEndpoint` and `EndpointChanged`.
        """
        endpoint = self._allowed(said)
        now, values = datetime.now(UTC), said_of(endpoint, self._config)
        await self._change(lambda state: changes.update(state, reference, values, now, revision))
        return self.find(endpoint.key)

    async def set_status(self, reference: str, status: Status, revision: int | None = None) -> Registered:
        """Switches an endpoint on or off, whoever registered it; the endpoint as it is now.

        Raises `UnknownEndpoint`, `EndpointChanged`, `EndpointRefused` where its configuration disables it, and
        `DatabaseError`.
        """
        now = datetime.now(UTC)
        state = await self._change(lambda state: changes.set_status(state, reference, status, now, revision))
        return self.find(changes.find(state, reference).key)

    async def make_current(self, reference: str, revision: int | None = None) -> Registered:
        """Makes `name@version` what the name alone stands for; the endpoint as it is now. Raises as `set_status`."""
        now = datetime.now(UTC)
        state = await self._change(lambda state: changes.make_current(state, reference, now, revision))
        return self.find(changes.find(state, reference).key)

    async def unregister(self, reference: str, revision: int | None = None) -> None:
        """Removes an endpoint that was registered over the API.

        Raises `UnknownEndpoint`, `EndpointTaken`, `EndpointChanged` and `DatabaseError`.
        """
        await self._change(lambda state: changes.unregister(state, reference, revision))

    async def register_service(self, name: str, base_url: str, spec_file: Path) -> Registered:
        """Makes a service an endpoint, or has it lead where the service is now: an `EndpointManager` of `asgi`.

        Raises `ConfigurationError` and `DatabaseError`.
        """
        key, now = EndpointConfig(name, base_url).key, datetime.now(UTC)
        said = {"name": name, "url": base_url, "version": "v1", "service": name}
        read_endpoint(said, self._config, RegistrationSection)
        _LOG.debug("the service %s, which %s describes, becomes an endpoint", name, spec_file)
        await self._change(lambda state: changes.relocate_service(state, said, now))
        return self.find(key)

    async def sync_with_file(self) -> SyncReport:
        """Brings the registry to what the configuration in force says, and what came of it.

        What was registered over the API stays. Raises `DatabaseError`, and `ConfigurationError` where the services
        cannot be read; nothing is changed then.
        """
        waiting, sync = self._sync, _Sync(await self._declared(self._config), datetime.now(UTC))
        before, after = await self._write(sync)
        self._has_synced(self._sync, after)
        return _compared(before, after, waiting)

    async def configure(self, config: GatewayConfig) -> SyncReport:
        """Puts another configuration in force, and syncs with it.

        Where PostgreSQL is away, this process goes by it all the same, and the report says so. Raises
        `ConfigurationError` where the services cannot be read, or the file is gone; nothing is changed then.
        """
        if self._config.digest and not config.digest:
            raise ConfigurationError(
                "the gateway's file is not there any more, so what it said stays; put it back, or leave an empty one "
                "where no endpoint is to be left"
            )
        sync, shown = _Sync(await self._declared(config), datetime.now(UTC)), self._shown()
        waiting = self._sync
        self._config, self._reader, self._sync = config, Reader(config), sync
        self._show()
        try:
            before, after = await self._write(sync)
        except DatabaseError as error:
            return replace(compared(shown, self._shown()), waits_because=str(error))
        self._has_synced(sync, after)
        return _compared(before, after, waiting)

    def _allowed(self, said: RegistrationSection) -> EndpointConfig:
        endpoint = read_endpoint(said.model_dump(mode="json", exclude_unset=True), self._config, RegistrationSection)
        refusal = refusal_of(endpoint.url, self._config.targets)
        if refusal is not None:
            raise EndpointRefused(refusal)
        return endpoint

    async def _declared(self, config: GatewayConfig) -> Declared:
        services = None
        if config.register_services:
            found = await beside(partial(load_services, self._settings))
            services = tuple(_service_said(one, config) for one in found.services if one.enabled)
        return Declared(tuple(said_of(endpoint, config) for endpoint in config.endpoints), services, config.digest)

    async def _change(self, change: Change) -> RegistryState:
        _, after = await self._write(change)
        self._take(after, False)
        return after

    async def _write(self, change: Change) -> tuple[RegistryState, RegistryState]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await beside(partial(_write, self._settings, change))
        except TimeoutError as error:
            raise DatabaseError(
                f"PostgreSQL did not answer within {PATIENCE_S:g} s; whether the registry was changed shows later"
            ) from error

    def _take(self, state: RegistryState, is_fresh: bool) -> None:
        """The registry as it is in PostgreSQL now, unless something newer is known of it."""
        if not is_fresh and state.revision < self._state.revision:
            return
        self._state = state
        self._show()

    def _note(self, error: str | None) -> None:
        self._error = error
        if error is None:
            self._settled.set()

    def _has_synced(self, sync: Change | None, state: RegistryState) -> None:
        if sync is self._sync:
            self._sync = None
        self._take(state, False)

    def _shown(self) -> RegistryState:
        return self._sync(self._state) if self._sync else self._state

    def _show(self) -> None:
        endpoints = self._reader.endpoints(self._shown())
        if endpoints == self._endpoints:
            return
        self._endpoints = endpoints
        self._by_reference = {endpoint.config.key: endpoint for endpoint in endpoints}
        self._by_reference |= {endpoint.config.name: endpoint for endpoint in endpoints if endpoint.is_current}
        for callback in self._callbacks:
            try:
                callback(endpoints)
            except Exception:  # noqa: BLE001 - of somebody else; the others are told all the same
                _LOG.exception("a subscriber of the gateway's registry")


def _compared(before: RegistryState, after: RegistryState, waiting: _Sync | None) -> SyncReport:
    """What a sync has changed of what is in force here, where an earlier one may still have waited to be written."""
    return compared(waiting(before) if waiting else before, after)


def _write(settings: Settings, change: Change) -> tuple[RegistryState, RegistryState]:
    with open_database(settings, max_connections=1) as database:
        return change_registry(database, change)


def _service_said(service: ServiceConfig, config: GatewayConfig) -> Mapping[str, Any]:
    endpoint = EndpointConfig(
        name=service.name,
        url=service.base_url,
        description=service.description,
        health_check_path=service.health_path,
        ca_file=service.ca_file,
        service=service.name,
    )
    return said_of(_inherited(endpoint, config), config)


def _inherited(endpoint: EndpointConfig, config: GatewayConfig) -> EndpointConfig:
    """The endpoint with what holds for all where nothing else is said."""
    return replace(
        endpoint, breaker=config.breaker, timeouts=config.timeouts, limits=config.limits, retries=config.retries
    )
