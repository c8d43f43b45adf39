"""WebSockets through the gateway: uvicorn, a real endpoint, and clients that do what clients do."""

import asyncio
import gc
import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from syncflow_pipelines.config.gateway import LimitConfig
from syncflow_pipelines.gateway.proxy.handshake import Dialled
from syncflow_pipelines.gateway.proxy.relaying import relay
from syncflow_pipelines_tests.server.websocket_world import (
    CHAT,
    echo,
    talking,
    until,
    within,
    world,
)


def test_messages_of_either_kind_and_any_size_go_both_ways_in_order() -> None:
    async def story() -> None:
        said: list[str | bytes] = ["", "hällo", b"", b"\x00\xff", "x" * 70_000, bytes(5_000_000), "last"]
        async with world(talking(echo)) as chat, chat.connect(max_msg_size=0) as client:
            for message in said:
                await (client.send_str(message) if isinstance(message, str) else client.send_bytes(message))
            assert [(await client.receive()).data for _ in said] == said

    within(story())


def test_a_message_in_fragments_arrives_whole() -> None:
    async def story() -> None:
        async with world(talking(echo)) as chat, chat.connect() as client:
            writer = client._writer
            for opcode, part, last in ((1, b"one ", 0), (0, b"and ", 0), (0, b"the same", 0x80)):
                writer.transport.write(struct.pack("!BBI", opcode | last, 0x80 | len(part), 0) + part)
            assert (await client.receive()).data == "one and the same"

    within(story())


def test_the_handshake_is_passed_on_with_its_headers_path_and_subprotocols() -> None:
    async def story() -> None:
        headers = {"Authorization": "Bearer me", "Origin": "https://page.example", "X-API-Key": "k"}
        async with world(talking(echo)) as chat:
            async with chat.connect(headers=headers, protocols=("v1.chat", "v2.chat")) as client:
                assert client.protocol == "v2.chat"
                assert client._response.headers["Set-Cookie"] == "a=b"
            (arrived,) = chat.arrived
            assert arrived.raw_path == "/base/rooms/a%2Fb?x=%20"
            assert all(arrived.headers[name] == value for name, value in headers.items())
            assert arrived.headers["Sec-WebSocket-Protocol"] == "v1.chat,v2.chat"
            assert "Sec-WebSocket-Extensions" not in arrived.headers
            assert (arrived.headers["Via"], arrived.headers["X-Forwarded-For"]) == ("1.1 syncflow", "127.0.0.1")

    within(story())


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "leaving"), (1011, "ä"), (3000, "x" * 123), (4999, "")]
)
def test_a_close_of_the_client_is_the_close_that_the_endpoint_sees(code: int, reason: str) -> None:
    async def story() -> None:
        seen: asyncio.Queue[Any] = asyncio.Queue()

        async def talk(endpoint: web.WebSocketResponse) -> None:
            await seen.put(await endpoint.receive())
            await endpoint.close()

        async with world(talking(talk)) as chat, chat.connect() as client:
            await client.close(code=code, message=reason.encode())
            message = await seen.get()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, reason)

    within(story())


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (1008, "no"), (1013, "later"), (4001, "ä" * 50)])
def test_a_close_of_the_endpoint_is_the_close_that_the_client_sees(code: int, reason: str) -> None:
    async def story() -> None:
        async def talk(endpoint: web.WebSocketResponse) -> None:
            await endpoint.send_str("first")
            await endpoint.close(code=code, message=reason.encode())

        async with world(talking(talk)) as chat, chat.connect(autoclose=False) as client:
            assert (await client.receive()).data == "first"
            message = await client.receive()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, reason)
            await client.close()
            await until(lambda: chat.route.statistics.snapshot().in_flight == 0)
            assert chat.route.statistics.snapshot().by_status == {101: 1}
            assert chat.route.statistics.snapshot().errors == 0

    within(story())


def test_a_client_that_vanishes_has_gone_away_for_the_endpoint() -> None:
    async def story() -> None:
        seen: asyncio.Queue[Any] = asyncio.Queue()

        async def talk(endpoint: web.WebSocketResponse) -> None:
            await seen.put(await endpoint.receive())
            await endpoint.close()

        async with world(talking(talk)) as chat, chat.connect() as client:
            client._writer.transport.abort()
            assert (await seen.get()).data == 1001

    within(story())


