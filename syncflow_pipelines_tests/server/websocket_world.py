"""An endpoint that speaks WebSocket, the gateway before it, and a client, all in one event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import uvicorn
from aiohttp import WSMsgType, web
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.gateway.proxy.data_plane import ConnectorFactory, DataPlane
from syncflow_pipelines.gateway.proxy.http_protocol import http_protocol
from syncflow_pipelines.gateway.routing import Route, Routes
from syncflow_pipelines_tests.server.gateway_world import open_connector, registered

PATIENCE_S = 30.0
CHAT = EndpointConfig("chat", "http://chat.invalid")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass
class World:
    url: str
    route: Route
    client: aiohttp.ClientSession
    arrived: list[web.Request] = field(default_factory=list)

    def connect(self, **options: Any) -> Any:
        return self.client.ws_connect(self.url, **options)

    async def refused(self, path: str | None = None) -> tuple[int, bytes, dict[str, str]]:
        """What a handshake is answered that comes to nothing."""
        url = self.url if path is None else str(URL(self.url).origin()) + path
        return await refused(self.client, url)


async def refused(client: aiohttp.ClientSession, url: str) -> tuple[int, bytes, dict[str, str]]:
    async with client.get(URL(url, encoded=True), headers=_HANDSHAKE, allow_redirects=False) as answer:
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
        async with gateway(upstream, config) as (url, route), aiohttp.ClientSession() as client:
            yield World(url, route, client, arrived)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway(
    upstream: str, config: EndpointConfig = CHAT, connectors: ConnectorFactory = open_connector
) -> AsyncIterator[tuple[str, Route]]:
    """The data plane before whoever listens there: a URL of it, and its route to the endpoint."""
    plane, listener = DataPlane(GatewayConfig(), connectors), socket.create_server(("127.0.0.1", 0))
    plane.routes = Routes.build([registered(replace(config, url=f"{upstream}/base"))], GatewayConfig())
    plain: dict[str, Any] = {
        "lifespan": "off",
        "log_level": "error",
        "proxy_headers": False,
        "server_header": False,
    }
    server = uvicorn.Server(uvicorn.Config(plane, http=http_protocol(65_536), **plain))
    serving = asyncio.create_task(server.serve([listener]))
    route = plane.routes.find("chat")
    assert route is not None
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/orchestrator/chat/rooms/a%2Fb?x=%20", route
    finally:
        server.should_exit = True
        await serving
        await plane.close()
