"""`/router`: where requests go, and why one does not get there."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from syncflow_pipelines.gateway.control.dependencies import (
    ADMITTED,
    EVERYWHERE,
    NO_SUCH_ENDPOINT,
    TheEndpoint,
    TheGateway,
)
from syncflow_pipelines.gateway.control.describing import route_document
from syncflow_pipelines.gateway.control.documents import BreakerState, Refreshed, RouteDebug, RouteTable, RouteTest
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.model import Registered, Status
from syncflow_pipelines.gateway.proxy.paths import PREFIX, leaves_base, place_of

router = APIRouter(prefix="/router", tags=["router"], dependencies=ADMITTED, responses=EVERYWHERE)

RestOfPath = Annotated[str, Path(description="What follows the endpoint's name.", examples=["some/path"])]


@router.get("/routes", operation_id="listRoutes")
async def list_routes(gateway: TheGateway) -> RouteTable:
    """List the active routes."""
    routes = [route_document(one) for one in gateway.registry.endpoints() if one.status is Status.ACTIVE]
    return RouteTable(routes=routes, total=len(routes))


@router.get("/test/{name}", operation_id="testRoute", responses=NO_SUCH_ENDPOINT)
async def test_route(endpoint: TheEndpoint, gateway: TheGateway) -> RouteTest:
    """Ask the endpoint once, as a health check does, and say what came of it; it counts for nothing."""
    outcome = await gateway.look(endpoint)
    return RouteTest(
        key=endpoint.config.key,
        url=endpoint.config.url,
        reachable=outcome.is_good,
        latency_ms=round(outcome.latency_ms, 2),
        error=outcome.error,
    )


@router.post("/refresh", operation_id="refreshRoutes")
async def refresh_routes(gateway: TheGateway) -> Refreshed:
    """Make the routes anew from the registry. They follow it by themselves; this is for whoever doubts that."""
    gateway.refresh()
    endpoints = gateway.registry.endpoints()
    return Refreshed(routes=sum(one.status is Status.ACTIVE for one in endpoints), endpoints=len(endpoints))


@router.get("/debug/{name}/{path:path}", operation_id="debugRoute")
async def debug_route(
    name: str,
    path: RestOfPath,  # noqa: ARG001 - for the description; what counts is how it was spelled
    request: Request,
    gateway: TheGateway,
) -> RouteDebug:
    """Say where a request with that path would go, without sending one."""
    target = PREFIX + _raw_target(request).removeprefix(b"/router/debug/")
    place = place_of(target)
    endpoint = next((one for one in gateway.registry.endpoints() if _is_called(one, place.name)), None)
    request_path = target.decode("latin-1")
    if endpoint is None:
        reason = f"No endpoint is called {name!r}; GET /router/routes lists all."
        return RouteDebug(request_path=request_path, matched=False, reason=reason)
    return RouteDebug(
        request_path=request_path,
        matched=True,
        key=endpoint.config.key,
        target_url=endpoint.config.url + place.rest.decode("latin-1"),
        methods=list(endpoint.config.methods),
        status=endpoint.status,
        circuit_breaker=_state(gateway, endpoint),
        reason="The path leads upwards: it is refused." if leaves_base(place.rest) else _reason(gateway, endpoint),
    )


def _raw_target(request: Request) -> bytes:
    """What was asked for, byte for byte: that is how it would be passed on."""
    query: bytes = request.scope["query_string"]
    raw_path: bytes = request.scope["raw_path"]
    return raw_path + (b"?" + query if query else b"")


def _is_called(endpoint: Registered, name: str) -> bool:
    return name == endpoint.config.key or (endpoint.is_current and name == endpoint.config.name)


def _state(gateway: Gateway, endpoint: Registered) -> BreakerState | None:
    route = gateway.route(endpoint.config.key)
    return route.breaker.state if route else None


def _reason(gateway: Gateway, endpoint: Registered) -> str:
    key = endpoint.config.key
    if not gateway.switch.is_on:
        return "The feature flag gateway is off: nothing is passed on."
    if endpoint.status is not Status.ACTIVE:
        return f"{key} is {endpoint.status.value}: nothing is passed on to it."
    if _state(gateway, endpoint) == "open":
        return f"The circuit breaker of {key} is open: it is not asked until it may be tried again."
    return "It is passed on."
