"""The opening handshake of a WebSocket with an endpoint (RFC 6455, section 4.1)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import (
    BaseConnector,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
)
from multidict import CIMultiDict
from yarl import URL

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""In either direction; as many as uvicorn takes from a client where nothing else is said."""
OWN_HEADERS: Final = frozenset(
    {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-accept"}
)
"""Belong to one handshake: the one with the endpoint has its own. So has the list of subprotocols."""
SUBPROTOCOL_HEADER: Final = b"sec-websocket-protocol"

_MAX_REFUSAL_BYTES: Final = 1024 * 1024
_PING_EVERY_S: Final = 60.0
"""An endpoint that does not answer within half of that is gone."""
_CLOSING_S: Final = 5.0
_AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HandshakeRefused(Exception):
    """The endpoint answered, and not with 101: the answer is the client's."""

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
        super().__init__(status, headers, body)
        self.status, self.headers, self.body = status, headers, body


@dataclass(frozen=True, slots=True)
class Dialled:
    """A WebSocket with an endpoint, open."""

    socket: ClientWebSocketResponse
    headers: tuple[tuple[bytes, bytes], ...]
    """Of its 101, as they came."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it, and is done within a few seconds whatever the endpoint does; a second time does nothing."""
        with suppress(TimeoutError):
            # aiohttp waits for the endpoint's close through everything that is said before.
            async with asyncio.timeout(_CLOSING_S):
                await self.socket.close(code=code, message=reason.encode())


@asynccontextmanager
async def dialled(
    connector: BaseConnector,
    url: URL,
    headers: Iterable[tuple[str, str]],
    subprotocols: Sequence[str],
    timeout_s: float | None,
) -> AsyncIterator[Dialled]:
    """The handshake done, with all that came of it; closed when the block ends.

    `headers` are those of a request to the endpoint, without what belongs to a connection or a handshake. Redirects
    are refusals like others: nobody is asked whom the client did not ask. Raises `HandshakeRefused`, `TimeoutError`,
    and `aiohttp.ClientError`.
    """
    head: list[tuple[tuple[bytes, bytes], ...]] = []

    async def look(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        # Here and nowhere else aiohttp shows an answer before it follows a redirect or drops a body.
        response = await handler(request)
        if response.status != 101:
            raise HandshakeRefused(response.status, response.raw_headers, await _body_of(response))
        head.append(response.raw_headers)
        return response

    async with ClientSession(
        connector=connector,
        connector_owner=False,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_AUTOMATIC,
        timeout=ClientTimeout(total=None),
        middlewares=(look,),
    ) as session:
        async with asyncio.timeout(timeout_s):
            socket = await session.ws_connect(
                url,
                headers=CIMultiDict(headers),
                protocols=subprotocols,
                autoclose=False,
                heartbeat=_PING_EVERY_S,
                max_msg_size=MAX_MESSAGE_BYTES,
                timeout=ClientWSTimeout(ws_close=_CLOSING_S),
            )
        upstream = Dialled(socket, head[-1])
        try:
            yield upstream
        finally:
            await upstream.close()


async def _body_of(response: ClientResponse) -> bytes:
    """The body; nothing where it is longer than anybody reads, and the connection is not used again then."""
    body = await response.content.read(_MAX_REFUSAL_BYTES)
    while body and len(body) <= _MAX_REFUSAL_BYTES and (more := await response.content.read(_MAX_REFUSAL_BYTES)):
        body += more
    if len(body) > _MAX_REFUSAL_BYTES:
        response.close()
        return b""
    response.release()
    return body
