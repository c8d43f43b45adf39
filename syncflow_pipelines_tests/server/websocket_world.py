"""An endpoint that speaks WebSocket, the gateway before it, and a client, all in one event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvicorn
from aiohttp import WSMsgType, web
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.gateway.breaker import Breaker
from syncflow_pipelines.gateway.limits import Gate
from syncflow_pipelines.gateway.proxy.websockets import Opening, pass_websocket
from syncflow_pipelines.gateway.statistics import Statistics

PATIENCE_S = 30.0
MOUNT = "/orchestrator/chat"
CHAT = EndpointConfig("chat", "http://chat.invalid")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
_HOP = {b"connection", b"upgrade", b"host", b"transfer-encoding", b"sec-websocket-protocol"}


@dataclass
class Way:
    config: EndpointConfig
    connector: aiohttp.BaseConnector
    breaker: Breaker
    gate: Gate
    statistics: Statistics


@dataclass
class World:
    url: str
    way: Way
    client: aiohttp.ClientSession
    arrived: list[web.Request] = field(default_factory=list)

    def connect(self, **options: Any) -> Any:
        return self.client.ws_connect(self.url, **options)

    async def refused(self) -> tuple[int, bytes, dict[str, str]]:
        """What a handshake is answered that comes to nothing."""
        async with self.client.get(self.url, headers=_HANDSHAKE, allow_redirects=False) as answer:
            return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def talking(talk: Talk) -> Handler:
    """An endpoint that accepts, talks, and is done."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.WebSocketResponse(max_msg_size=0, protocols=("v2.chat",), autoclose=False)
        answer.headers["Set-Cookie"] = "a=b"
        await answer.prepare(request)
        await talk(answer)
        return answer

    return handler


async def echo(endpoint: web.WebSocketResponse) -> None:
    async for message in endpoint:
        if message.type is WSMsgType.TEXT:
            await endpoint.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await endpoint.send_bytes(message.data)
        else:
            await endpoint.close()


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what it waits for is told by nobody
            await asyncio.sleep(0.005)


def within(story: Any) -> None:
    """Runs it, and fails where it does not end."""
    asyncio.run(asyncio.wait_for(story, PATIENCE_S))


@asynccontextmanager
async def world(handler: Handler, config: EndpointConfig = CHAT) -> AsyncIterator[World]:
    arrived: list[web.Request] = []

    async def record(request: web.Request) -> web.StreamResponse:
        arrived.append(request)
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with gateway(upstream, config) as (url, way), aiohttp.ClientSession() as client:
            yield World(url, way, client, arrived)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway(upstream: str, config: EndpointConfig = CHAT) -> AsyncIterator[tuple[str, Way]]:
    """The gateway before whoever listens there: a URL of it, and its way to the endpoint."""
    way = Way(config, aiohttp.TCPConnector(limit=0), Breaker(config.breaker), Gate(config.limits), Statistics())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await pass_websocket(way, _opening(scope, upstream), scope, receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{MOUNT}/rooms/a%2Fb?x=%20", way
    finally:
        server.should_exit = True
        await serving
        await way.connector.close()


def _opening(scope: Any, upstream: str) -> Opening:
    target = f"{scope['raw_path'].decode().removeprefix(MOUNT)}?{scope['query_string'].decode()}"
    headers = tuple((name.decode(), value.decode()) for name, value in _onward(scope["headers"]))
    return Opening(URL(upstream + target, encoded=True), headers, tuple(scope["subprotocols"]), "r1", _onward)


def _onward(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in _HOP]
