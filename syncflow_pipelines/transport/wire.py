"""Connections on which every wait has an end: silence, a deadline, too many bytes, or somebody who cancels."""

import base64
import http.client
import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncflow_pipelines.errors import SyncCancelled
from syncflow_pipelines.transport.address import Origin, Proxy
from syncflow_pipelines.transport.detour import Detour

POLL_S = 0.25
"""How long a wait goes on without a look at whether it was cancelled."""

CONNECT_TIMEOUT_S = 10.0
_BUFFER = 64 * 1024


class TooManyBytes(Exception):
    """A reply is larger on the wire than anything that is expected."""


class WaitedLongEnough(TimeoutError):
    """A reply did not come, or not whole, in time; `str()` says which."""


class ProxyRefused(Exception):
    """The proxy did not open a tunnel to the source."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one exchange may take."""

    silence_s: float
    """Seconds without a byte: before the first one, and between two."""
    total_s: float
    """Seconds for the whole reply."""
    wire_bytes: int
    monotonic: Callable[[], float]
    cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Route:
    """How to get to the source."""

    origin: Origin
    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None
    """To the server that is connected to."""
    detour: Detour | None = None
    """Through the gateway, which is connected to in place of the source."""

    @property
    def server(self) -> Origin:
        """Whom requests are sent to, be it through a proxy."""
        return self.origin if self.detour is None else self.detour.gateway

    @property
    def first_hop(self) -> tuple[str, int]:
        """Whom to call: the proxy, or the server itself."""
        if self.proxy is not None:
            return self.proxy.host, self.proxy.port
        return self.server.host, self.server.port


class Wire:
    """A connected socket as `http.client` uses one, on which every wait for bytes ends in time.

    Raises `WaitedLongEnough`, `TooManyBytes` and `SyncCancelled` from reading.
    """

    def __init__(self, raw: socket.socket, limits: Limits) -> None:
        self._raw = raw
        self._limits = limits
        self._readers = 0
        self._closing = False
        self.begin()

    def begin(self) -> None:
        """Begins to count the time and the bytes of a new exchange."""
        self._expires_at = self._limits.monotonic() + self._limits.total_s
        self.received = 0

    def secure(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Speaks TLS from now on. `timeout_s` bounds the whole handshake."""
        self._raw.settimeout(timeout_s)
        self._raw = context.wrap_socket(self._raw, server_hostname=host)

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(self._limits.silence_s)
        self._raw.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self), _BUFFER)

    def receive_into(self, buffer: Any) -> int:
        """Waits for bytes and puts them into the buffer; 0 once the other side has closed."""
        limits = self._limits
        silent_until = limits.monotonic() + limits.silence_s
        while True:
            self._raw.settimeout(self._next_wait_s(silent_until))
            try:
                count = self._raw.recv_into(buffer)
            except TimeoutError:
                continue
            self.received += count
            if self.received > limits.wire_bytes:
                raise TooManyBytes
            return count

    def _next_wait_s(self, silent_until: float) -> float:
        limits = self._limits
        if limits.cancelled():
            raise SyncCancelled("stopped while waiting for the source")
        now = limits.monotonic()
        if now >= self._expires_at:
            raise WaitedLongEnough(f"the reply was not complete after {limits.total_s:g} s")
        if now >= silent_until:
            raise WaitedLongEnough(f"no {'more bytes' if self.received else 'answer'} within {limits.silence_s:g} s")
        return min(POLL_S, silent_until - now, self._expires_at - now)

    def is_quiet(self) -> bool:
        """Whether the connection is open and nothing came that nobody asked for."""
        try:
            self._raw.settimeout(0)
            self._raw.recv(1, 0 if isinstance(self._raw, ssl.SSLSocket) else socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Closes the socket, once nobody reads from it any more."""
        self._closing = True
        self._close_if_unused()

    def release(self) -> None:
        """One reader less."""
        self._readers -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closing and not self._readers:
            self._raw.close()


class _Reader(io.RawIOBase):
    """The reading end of a wire, for `io.BufferedReader`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._wire.release()


class _Response(http.client.HTTPResponse):
    """A reply; what the server says before it (103 and the like) is passed over."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None  # type: ignore[assignment]  # the parent takes it for "not begun"
            super().begin()


class Connection(http.client.HTTPConnection):
    """One connection to the source, straight or through a proxy."""

    response_class = _Response

    def __init__(self, route: Route, limits: Limits) -> None:
        super().__init__(route.server.host, route.server.port)
        self._route = route
        self._limits = limits
        self.wire: Wire | None = None

    def connect(self) -> None:
        """Connects, with TLS where the source's URL says so. Raises `OSError`, `ProxyRefused`."""
        timeout_s = min(CONNECT_TIMEOUT_S, self._limits.silence_s)
        raw = socket.create_connection(self._route.first_hop, timeout_s)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.wire = self.sock = Wire(raw, self._limits)
            if self._route.tls is not None:
                self._secure(self.wire, self._route.tls, timeout_s)
        except BaseException:
            raw.close()
            raise

    def begin(self) -> None:
        """Begins to count the time and the bytes of a new exchange."""
        if self.wire is not None:
            self.wire.begin()

    @property
    def received(self) -> int:
        """Bytes received in this exchange."""
        return 0 if self.wire is None else self.wire.received

    def is_reusable(self) -> bool:
        """Whether the connection is open, with nothing left over from the exchange before."""
        return self.wire is not None and self.wire.is_quiet()

    def _secure(self, wire: Wire, context: ssl.SSLContext, timeout_s: float) -> None:
        if self._route.proxy is not None:
            self._open_tunnel(wire, self._route.proxy)
        wire.secure(context, self._route.server.host, timeout_s)

    def _open_tunnel(self, wire: Wire, proxy: Proxy) -> None:
        origin = self._route.server
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
        lines += [f"{name}: {value}" for name, value in proxy_headers(proxy).items()]
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        response = http.client.HTTPResponse(wire, method="CONNECT")  # type: ignore[arg-type]
        try:
            response.begin()
            if response.status != http.HTTPStatus.OK:
                raise ProxyRefused(f"the proxy {proxy} answered {response.status} when asked for {origin.authority}")
        finally:
            response.close()


def proxy_headers(proxy: Proxy) -> dict[str, str]:
    """What the proxy wants to hear about who is calling."""
    if proxy.username is None:
        return {}
    account = f"{proxy.username}:{proxy.password or ''}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(account).decode()}"}
