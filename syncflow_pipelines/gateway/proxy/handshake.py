"""The opening handshake of a WebSocket with an endpoint (RFC 6455, section 4.1)."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from aiohttp import (
    BaseConnector,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    ServerTimeoutError,
)
from multidict import CIMultiDict
from yarl import URL

from syncflow_pipelines.config.gateway import TimeoutConfig
from syncflow_pipelines.gateway.proxy.failures import (
    CONNECT_TIMEOUT,
    DISCONNECTED,
    FORBIDDEN,
    READ_TIMEOUT,
    UNKNOWN_HOST,
    UNREACHABLE,
    UNREADABLE,
    UNTRUSTED,
    Failure,
)
from syncflow_pipelines.gateway.registry.targets import TargetRefused

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""In either direction; as many as uvicorn takes from a client where nothing else is said."""
OWN_HEADERS: Final = frozenset(
    {
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
        b"sec-websocket-accept",
        b"sec-websocket-protocol",
    }
)
"""Belong to one handshake: the one with the endpoint has its own, for the subprotocols that the client offers."""

_MAX_REFUSAL_BYTES: Final = 1024 * 1024
_KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence, seconds between probes, and their number: by then the endpoint's machine is gone. aiohttp's own
pings would hold each WebSocket for a minute after its end, and take an endpoint that is held up for a dead one."""
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


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is asked of an endpoint, and how long it may take to answer."""

    connector: BaseConnector
    url: URL
    headers: CIMultiDict[str]
    """Those of a request to the endpoint, without what belongs to a connection or a handshake."""
    subprotocols: Sequence[str]
    timeouts: TimeoutConfig
    trust: SSLContext | bool

    @asynccontextmanager
    async def made(self) -> AsyncIterator[Dialled]:
        """The handshake done, and what came of it; closed when the block ends.

        Redirects are refusals like others: nobody is asked whom the client did not ask. Raises `HandshakeRefused`, and
        what `failure_of` knows.
        """
        heads: list[tuple[tuple[bytes, bytes], ...]] = []

        async def look(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            # Here and nowhere else aiohttp shows an answer before it follows a redirect or drops a body.
            response = await handler(request)
            if response.status != 101:
                raise HandshakeRefused(response.status, response.raw_headers, await _body_of(response))
            heads.append(response.raw_headers)
            return response

        async with self._session(look) as session:
            async with asyncio.timeout(self._timeout_s):
                websocket = await session.ws_connect(
                    self.url,
                    headers=self.headers,
                    protocols=self.subprotocols,
                    autoclose=False,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=ClientWSTimeout(ws_close=_CLOSING_S),
                    ssl=self.trust,
                )
            _keep_alive(websocket)
            upstream = Dialled(websocket, heads[-1])
            try:
                yield upstream
            finally:
                await upstream.close()

    def _session(self, look: ClientMiddlewareType) -> ClientSession:
        return ClientSession(
            connector=self.connector,
            connector_owner=False,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AUTOMATIC,
            timeout=ClientTimeout(total=None, connect=self.timeouts.connect_s),
            middlewares=(look,),
        )

    @property
    def _timeout_s(self) -> float | None:
        timeouts = self.timeouts
        answer_s = None if timeouts.read_s is None else timeouts.connect_s + timeouts.read_s
        return min((limit_s for limit_s in (timeouts.total_s, answer_s) if limit_s is not None), default=None)


def _keep_alive(websocket: ClientWebSocketResponse) -> None:
    peer = websocket.get_extra_info("socket")
    with suppress(OSError, AttributeError):  # it is gone already
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):  # not on every system
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def failure_of(error: ClientError | OSError) -> Failure:
    """Why there is no WebSocket: of what `Handshake.made` raises, whatever is no answer."""
    if isinstance(getattr(error, "os_error", error), TargetRefused):
        return FORBIDDEN
    for kind, failure in _FAILURES.items():
        if isinstance(error, kind):
            return failure
    return UNREADABLE


_FAILURES: Final[dict[type[Exception], Failure]] = {
    ServerTimeoutError: CONNECT_TIMEOUT,
    TimeoutError: READ_TIMEOUT,
    ClientConnectorDNSError: UNKNOWN_HOST,
    ClientSSLError: UNTRUSTED,
    ClientConnectorError: UNREACHABLE,
    ConnectionError: DISCONNECTED,
    ServerDisconnectedError: DISCONNECTED,
    OSError: UNREACHABLE,
}
"""The first that fits."""


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