def test_a_client_that_breaks_the_protocol_closes_both_ends(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        seen: asyncio.Queue[Any] = asyncio.Queue()

        async def talk(endpoint: web.WebSocketResponse) -> None:
            pouring = asyncio.create_task(_pour(endpoint))
            await seen.put(await endpoint.receive())
            pouring.cancel()
            await endpoint.close()

        async with world(talking(talk)) as chat, chat.connect() as client:
            assert (await client.receive()).type is WSMsgType.BINARY
            client._writer.transport.write(b"\x83\x00")  # an opcode that nobody knows, and not masked
            assert (await seen.get()).data == 1002
            await until(lambda: chat.route.gate.in_flight == 0)

    within(story())
    assert capsys.readouterr().err == ""


async def _pour(endpoint: web.WebSocketResponse) -> None:
    while True:
        await endpoint.send_bytes(bytes(65_536))


def test_an_endpoint_that_breaks_off_is_a_bad_gateway_for_the_client() -> None:
    async def story() -> None:
        async def talk(endpoint: web.WebSocketResponse) -> None:
            await endpoint.send_str("first")
            endpoint._req.transport.abort()  # type: ignore[union-attr]

        async with world(talking(talk)) as chat, chat.connect() as client:
            assert (await client.receive()).data == "first"
            assert (await client.receive()).data == 1014
            await until(lambda: chat.route.statistics.snapshot().errors == 1)

    within(story())


def test_a_message_that_is_too_large_closes_with_the_code_for_it() -> None:
    async def story() -> None:
        async def talk(endpoint: web.WebSocketResponse) -> None:
            with suppress(ConnectionError):
                await endpoint.send_bytes(bytes(17 * 2**20))
                await endpoint.receive()

        async with world(talking(talk)) as chat, chat.connect() as client:
            assert (await client.receive()).data == 1009

    within(story())


def test_an_open_websocket_takes_a_place_until_it_is_closed() -> None:
    async def story() -> None:
        async with world(talking(echo), replace(CHAT, limits=LimitConfig(max_concurrent=1))) as chat:
            async with chat.connect():
                status, body, headers = await chat.refused()
                assert (status, headers["retry-after"]) == (503, "1")
                assert json.loads(body)["instance"] == headers["x-request-id"]
            await until(lambda: chat.route.gate.in_flight == 0)
            async with chat.connect() as client:
                await client.send_str("again")
                assert (await client.receive()).data == "again"

    within(story())


@pytest.mark.parametrize("slow", ["client", "endpoint"])
def test_who_does_not_read_holds_up_who_writes(slow: str) -> None:
    async def story() -> None:
        sent = 0
        released = asyncio.Event()

        async def pour(out: Any) -> None:
            nonlocal sent
            while not released.is_set():
                await out.send_bytes(bytes(65_536))
                sent += 1
                await asyncio.sleep(0)

        async def talk(endpoint: web.WebSocketResponse) -> None:
            await (pour(endpoint) if slow == "client" else released.wait())
            endpoint._req.transport.abort()  # type: ignore[union-attr]

        async with world(talking(talk)) as chat, chat.connect() as client:
            pouring = asyncio.create_task(pour(client) if slow == "endpoint" else asyncio.sleep(3600))
            await until(lambda: sent > 0)
            before = -1
            while sent != before:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.3)
            assert sent * 65_536 < 64 * 2**20
            pouring.cancel()
            released.set()
            client._writer.transport.abort()

    within(story())


def test_a_ping_is_answered_and_leaves_the_talk_alone() -> None:
    async def story() -> None:
        async with world(talking(echo)) as chat, chat.connect(autoping=False) as client:
            await client.ping(b"here?")
            message = await client.receive()
            assert (message.type, message.data) == (WSMsgType.PONG, b"here?")
            await client.send_str("yes")
            assert (await client.receive()).data == "yes"

    within(story())


def test_nothing_is_held_of_a_websocket_that_has_ended() -> None:
    async def story() -> None:
        async with world(talking(echo)) as chat:
            for code in range(4000, 4010):
                async with chat.connect() as client:
                    await client.close(code=code)
            del client
            await until(lambda: chat.route.gate.in_flight == 0)
            chat.arrived.clear()
            await until(lambda: not _open_ends())

    within(story())


def _open_ends() -> list[object]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, aiohttp.ClientWebSocketResponse)]


def test_an_endpoint_that_stops_reading_is_left_and_the_client_is_told() -> None:
    async def story() -> None:
        released, told = asyncio.Event(), []

        async def talk(endpoint: web.WebSocketResponse) -> None:
            await released.wait()
            endpoint._req.transport.abort()  # type: ignore[union-attr]

        async def receive() -> Mapping[str, Any]:
            return {"type": "websocket.receive", "bytes": bytes(1_000_000)}

        async def send(message: Any) -> None:
            told.append((message["type"], message["code"]))

        async with world(talking(talk)) as chat, chat.client.ws_connect(chat.route.config.url) as socket:
            first = asyncio.ensure_future(receive())
            relaying = asyncio.create_task(relay(first, receive, send, Dialled(socket, ()), stalled_s=0.3))
            await until(lambda: bool(told))
            released.set()
            farewell = await relaying
            assert (told, farewell.is_broken) == ([("websocket.close", 1014)], True)

    within(story())


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_client_that_cannot_be_written_to_has_gone_away(error: type[Exception]) -> None:
    async def story() -> None:
        seen: asyncio.Queue[Any] = asyncio.Queue()

        async def talk(endpoint: web.WebSocketResponse) -> None:
            await endpoint.send_str("hello")
            await seen.put(await endpoint.receive())
            await endpoint.close()

        async def receive() -> Mapping[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        async def send(_: Any) -> None:
            raise error

        async with world(talking(talk)) as chat:
            async with chat.client.ws_connect(chat.route.config.url, autoclose=False) as socket:
                farewell = await relay(asyncio.ensure_future(receive()), receive, send, Dialled(socket, ()))
            assert farewell.is_of_client
            assert (await seen.get()).data == 1001

    within(story())
