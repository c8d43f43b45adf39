"""One attempt of one request: a connection, the redirects, the body, its encodings."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TypeVar

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.transport.address import redirected
from syncflow_pipelines.transport.encoding import ACCEPT_ENCODING, TooLarge, TornEncoding, UnknownEncoding, decoded
from syncflow_pipelines.transport.latencies import Latencies
from syncflow_pipelines.transport.pool import Pool
from syncflow_pipelines.transport.retry import Trouble
from syncflow_pipelines.transport.wire import (
    Connection,
    Limits,
    ProxyRefused,
    Route,
    TooManyBytes,
    WaitedLongEnough,
    proxy_headers,
)

MAX_REDIRECTS = 5

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE = 1024 * 1024
_ERROR_BODY_BYTES = 64 * 1024
"""Read of an answer that is an error; enough for the sentence in it."""
_HEADER_BYTES = 1024 * 1024
"""Headers, chunk sizes and trailers that come on top of a body."""

_STALE = (ConnectionError, ssl.SSLError)
"""How a connection ends that the server closed while it was idle."""


T = TypeVar("T")


class ReplyTooLarge(SourceProtocolError):
    """The source's reply is larger than what is read of one."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it came, its body without content encodings."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_framed: bool = True
    """False where nothing but the end of the connection says that the body is complete."""


