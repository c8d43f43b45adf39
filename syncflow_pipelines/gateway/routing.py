"""Which endpoint a name leads to, and what one process knows of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import aiohttp
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.gateway.breaker import Breaker, State, probe_timeout_of
from syncflow_pipelines.gateway.fallbacks import Fallback
from syncflow_pipelines.gateway.limits import Gate
from syncflow_pipelines.gateway.model import Problem, Registered, Status
from syncflow_pipelines.gateway.proxy.upstream import Upstream
from syncflow_pipelines.gateway.retries import RetryBudget
from syncflow_pipelines.gateway.statistics import Statistics

BreakerChanged = Callable[[EndpointConfig, State, State], None]
"""Hears the old and the new state; must neither wait nor fail."""

_UNTOLD: Final[BreakerChanged] = lambda config, before, after: None  # noqa: E731


class Route:
    """One endpoint in one process. It is kept while the registry changes around it, and so is all that it counts."""

    def __init__(self, registered: Registered, on_breaker: BreakerChanged = _UNTOLD) -> None:
        config = registered.config
        self.registered, self.config = registered, config
        self.breaker = Breaker(
            config.breaker,
            on_change=lambda before, after: on_breaker(config, before, after),
            probe_timeout_s=probe_timeout_of(config.timeouts),
        )
        self.gate = Gate(config.limits)
        self.budget = RetryBudget(config.retries)
        self.statistics = Statistics()
        self.fallback = Fallback(config.breaker.fallback)
        self.upstream: Upstream | None = None
        """None until the first request."""
        self.websocket_connector: aiohttp.BaseConnector | None = None
        """None until the first WebSocket."""
        url = URL(config.url, encoded=True)
        self.base_path = url.raw_path.rstrip("/").encode("latin-1")
        self.authority = (url.raw_authority or "").rpartition("@")[2].encode("latin-1")
        methods = {*config.methods, *(("HEAD",) if "GET" in config.methods else ())} - {"TRACE", "CONNECT"}
        self.methods = frozenset(methods)
        self.allow = ", ".join(sorted(methods)).encode("latin-1")
        self.failure_statuses = config.breaker.failure_statuses

    @property
    def key(self) -> str:
        return self.config.key

    def target(self, rest: bytes) -> bytes:
        """What the upstream is asked for: the configured path, and `rest` as it came."""
        target = self.base_path + rest
        return target if target.startswith(b"/") else b"/" + target

    async def close(self) -> None:
        """Ends its connections, those in use as well."""
        if self.upstream is not None:
            await self.upstream.close()
        if self.websocket_connector is not None:
            await self.websocket_connector.close()


@dataclass(frozen=True, slots=True)
class Routes:
    """What all names lead to at one moment. It never changes: a new one takes its place."""

    by_name: Mapping[str, Route | Problem] = field(default_factory=lambda: MappingProxyType({}))
    """`name` and `name@version`; a problem where the endpoint is not asked now."""
    config: GatewayConfig = field(default_factory=GatewayConfig)

    @classmethod
    def build(
        cls,
        registered: Iterable[Registered],
        config: GatewayConfig,
        previous: "Routes | None" = None,
        on_breaker: BreakerChanged = _UNTOLD,
    ) -> "Routes":
        """Routes of `previous` whose endpoints, and the rules for where they may lead, are the same are kept."""
        known = previous.by_key() if previous and previous.config.targets == config.targets else {}
        by_name: dict[str, Route | Problem] = {}
        for one in registered:
            leads_to = _inactive(one) or _kept(known.get(one.config.key), one) or Route(one, on_breaker)
            by_name[one.config.key] = leads_to
            if one.is_current:
                by_name[one.config.name] = leads_to
        return cls(MappingProxyType(by_name), config)

    def find(self, name: str) -> Route | None:
        """None: unknown, or not asked now."""
        found = self.by_name.get(name)
        return found if isinstance(found, Route) else None

    def by_key(self) -> dict[str, Route]:
        """Every route once, by `name@version`."""
        return {route.key: route for route in self.by_name.values() if isinstance(route, Route)}


def _kept(route: Route | None, registered: Registered) -> Route | None:
    if route is None or route.config != registered.config or route.registered.origin != registered.origin:
        return None
    return route


def _inactive(registered: Registered) -> Problem | None:
    if registered.status is Status.ACTIVE and not registered.config.disabled:
        return None
    name = registered.config.key
    more = {"endpoint": name}
    if registered.status is Status.INACTIVE:
        detail = f"{name} was switched off over the API; PUT /registry/endpoints/{{name}}/status switches it on"
        return Problem(503, "endpoint-inactive", "The endpoint is switched off", detail, more=more)
    detail = f"{name} is disabled in its configuration"
    return Problem(503, "endpoint-disabled", "The endpoint is disabled", detail, more=more)
