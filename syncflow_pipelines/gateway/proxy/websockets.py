"""WebSockets: the handshake with the endpoint comes first, and the client is told what came of it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import BaseConnector, ClientError
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.gateway.breaker import Breaker, Permit
from syncflow_pipelines.gateway.limits import Gate
from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem
from syncflow_pipelines.gateway.proxy.handshake import OWN_HEADERS, Dialled, HandshakeRefused, dialled
from syncflow_pipelines.gateway.proxy.relaying import relay
from syncflow_pipelines.gateway.statistics import Statistics

Headers = Iterable[tuple[bytes, bytes]]

_LEFT: Final = 0
"""The status of a client that went away before it was told anything."""
_RESPONSE_EXTENSION: Final = "websocket.http.response"


class Guarded(Protocol):
    """What is asked of the route to an endpoint."""

    config: EndpointConfig
    breaker: Breaker
    gate: Gate
    statistics: Statistics
    connector: BaseConnector


@dataclass(frozen=True, slots=True)
class Opening:
    """A handshake, as it goes to the endpoint."""

    url: URL
    headers: tuple[tuple[str, str], ...]
    """As those of any request to it. What belongs to one handshake alone is left out here."""
    subprotocols: tuple[str, ...]
    request_id: str
    onward: Callable[[Headers], list[tuple[bytes, bytes]]]
    """What goes on to the client of the headers of an answer, with those that the gateway sets."""


async def pass_websocket(route: Guarded, opening: Opening, scope: Scope, receive: Receive, send: Send) -> None:
    """Serves a WebSocket until one end closes it. Limits and the breaker are asked before the endpoint is.

    To the limits it is a request in flight as long as it is open; to the breaker and in the statistics, its handshake
    is what counts.
    """
    await receive()  # `websocket.connect`, which says nothing that the scope does not
    await _Passage(route, opening, scope, receive, send).run()


class _Passage:
    def __init__(self, route: Guarded, opening: Opening, scope: Scope, receive: Receive, send: Send) -> None:
        self._route, self._opening, self._scope, self._receive, self._send = route, opening, scope, receive, send
        self._began = time.monotonic()
        self._status, self._seconds = _LEFT, 0.0
        self._error: str | None = None

    async def run(self) -> None:
        self._route.statistics.started()
        try:
            await self._enter()
        except OSError:
            pass  # the client went away while it was told something
        finally:
            self._route.statistics.ended(self._status, self._seconds or self._elapsed(), self._error)

    async def _enter(self) -> None:
        refusal = self._route.gate.enter()
        if refusal is not None:
            self._route.statistics.refused(refusal.reason)
            kind = "rate-limited" if refusal.reason == "rate" else "overloaded"
            return await self._refuse(refusal.status, kind, "as much is passed on as may be", refusal.retry_after_s)
        try:
            permit = self._route.breaker.acquire()
            if permit is None:
                self._route.statistics.refused("breaker")
                after_s = self._route.breaker.retry_after_s
                return await self._refuse(503, "circuit-open", "it failed, and is not asked for a while", after_s)
            try:
                await self._pass(permit)
            finally:
                permit.released()
        finally:
            self._route.gate.leave()

    async def _pass(self, permit: Permit) -> None:
        leaving = asyncio.ensure_future(self._receive())
        try:
            async with AsyncExitStack() as stack:
                upstream = await self._dial(permit, stack, leaving)
                if upstream is not None:
                    await self._connect(upstream, leaving)
        finally:
            leaving.cancel()

    async def _dial(self, permit: Permit, stack: AsyncExitStack, leaving: "asyncio.Future[Message]") -> Dialled | None:
        """The endpoint's end, open; None where there is none, and the client was told so if it is still there."""
        dialling = asyncio.ensure_future(stack.enter_async_context(self._dialled()))
        try:
            await asyncio.wait((dialling, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not dialling.done():
                return None
            upstream = dialling.result()
        except HandshakeRefused as refused:
            await self._pass_on(refused, permit)
        except TimeoutError:
            permit.failed()
            await self._fail(504, "upstream-timeout", "it did not answer the handshake in time")
        except (ClientError, OSError):
            permit.failed()
            await self._fail(502, "upstream-unreachable", "it cannot be reached, or does not speak the protocol")
        else:
            permit.succeeded()
            return upstream
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
        return None

    def _dialled(self) -> AbstractAsyncContextManager[Dialled]:
        timeouts, opening = self._route.config.timeouts, self._opening
        timeout_s = timeouts.total_s or (None if timeouts.read_s is None else timeouts.connect_s + timeouts.read_s)
        headers = [(name, value) for name, value in opening.headers if name.encode().lower() not in OWN_HEADERS]
        return dialled(self._route.connector, opening.url, headers, opening.subprotocols, timeout_s)

    async def _connect(self, upstream: Dialled, leaving: "asyncio.Future[Message]") -> None:
        headers = [header for header in self._opening.onward(upstream.headers) if header[0] not in OWN_HEADERS]
        await self._send({"type": "websocket.accept", "subprotocol": upstream.socket.protocol, "headers": headers})
        self._status, self._seconds = 101, self._elapsed()
        farewell = await relay(leaving, self._receive, self._send, upstream)
        if farewell.is_broken:
            self._error = farewell.reason

    async def _pass_on(self, refused: HandshakeRefused, permit: Permit) -> None:
        if refused.status in self._route.config.breaker.failure_statuses:
            permit.failed()
        else:
            permit.succeeded()
        await self._answer(refused.status, self._opening.onward(refused.headers), refused.body)

    async def _fail(self, status: int, kind: str, why: str) -> None:
        self._error = f"{self._route.config.key}: {why}"
        await self._refuse(status, kind, why)

    async def _refuse(self, status: int, kind: str, why: str, retry_after_s: float | None = None) -> None:
        problem = Problem(status, kind, "No WebSocket", f"{self._route.config.key} is not connected to: {why}.")
        headers = [(b"content-type", b"application/problem+json"), PROBLEM_MARK]
        if retry_after_s is not None:
            headers.append((b"retry-after", str(max(1, round(retry_after_s))).encode()))
        await self._answer(status, headers, problem.body(self._opening.request_id))

    async def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Says it in HTTP where the server can; where it cannot, it says 403."""
        self._status = status
        if _RESPONSE_EXTENSION not in (self._scope.get("extensions") or {}):
            await self._send({"type": "websocket.close"})
            return
        await self._send({"type": f"{_RESPONSE_EXTENSION}.start", "status": status, "headers": headers})
        await self._send({"type": f"{_RESPONSE_EXTENSION}.body", "body": body})

    def _elapsed(self) -> float:
        return time.monotonic() - self._began
