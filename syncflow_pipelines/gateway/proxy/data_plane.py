"""The ASGI application that passes requests on: `/orchestrator/{name}/{path}`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import quote

import aiohttp

from syncflow_pipelines.config.gateway import GatewayConfig
from syncflow_pipelines.gateway.fallbacks import FALLBACK_HEADER, Answer
from syncflow_pipelines.gateway.model import Problem, Registered
from syncflow_pipelines.gateway.proxy import problems
from syncflow_pipelines.gateway.proxy.forwarding import MAX_HOPS, VIA, Forwarding, hops, new_request_id
from syncflow_pipelines.gateway.proxy.framing import refusal_of
from syncflow_pipelines.gateway.proxy.passage import Passage, Receive, Send
from syncflow_pipelines.gateway.proxy.paths import leaves_base, place_of
from syncflow_pipelines.gateway.proxy.request import Request, read
from syncflow_pipelines.gateway.proxy.upstream import Upstream
from syncflow_pipelines.gateway.proxy.websockets import Refusing, WebSocketPassage
from syncflow_pipelines.gateway.routing import Route, Routes

Scope = Mapping[str, Any]
Header = tuple[bytes, bytes]
ConnectorFactory = Callable[[Registered], aiohttp.TCPConnector]
"""Makes what connects to an endpoint, and to nothing that the endpoint must not lead to. One for each endpoint."""


class DataPlane:
    """Belongs to one event loop."""

    def __init__(self, config: GatewayConfig, connector_factory: ConnectorFactory) -> None:
        self._connect = connector_factory
        self._routes = Routes(config=config)
        self._forwarding = Forwarding(config.trusted_proxies)
        self._closing: set[asyncio.Task[None]] = set()
        self._retired: dict[int, Route] = {}
        self.in_flight = 0
        """Requests and WebSockets."""

    @property
    def routes(self) -> Routes:
        return self._routes

    @routes.setter
    def routes(self, routes: Routes) -> None:
        """Requests in flight end on the routes that they began on, whose connections are closed after them."""
        kept = {id(route) for route in routes.by_key().values()}
        gone = [route for route in self._routes.by_key().values() if id(route) not in kept]
        if routes.config.trusted_proxies != self._routes.config.trusted_proxies:
            self._forwarding = Forwarding(routes.config.trusted_proxies)
        self._routes = routes
        for route in gone:
            self._retired[id(route)] = route
            self._close_if_idle(route)

    @property
    def is_idle(self) -> bool:
        return not self.in_flight

    async def close(self) -> None:
        """Ends all connections to endpoints, those in use as well."""
        routes = [*self._routes.by_key().values(), *self._retired.values()]
        self._retired.clear()
        await asyncio.gather(*(route.close() for route in routes), *self._closing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request whose path begins with `/orchestrator/`."""
        self.in_flight += 1
        try:
            await (self._serve_websocket if scope["type"] == "websocket" else self._serve)(scope, receive, send)
        finally:
            self.in_flight -= 1

    def locate(self, scope: Scope) -> tuple[Route, Request] | Problem:
        """Where the request or WebSocket leads, or why nowhere. Methods, breakers and limits are not looked at."""
        target: bytes = scope.get("syncflow.target") or _target_of(scope)
        path, mark, query = target.partition(b"?")
        place = place_of(path)
        found = self._routes.by_name.get(place.name)
        if found is None:
            return problems.unknown_endpoint(place.name)
        if isinstance(found, Problem):
            return found
        if leaves_base(place.rest):
            return problems.PATH_LEAVES_BASE
        request = read(scope, place.rest + mark + query, self._forwarding)
        if request.head.via and hops(request.head.via) >= MAX_HOPS:
            return problems.LOOP
        return found, request

    def upstream(self, route: Route) -> Upstream:
        if route.upstream is None:
            route.upstream = Upstream(route.config, self._connect(route.registered))
        return route.upstream

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        located = self.locate(scope)
        if isinstance(located, Problem):
            await problems.say(located, new_request_id(), send)
            return
        route, request = located
        refusal = _refusal_of(route, request, scope)
        if refusal is not None:
            await problems.say(refusal, request.id, send)
            return
        await self._pass_on(route, request, receive, send)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # `websocket.connect`, which says nothing that the scope does not
        located = self.locate(scope)
        if isinstance(located, Problem):
            await problems.say(located, new_request_id(), Refusing(scope, send))
            return
        route, request = located
        if "GET" not in route.methods:
            refusal = problems.method_not_allowed("WebSockets", route.key, route.allow)
            await problems.say(refusal, request.id, Refusing(scope, send))
            return
        if route.websocket_connector is None:
            route.websocket_connector = self._connect(route.registered)
        try:
            await WebSocketPassage(route, route.websocket_connector, request, scope, receive, send).run()
        finally:
            self._close_if_idle(route)

    async def _pass_on(
        self, route: Route, request: Request, receive: Receive, send: Send, marks: tuple[Header, ...] = ()
    ) -> int:
        """Within the breaker and the limits of the endpoint, and counted; returns what the client was told."""
        clock = asyncio.get_running_loop().time
        began_at, passage, status = clock(), None, 0
        route.statistics.started()
        try:
            permit = route.breaker.acquire()
            if permit is None:
                route.statistics.refused("breaker")
                status = await self._fall_back(route, request, receive, send, may_ask_other=not marks)
                return status
            refusal = route.gate.enter()
            if refusal is not None:
                permit.released()
                route.statistics.refused(refusal.reason)
                status = await _say(problems.refused(refusal, route.key), request, send)
                return status
            route.budget.note_request()
            passage = Passage(route, self.upstream(route), request, receive, send)
            try:
                await passage.run(permit, marks)
            finally:
                route.gate.leave()
                self._close_if_idle(route)
            return passage.status
        finally:
            error = passage.error if passage is not None else None
            route.statistics.ended(passage.status if passage is not None else status, clock() - began_at, error)

    async def _fall_back(
        self, route: Route, request: Request, receive: Receive, send: Send, *, may_ask_other: bool
    ) -> int:
        fallback = route.fallback
        answer = fallback.answer(request.method, request.rest, request.headers)
        if answer is not None:
            route.statistics.fell_back(fallback.strategy)
            await _give(answer, request, send)
            return answer.status
        other = self._routes.find(fallback.alternate) if fallback.alternate and may_ask_other else None
        if other is not None and other is not route and request.method in other.methods:
            route.statistics.fell_back(fallback.strategy)
            return await self._pass_on(other, request, receive, send, ((FALLBACK_HEADER, b"alternate"),))
        return await _say(problems.breaker_open(route.key, route.breaker.retry_after_s), request, send)

    def _close_if_idle(self, route: Route) -> None:
        if self._retired and id(route) in self._retired and not route.gate.in_flight:
            del self._retired[id(route)]
            task = asyncio.get_running_loop().create_task(route.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _target_of(scope: Scope) -> bytes:
    """Where the server does not tell what was asked for byte for byte."""
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    query = cast("bytes", scope.get("query_string", b""))
    return raw_path + (b"?" + query if query else b"")


def _refusal_of(route: Route, request: Request, scope: Scope) -> Problem | None:
    if request.method not in route.methods:
        return problems.method_not_allowed(request.method, route.key, route.allow)
    if request.exchange is None:
        refusal = refusal_of(b"/", request.headers, "1.1" if scope["http_version"] != "1.0" else "1.0")
        if refusal is not None:
            return refusal
    most, length = route.config.limits.max_body_bytes, request.head.length
    if most is not None and length is not None and int(length) > most:
        route.statistics.refused("body")
        return problems.body_too_large(route.key, most)
    return None


async def _say(problem: Problem, request: Request, send: Send) -> int:
    await problems.say(problem, request.id, send)
    return problem.status


async def _give(answer: Answer, request: Request, send: Send) -> None:
    headers = [header for header in answer.headers if header[0] not in (b"via", b"x-request-id")]
    headers += [(b"via", VIA), (b"x-request-id", request.id)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if request.method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})
