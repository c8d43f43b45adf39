"""WebSockets: the handshake with the endpoint comes first, and the client is told what came of it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from syncflow_pipelines.gateway.breaker import Permit
from syncflow_pipelines.gateway.model import Problem
from syncflow_pipelines.gateway.proxy import problems
from syncflow_pipelines.gateway.proxy.forwarding import REQUEST_ID, VIA
from syncflow_pipelines.gateway.proxy.handshake import OWN_HEADERS, Dialled, Handshake, HandshakeRefused, failure_of
from syncflow_pipelines.gateway.proxy.headers import response_headers
from syncflow_pipelines.gateway.proxy.passage import Receive, Send
from syncflow_pipelines.gateway.proxy.relaying import relay
from syncflow_pipelines.gateway.proxy.request import Request
from syncflow_pipelines.gateway.proxy.upstream import trust_of
from syncflow_pipelines.gateway.routing import Route

_GONE: Final = 499
"""The status of a client that went away before it was told anything, in figures alone."""
_RESPONSE: Final = "websocket.http.response"

_KNOWN_STATUSES: Final = frozenset(map(int, HTTPStatus))


class Refusing:
    """Says over a WebSocket that is not open yet what is sent to it as an HTTP answer; where the server cannot, it
    says 403."""

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        self._can_answer, self._send = _RESPONSE in (scope.get("extensions") or {}), send

    async def __call__(self, message: Mapping[str, Any]) -> None:
        if self._can_answer:
            await self._send({**message, "type": f"websocket.{message['type']}"})
        elif message["type"] == "http.response.start":
            await self._send({"type": "websocket.close"})


class WebSocketPassage:
    """One WebSocket between a client and an endpoint. Used once: `run` comes back when it is closed.

    To the limits it is a request in flight as long as it is open; to the breaker and in the statistics, its handshake
    is what counts. It has no fallback: 503 is what is said while the breaker is open.
    """

    def __init__(
        self,
        route: Route,
        connector: aiohttp.BaseConnector,
        request: Request,
        scope: Mapping[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        self._route, self._connector, self._request, self._scope = route, connector, request, scope
        self._receive, self._send, self._refusing = receive, send, Refusing(scope, send)
        self._clock = asyncio.get_running_loop().time
        self._began_at, self._seconds = self._clock(), 0.0
        self._status = _GONE
        self._error: str | None = None

    async def run(self) -> None:
        """The first message of the client, which asks for the connection, has been received."""
        self._route.statistics.started()
        try:
            await self._enter()
        except OSError:
            pass  # the client went away while it was told something
        finally:
            seconds = self._seconds or self._clock() - self._began_at
            self._route.statistics.ended(self._status, seconds, self._error)

    async def _enter(self) -> None:
        route = self._route
        permit = route.breaker.acquire()
        if permit is None:
            route.statistics.refused("breaker")
            await self._refuse(problems.breaker_open(route.key, route.breaker.retry_after_s))
            return
        refusal = route.gate.enter()
        if refusal is not None:
            permit.released()
            route.statistics.refused(refusal.reason)
            await self._refuse(problems.refused(refusal, route.key))
            return
        try:
            await self._pass(permit)
        finally:
            route.gate.leave()
            permit.released()

    async def _pass(self, permit: Permit) -> None:
        leaving = asyncio.ensure_future(self._receive())
        try:
            async with AsyncExitStack() as stack:
                upstream = await self._dial(permit, stack, leaving)
                if upstream is not None:
                    await self._connect(upstream, leaving)
        finally:
            leaving.cancel()

    async def _dial(
        self, permit: Permit, stack: AsyncExitStack, leaving: "asyncio.Future[Mapping[str, Any]]"
    ) -> Dialled | None:
        """The endpoint's end, open; None where there is none, and the client was told so if it is still there."""
        dialling = asyncio.ensure_future(stack.enter_async_context(self._handshake().made()))
        try:
            await asyncio.wait((dialling, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not dialling.done():
                return None
            upstream = dialling.result()
        except HandshakeRefused as refused:
            await self._pass_on(refused, permit)
        except (aiohttp.ClientError, OSError) as error:
            permit.failed()
            problem = failure_of(error).problem(self._route.key)
            self._error = f"{problem.kind}: {problem.detail}"
            await self._refuse(problem)
        else:
            permit.succeeded()
            return upstream
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
        return None

    def _handshake(self) -> Handshake:
        route, request = self._route, self._request
        target, authority = route.target(request.rest).decode("latin-1"), route.authority.decode("latin-1")
        onward = _onward(request)
        headers = CIMultiDict((_text(name), _text(value)) for name, value in onward if name not in OWN_HEADERS)
        if route.config.preserve_host and request.head.host:
            headers["host"] = _text(request.head.host)
        return Handshake(
            self._connector,
            URL(f"{route.config.url.partition(':')[0]}://{authority}{target}", encoded=True),
            headers,
            tuple(self._scope.get("subprotocols") or ()),
            route.config.timeouts,
            trust_of(route.config),
        )

    async def _connect(self, upstream: Dialled, leaving: "asyncio.Future[Mapping[str, Any]]") -> None:
        headers = response_headers(upstream.headers, self._request.id, 101)
        passed = [header for header in headers if header[0] not in OWN_HEADERS and header[0] != b"date"]
        await self._send({"type": "websocket.accept", "subprotocol": upstream.socket.protocol, "headers": passed})
        self._status, self._seconds = 101, self._clock() - self._began_at
        farewell = await relay(leaving, self._receive, self._send, upstream)
        if farewell.is_broken:
            self._error = farewell.reason

    async def _pass_on(self, refused: HandshakeRefused, permit: Permit) -> None:
        if refused.status in self._route.failure_statuses:
            permit.failed()
        else:
            permit.succeeded()
        self._status = _sayable(refused.status)
        headers = response_headers(refused.headers, self._request.id, refused.status)
        await self._refusing({"type": "http.response.start", "status": self._status, "headers": headers})
        await self._refusing({"type": "http.response.body", "body": refused.body})

    async def _refuse(self, problem: Problem) -> None:
        self._status = problem.status
        await problems.say(problem, self._request.id, self._refusing)


def _onward(request: Request) -> Iterator[tuple[bytes, bytes]]:
    """The headers for the endpoint, as those of an HTTP request."""
    for line in (*request.head.lines, *request.forwarding.split(b"\r\n")):
        name, colon, value = line.partition(b": ")
        if colon:
            yield name, value
    yield b"via", request.head.via + b", " + VIA if request.head.via else VIA
    yield REQUEST_ID, request.id


def _text(value: bytes) -> str:
    """As aiohttp writes it: in UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _sayable(status: int) -> int:
    """The status, or what one that the server has no words for counts as (RFC 9110, section 15)."""
    if status in _KNOWN_STATUSES:
        return status
    return status // 100 * 100 if 400 <= status < 600 else HTTPStatus.BAD_GATEWAY
