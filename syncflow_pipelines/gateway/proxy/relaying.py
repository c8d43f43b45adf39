"""What two ends of a WebSocket say to each other, until one of them closes.

Messages go on whole: how they were cut into frames is each connection's own matter, and so are pings, which the server
and the client library answer themselves. Whoever does not read holds up whoever writes: one message is under way in
each direction, and the rest waits in the sockets.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientWebSocketResponse, WebSocketError, WSCloseCode, WSMessage, WSMsgType

from syncflow_pipelines.gateway.proxy.handshake import Dialled
from syncflow_pipelines.gateway.proxy.passage import Receive, Send

Message = Mapping[str, Any]

_NEVER_SENT: Final = frozenset({1004, 1005, 1006, 1015})
"""Codes that stand for a close that had none (RFC 6455, 7.4.1)."""
_UNWRITABLE: Final = (OSError, RuntimeError)
"""How a server says that the client is gone; uvicorn by the latter while its own close is on the way."""
_LAST_WORD_S: Final = 1.0
STALLED_S: Final = 60.0
"""An endpoint that takes nothing for so long has its WebSocket closed: else a client that vanished meanwhile would go
unnoticed, as nothing is read of it."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """How one end closed, as the other is told."""

    code: int
    reason: str = ""
    is_of_client: bool = False
    is_broken: bool = False
    """The endpoint did not close: the connection broke, or it did not keep to the protocol."""


_CLIENT_VANISHED: Final = Farewell(WSCloseCode.GOING_AWAY, is_of_client=True)
_ENDPOINT_BROKE: Final = Farewell(WSCloseCode.BAD_GATEWAY, "the endpoint's connection broke", is_broken=True)
_ENDPOINT_STALLED: Final = Farewell(WSCloseCode.BAD_GATEWAY, "the endpoint does not read", is_broken=True)
_TOO_LARGE: Final = Farewell(
    WSCloseCode.MESSAGE_TOO_BIG, "the endpoint sent a message that is too large", is_broken=True
)


async def relay(
    first: asyncio.Future[Message],
    receive: Receive,
    send: Send,
    upstream: Dialled,
    *,
    stalled_s: float = STALLED_S,
) -> Farewell:
    """Passes messages on until one end closes, tells the other, and returns what it was told.

    `first`: the client's next message, which somebody is waiting for already.
    """
    outward = asyncio.create_task(_to_endpoint(first, receive, upstream.socket, stalled_s))
    inward = asyncio.create_task(_to_client(send, upstream.socket))
    try:
        farewell = await _first_farewell(outward, inward)
        if not farewell.is_of_client:
            with suppress(*_UNWRITABLE):
                await send({"type": "websocket.close", "code": farewell.code, "reason": farewell.reason})
        await upstream.close(farewell.code, farewell.reason if farewell.is_of_client else "")
        return farewell
    finally:
        outward.cancel()
        inward.cancel()
        await asyncio.gather(outward, inward, return_exceptions=True)


async def _first_farewell(outward: asyncio.Task[Farewell | None], inward: asyncio.Task[Farewell | None]) -> Farewell:
    await asyncio.wait((outward, inward), return_when=asyncio.FIRST_COMPLETED)
    farewell = outward.result() if outward.done() else None
    if farewell is None:
        # Where the endpoint cannot be written to, what is read of it says how it closed.
        farewell = await inward
    if farewell is None:
        # The client cannot be written to. It may be held up by the endpoint, and then nobody knows its last word.
        await asyncio.wait((outward,), timeout=_LAST_WORD_S)
        farewell = outward.result() if outward.done() else None
    return farewell or _CLIENT_VANISHED


async def _to_endpoint(
    first: asyncio.Future[Message], receive: Receive, socket: ClientWebSocketResponse, stalled_s: float
) -> Farewell | None:
    """How the client closed; None where the endpoint cannot be written to."""
    message = await first
    while message["type"] != "websocket.disconnect":
        text = message.get("text")
        try:
            async with asyncio.timeout(stalled_s):
                await (socket.send_str(text) if text is not None else socket.send_bytes(message["bytes"]))
        except ConnectionError:
            return None
        except TimeoutError:
            return _ENDPOINT_STALLED
        message = await receive()
    code, reason = message.get("code", 1005), message.get("reason")
    if code == 1006 or (code == 1005 and reason is None):
        return _CLIENT_VANISHED
    return Farewell(_sendable(code), reason or "", is_of_client=True)


async def _to_client(send: Send, socket: ClientWebSocketResponse) -> Farewell | None:
    """How the endpoint closed; None where the client cannot be written to."""
    while True:
        message = await socket.receive()
        if message.type is WSMsgType.TEXT:
            event = {"type": "websocket.send", "text": message.data}
        elif message.type is WSMsgType.BINARY:
            event = {"type": "websocket.send", "bytes": message.data}
        else:
            return _closed(message)
        try:
            await send(event)
        except _UNWRITABLE:
            return None


def _closed(message: WSMessage) -> Farewell:
    if message.type is WSMsgType.CLOSE:
        return Farewell(_sendable(message.data), message.extra or "")
    error = message.data
    if isinstance(error, WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG:
        return _TOO_LARGE
    return _ENDPOINT_BROKE


def _sendable(code: int) -> int:
    return code if 1000 <= code < 5000 and code not in _NEVER_SENT else WSCloseCode.OK
