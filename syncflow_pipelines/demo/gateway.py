"""The gateway for a moment, before the demo services: a request through it, a check, and an endpoint that is dead."""

import asyncio
import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.gateway import BreakerConfig, EndpointConfig, GatewayConfig
from syncflow_pipelines.demo.serving import listen, serve_in_thread
from syncflow_pipelines.gateway.health import CheckOutcome
from syncflow_pipelines.gateway.health.probe import look
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.proxy.data_plane import DataPlane
from syncflow_pipelines.gateway.registry.targets import checked_connector, rules_of
from syncflow_pipelines.gateway.root import Root
from syncflow_pipelines.gateway.routing import Routes
from syncflow_pipelines.gateway.switch import Switch
from syncflow_pipelines.transport.detour import PROBLEM_HEADER

FAILURES: Final = 3
"""That open the breaker of the dead endpoint."""
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A request to the gateway."""

    asked: str
    times: int
    status: int
    told: str
    """The answer's first words, or what the gateway said itself."""
    breaker: str
    """How the endpoint's breaker stood afterwards."""


@dataclass(frozen=True, slots=True)
class GatewayReport:
    check: CheckOutcome
    passages: tuple[Passage, ...]

    @property
    def mistakes(self) -> tuple[str, ...]:
        """What is not as it must be."""
        found = [(one.status, one.breaker) for one in self.passages]
        if self.check.is_good and found == [(200, "closed"), (502, "open"), (503, "open")]:
            return ()
        return (f"the gateway did not pass on, give up and answer by itself: {found}; {self.check.error or 'healthy'}",)


def look_at_gateway(settings: Settings, services_url: str) -> GatewayReport:
    """Serves a gateway to the demo services from a thread, and uses it. Nothing of it stays."""
    with closing(listen("127.0.0.1", 0)) as nobody:
        dead_url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    parcels = _endpoint("parcels", f"{services_url}/parcels")
    dead = _endpoint("dead", dead_url)
    config = GatewayConfig(breaker=dead.config.breaker)
    plane = DataPlane(config, lambda of: checked_connector(of.config.url, rules_of(of, config.targets)))
    root = Root(plane, plane, Switch(settings), _Life(plane, Routes.build((parcels, dead), config)))
    with serve_in_thread(root, has_lifespan=True) as url:
        passages = (
            _pass(plane, url, "parcels", "/health", 1),
            _pass(plane, url, "dead", "/", FAILURES),
            _pass(plane, url, "dead", "/", 1),
        )
    check = asyncio.run(look(parcels, config.targets, _TIMEOUT_S))
    return GatewayReport(check, passages)


def _endpoint(name: str, url: str) -> Registered:
    breaker = BreakerConfig(failure_threshold=FAILURES)
    config = EndpointConfig(name, url, health_check_path="/health", breaker=breaker)
    now = datetime.now(UTC)
    return Registered(config, Origin.FILE, Status.ACTIVE, True, 1, now, now)


@dataclass(frozen=True, slots=True)
class _Life:
    """Of the data plane: it takes its routes when it starts, and lets go of its connections at the end."""

    plane: DataPlane
    routes: Routes

    async def open(self) -> None:
        self.plane.routes = self.routes

    async def close(self) -> None:
        await self.plane.close()


def _pass(plane: DataPlane, url: str, name: str, path: str, times: int) -> Passage:
    answers = [_ask(url, f"/orchestrator/{name}{path}") for _ in range(times)]
    status, told = answers[-1]
    route = plane.routes.find(name)
    assert route is not None
    return Passage(f"GET /orchestrator/{name}{path}", times, status, told, route.breaker.state)


def _ask(url: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return answer.status, _said(answer, text)


def _said(answer: http.client.HTTPResponse, text: str) -> str:
    return str(json.loads(text)["detail"]) if answer.headers[PROBLEM_HEADER] else text[:60]