class Exchanger:
    """Sends requests over pooled connections and reads the replies whole. Thread-safe."""

    def __init__(
        self,
        route: Route,
        headers: Mapping[str, str],
        *,
        limits: Limits,
        max_connections: int,
        max_body_bytes: int,
        too_large: type[SourceProtocolError] = SourceProtocolError,
    ) -> None:
        self._route = route
        self._too_large_error = too_large
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "User-Agent": "syncflow",
            **headers,
        }
        self._limits = limits
        self._max_body_bytes = max_body_bytes
        self._pool = Pool(max_connections, limits.cancelled)
        self._lock = threading.Lock()
        self.requests = 0
        self.received_bytes = 0
        self.latencies = Latencies()

    def fetch(self, target: str, conditions: Mapping[str, str]) -> RawReply:
        """The reply to a GET of `target`, redirects within the origin followed. Raises `Trouble`.

        `conditions` are headers that may make it a 304.
        """
        for _ in range(MAX_REDIRECTS + 1):
            reply = self.visit(target, conditions)
            if reply.status not in REDIRECTS:
                return reply
            target = self._follow(target, reply)
        raise too_many_redirects()

    def visit(self, target: str, conditions: Mapping[str, str]) -> RawReply:
        """The reply to a GET of `target`, be it a redirect. Raises `Trouble`."""
        detour = self._route.detour
        sent = target if detour is None else detour.target(target)
        reply = self._decoded(self._translated(lambda: self._exchange(sent, conditions)))
        if detour is not None:
            detour.examine(reply.status, reply.headers, reply.body)
        return reply

    def status(self, target: str) -> int:
        """The status of the reply to a GET of `target`; its body is not read. Raises `Trouble`."""
        detour = self._route.detour
        sent = target if detour is None else detour.target(target)
        reply = self._translated(lambda: self._head(sent))
        if detour is not None:
            detour.examine(reply.status, reply.headers, reply.body)
        return reply.status

    def close(self) -> None:
        self._pool.close()

    def _follow(self, target: str, reply: RawReply) -> str:
        origin, new_target = redirected(self._route.origin, target, reply.headers.get("location"))
        if origin != self._route.origin:
            where = f"to {origin}" if origin else "to nowhere that can be read"
            raise Trouble(
                f"it answered {reply.status} and redirects {where}; credentials are not sent to another origin, "
                "so set base_url to where the API is",
                error=SourceProtocolError,
                hopeless=True,
            )
        return new_target

    def _translated(self, exchange: Callable[[], T]) -> T:
        """What the exchange gives, with every failure of the network as a `Trouble`."""
        try:
            return exchange()
        except (TooManyBytes, TooLarge) as cause:
            raise self._too_large() from cause
        except ProxyRefused as cause:
            raise Trouble(str(cause)) from cause
        except OSError as cause:
            raise Trouble(_reason(cause)) from cause
        except http.client.IncompleteRead as cause:
            raise Trouble("the reply was cut off") from cause
        except (http.client.HTTPException, ValueError) as cause:
            raise Trouble(f"the reply is not HTTP ({type(cause).__name__})") from cause

    def _head(self, target: str) -> RawReply:
        self._count(requests=1)
        with self._pool.slot():
            connection = self._connect()
            try:
                connection.request("GET", self._request_line(target), headers=self._request_headers({}))
                with connection.getresponse() as response:
                    return RawReply(response.status, _lower_case(response), b"")
            finally:
                connection.close()

    def _exchange(self, target: str, conditions: Mapping[str, str]) -> RawReply:
        self._count(requests=1)
        with self._pool.slot():
            began = time.monotonic()
            try:
                reply = self._exchange_now(target, conditions)
            except BaseException:
                self.latencies.failed()
                raise
            self.latencies.answered(time.monotonic() - began)
            return reply

    def _exchange_now(self, target: str, conditions: Mapping[str, str]) -> RawReply:
        idle = self._pool.take()
        if idle is not None:
            try:
                return self._converse(idle, target, conditions)
            except _STALE:
                if idle.received:
                    raise
                # The server closed it just when it was used again: no failure, and no attempt.
        return self._converse(self._connect(), target, conditions)

    def _connect(self) -> Connection:
        connection = Connection(self._route, self._limits)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as cause:
            text = f"its certificate is not trusted ({cause.verify_message}); look at base_url and ca_file"
            raise Trouble(text, hopeless=True) from cause
        except OSError as cause:
            host, port = self._route.first_hop
            raise Trouble(f"cannot connect to {host} port {port}: {_reason(cause)}") from cause
        return connection

    def _converse(self, connection: Connection, target: str, conditions: Mapping[str, str]) -> RawReply:
        """One request and its reply; the connection is kept if it can be used again, and closed if not."""
        try:
            connection.begin()
            connection.request("GET", self._request_line(target), headers=self._request_headers(conditions))
            with connection.getresponse() as response:
                reply, is_complete = self._read(response)
                reusable = is_complete and not response.will_close
        except BaseException:
            connection.close()
            raise
        finally:
            self._count(received_bytes=connection.received)
        if reusable:
            self._pool.give(connection)
        else:
            connection.close()
        return reply

    def _request_line(self, target: str) -> str:
        return f"{self._route.server}{target}" if self._is_forwarded() else target

    def _is_forwarded(self) -> bool:
        """Whether a proxy reads the request, rather than passing on what is encrypted."""
        return self._route.proxy is not None and self._route.tls is None

    def _request_headers(self, conditions: Mapping[str, str]) -> dict[str, str]:
        headers = {**self._headers, **conditions}
        if self._route.proxy is not None and self._is_forwarded():
            headers |= proxy_headers(self._route.proxy)
        return headers

    def _read(self, response: http.client.HTTPResponse) -> tuple[RawReply, bool]:
        """The reply, still encoded, and whether it was read to its end."""
        headers = _lower_case(response)
        if response.status == HTTPStatus.OK:
            is_framed = bool(response.chunked) or response.length is not None
            body = _read_body(response, self._max_body_bytes)
            return RawReply(response.status, headers, body, is_framed), True
        try:
            return RawReply(response.status, headers, _read_body(response, _ERROR_BODY_BYTES)), True
        except (TooLarge, TooManyBytes, OSError, ValueError, http.client.HTTPException):
            # The status says enough; what is wrong with the rest of such a reply does not matter.
            return RawReply(response.status, headers, b""), False

    def _decoded(self, reply: RawReply) -> RawReply:
        try:
            body = decoded(reply.body, reply.headers.get("content-encoding", ""), self._max_body_bytes)
        except (UnknownEncoding, TooLarge, TornEncoding) as cause:
            if reply.status == HTTPStatus.OK:
                raise self._undecodable(cause) from cause
            body = b""
        return replace(reply, body=body)

    def _undecodable(self, cause: Exception) -> Trouble:
        if isinstance(cause, TooLarge):
            return self._too_large()
        if isinstance(cause, TornEncoding):
            return Trouble(f"the reply is damaged: {cause}")
        text = f"its reply has the content encoding {cause}; expected one of {ACCEPT_ENCODING}"
        return Trouble(text, error=SourceProtocolError, hopeless=True)

    def _too_large(self) -> Trouble:
        text = f"its reply is larger than {self._max_body_bytes} bytes; ask for smaller pages"
        return Trouble(text, error=self._too_large_error, hopeless=True)

    def _count(self, requests: int = 0, received_bytes: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.received_bytes += received_bytes


def too_many_redirects() -> Trouble:
    """A server that sends callers round in circles."""
    return Trouble(f"it redirects more than {MAX_REDIRECTS} times", error=SourceProtocolError, hopeless=True)


def _reason(error: OSError) -> str:
    if isinstance(error, WaitedLongEnough):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it timed out"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed before a reply came"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    return error.strerror or type(error).__name__


def wire_limit(max_body_bytes: int) -> int:
    """Bytes that a reply may have on the wire when its body may have so many."""
    return 2 * max_body_bytes + _HEADER_BYTES


def _read_body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """The body, still encoded. Raises `TooLarge`, `http.client.IncompleteRead`, and what reading raises."""
    expected = response.length
    if expected is not None and expected > limit:
        raise TooLarge
    pieces: list[bytes] = []
    size = 0
    while piece := response.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise TooLarge
        pieces.append(piece)
    if expected is not None and size < expected:
        raise http.client.IncompleteRead(b"", expected - size)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _lower_case(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
