"""An HTTP server that does exactly what it is told, byte by byte, over real sockets.

Every request is answered by the next step of a script. A step is the bytes to send, or a function of the
request and the peer that may do anything else: stay silent, drip, cut off, close.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_PATIENCE_S = 20.0
"""How long a server waits for something that a test makes happen; only a failing test waits so long."""


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]
    """By name in lower case."""
    connection: int
    """Number of the connection it came over, from 1."""


@dataclass(slots=True)
class Peer:
    """The other end, as a step of the script sees it."""

    socket: socket.socket
    stopped: threading.Event
    is_open: bool = True

    def send(self, data: bytes) -> None:
        with suppress(OSError):
            self.socket.sendall(data)

    def close(self) -> None:
        """Ends the connection in good order."""
        self.is_open = False

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.is_open = False

    def hang(self) -> None:
        """Says nothing more, until the server stops or the caller hangs up."""
        self.is_open = False
        self.socket.settimeout(0.05)
        while not self.stopped.is_set():
            try:
                if not self.socket.recv(1024):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


Step = bytes | Callable[[Request, Peer], None]


def reply(status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None) -> bytes:
    """A whole and correct reply, its length given."""
    return head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body


def head(status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The chunks as a body, and how it ends."""
    return b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + end


def json_reply(value: object, headers: dict[str, str] | None = None) -> bytes:
    return reply(200, json.dumps(value).encode(), headers)


def hang(_request: Request, peer: Peer) -> None:
    peer.hang()


def then_close(data: bytes) -> Callable[[Request, Peer], None]:
    """A step that sends the bytes and closes the connection."""

    def step(_request: Request, peer: Peer) -> None:
        peer.send(data)
        peer.close()

    return step


def then_hang(data: bytes) -> Callable[[Request, Peer], None]:
    """A step that sends the bytes and falls silent."""

    def step(_request: Request, peer: Peer) -> None:
        peer.send(data)
        peer.hang()

    return step


class RawServer:
    """Listens while it is used as a context manager; afterwards nothing of it is left.

    After the script's last step, that step is repeated. `greeting` is sent before anything was asked. `requests`
    are those received, `connections` counts those accepted, and `most_open` those that were open at the same time.
    """

    def __init__(
        self, *script: Step, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, greeting: bytes = b""
    ) -> None:
        self.script, self.host, self.tls, self.greeting = script, host, tls, greeting
        self.requests: list[Request] = []
        self.connections = self.most_open = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family)
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        with self._lock:
            for peer in self._open:
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(_PATIENCE_S)
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                peer, _ = self._listener.accept()
                self._start(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(_PATIENCE_S)
        with self._lock:
            self.connections += 1
            number = self.connections
            self._open.add(peer)
            self.most_open = max(self.most_open, len(self._open))
        with suppress(OSError), peer:
            if self.tls is None:
                self._talk(peer, number)
            else:
                self._talk_safely(peer, number, self.tls)
        with self._lock:
            self._open.discard(peer)

    def _talk_safely(self, peer: socket.socket, number: int, tls: ssl.SSLContext) -> None:
        with tls.wrap_socket(peer, server_side=True) as secured:
            with self._lock:
                self._open.add(secured)
            try:
                self._talk(secured, number)
            finally:
                with self._lock:
                    self._open.discard(secured)

    def _talk(self, peer: socket.socket, number: int) -> None:
        reader = peer.makefile("rb")
        side = Peer(peer, self._stopped)
        side.send(self.greeting)
        with reader:
            while side.is_open and (request := _read_request(reader.readline, number)) is not None:
                with self._lock:
                    step = self.script[min(len(self.requests), len(self.script) - 1)]
                    self.requests.append(request)
                if isinstance(step, bytes):
                    side.send(step)
                else:
                    step(request, side)


def _read_request(readline: Callable[[], bytes], connection: int) -> Request | None:
    first = readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while line := readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(first[0], first[1], headers, connection)
