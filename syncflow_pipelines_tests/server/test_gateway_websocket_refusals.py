"""WebSockets that do not come to be: what the client is told, and what it says of the endpoint."""

import asyncio
import json
import socket
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from syncflow_pipelines.config.gateway import BreakerConfig, TargetRules, TimeoutConfig
from syncflow_pipelines.gateway.model import Registered
from syncflow_pipelines.gateway.registry.targets import checked_connector
from syncflow_pipelines_tests.server.websocket_world import (
    CHAT,
    Handler,
    echo,
    gateway,
    refused,
    talking,
    until,
    within,
    world,
)


def _answering(answer: web.Response) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return answer

    return handler


@pytest.mark.parametrize("status", [200, 302, 401, 404, 426, 503])
def test_a_refusal_of_the_endpoint_is_the_answer_and_no_redirect_is_followed(status: int) -> None:
    async def story() -> None:
        headers = {"WWW-Authenticate": "Bearer", "Location": "/elsewhere", "X-Reason": "1"}
        async with world(_answering(web.Response(status=status, text="why not", headers=headers))) as chat:
            answered, body, answer_headers = await chat.refused()
            assert (answered, body) == (status, b"why not")
            assert {name.lower(): value for name, value in headers.items()}.items() <= answer_headers.items()
            assert len(chat.arrived) == 1
            assert chat.route.breaker.consecutive_failures == (status == 503)
            assert chat.route.statistics.snapshot().by_status == {status: 1}

    within(story())


@pytest.mark.parametrize(("status", "told"), [(499, 400), (520, 500), (799, 502)])
def test_a_status_that_the_server_has_no_words_for_is_told_as_its_kind(status: int, told: int) -> None:
    async def story() -> None:
        async with world(_answering(web.Response(status=status, reason="Odd", text="why not"))) as chat:
            answered, body, _ = await chat.refused()
            assert (answered, body) == (told, b"why not")
            assert chat.route.statistics.snapshot().by_status == {told: 1}

    within(story())


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", "upstream-disconnected"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "upstream-protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "upstream-protocol"),
        (
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: of somebody else\r\n\r\n"
            ),
            "upstream-protocol",
        ),
    ],
)
def test_an_endpoint_that_speaks_something_else_is_a_bad_gateway(said: bytes, kind: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with gateway(upstream) as (url, route), aiohttp.ClientSession() as client:
                status, body, _ = await refused(client, url)
                assert (status, json.loads(body)["type"]) == (502, f"urn:syncflow:problem:{kind}")
                assert route.breaker.consecutive_failures == 1

    within(story())


def test_a_websocket_leads_nowhere_that_a_request_may_not_lead() -> None:
    def checked(registered: Registered) -> aiohttp.TCPConnector:
        return checked_connector(registered.config.url, TargetRules(), limit=0)

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as secret:
            upstream = f"http://127.0.0.1:{secret.getsockname()[1]}"
            async with gateway(upstream, CHAT, checked) as (url, _), aiohttp.ClientSession() as client:
                status, body, _ = await refused(client, url)
                assert (status, json.loads(body)["type"]) == (502, "urn:syncflow:problem:upstream-forbidden")

    within(story())


def test_an_endpoint_that_is_not_there_opens_the_breaker_and_is_not_asked_then() -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        config = replace(CHAT, breaker=BreakerConfig(failure_threshold=2, reset_timeout_s=60))
        async with gateway(f"http://127.0.0.1:{port}", config) as (url, route), aiohttp.ClientSession() as client:
            statuses = []
            for _ in range(3):
                with pytest.raises(aiohttp.WSServerHandshakeError) as ended:
                    await client.ws_connect(url)
                statuses.append(ended.value.status)
            assert statuses == [502, 502, 503]
            assert ended.value.headers is not None
            assert ended.value.headers["Retry-After"] == "60"
            assert ended.value.headers["X-Syncflow-Problem"] == "1"
            assert route.statistics.snapshot().refused == {"breaker": 1}
            assert route.gate.in_flight == 0

    within(story())


def test_an_endpoint_that_does_not_answer_the_handshake_is_given_up() -> None:
    async def story() -> None:
        async def silent(_: web.Request) -> web.StreamResponse:
            await asyncio.Event().wait()
            raise AssertionError

        config = replace(CHAT, timeouts=TimeoutConfig(connect_s=0.1, read_s=0.1))
        async with world(silent, config) as chat:
            status, body, _ = await chat.refused()
            assert (status, json.loads(body)["type"]) == (504, "urn:syncflow:problem:upstream-timeout")
            assert chat.route.breaker.consecutive_failures == 1

    within(story())


def test_a_client_that_leaves_during_the_handshake_ends_it_and_says_nothing_of_the_endpoint() -> None:
    async def story() -> None:
        cancelled = asyncio.Event()

        async def silent(_: web.Request) -> web.StreamResponse:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        async with world(silent) as chat:
            asking = asyncio.create_task(chat.refused())
            await until(lambda: len(chat.arrived) == 1)
            asking.cancel()
            await cancelled.wait()
            await until(lambda: chat.route.statistics.snapshot().in_flight == 0)
            assert chat.route.statistics.snapshot().by_status == {499: 1}
            assert chat.route.breaker.consecutive_failures == 0

    within(story())


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [("/orchestrator/nobody/x", 404, "unknown-endpoint"), ("/orchestrator/chat/%2e%2e/x", 400, "path-leaves-base")],
)
def test_a_websocket_that_leads_nowhere_is_answered_as_a_request_would_be(path: str, status: int, kind: str) -> None:
    async def story() -> None:
        async with world(talking(echo)) as chat:
            answered, body, _ = await chat.refused(path)
            assert (answered, json.loads(body)["type"]) == (status, f"urn:syncflow:problem:{kind}")
            assert chat.arrived == []

    within(story())


def test_an_endpoint_without_get_has_no_websockets() -> None:
    async def story() -> None:
        async with world(talking(echo), replace(CHAT, methods=("POST",))) as chat:
            status, _, headers = await chat.refused()
            assert (status, headers["allow"]) == (405, "POST")

    within(story())
