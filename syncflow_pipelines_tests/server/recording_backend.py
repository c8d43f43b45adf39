"""A service that records what arrives, byte by byte, and answers as a test says.

Every request is given to a function together with its connection; the function may read the body piece by piece and
answer whenever it likes.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

PATIENCE_S = 60.0
"""How long anything here waits for what a test makes happen; only a failing test waits so long."""


class Arrival:
    """A request as it arrives, and the connection to answer over."""

    def __init__(self, peer: socket.socket, reader: BinaryIO, head: bytes) -> None:
        self.socket, self.reader, self.head = peer, reader, head
        self.body = b""
        """What has been read of it."""
        self.pieces: list[bytes] = []
        """The chunks of a body that came in chunks."""
        self.trailers: list[tuple[str, str]] = []
        """What came after them."""
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.headers = [
            (name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:] if line)
        ]

    def header(self, name: str) -> str | None:
        """Its value; None where the header is absent. It must not be there twice."""
        values = self.values(name)
        assert len(values) < 2, values
        return values[0] if values else None

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def read(self) -> bytes:
        """The whole body."""
        if self.header("transfer-encoding") == "chunked":
            while self.read_chunk():
                pass
        else:
            self.body += self.reader.read(int(self.header("content-length") or 0) - len(self.body))
        return self.body

    def read_chunk(self) -> bytes:
        """The next chunk, empty at the end of the body. Raises `ConnectionError` where the body breaks off."""
        size = self.reader.readline()
        if not size:
            raise ConnectionError("the body broke off")
        chunk = self.reader.read(int(size, 16))
        if not chunk:
            self._read_trailers()
            return b""
        if self.reader.readline() != b"\r\n":
            raise ConnectionError("the body broke off")
        self.body += chunk
        self.pieces.append(chunk)
        return chunk

    def _read_trailers(self) -> None:
        while (line := self.reader.readline().decode("latin-1")) != "\r\n":
            if not line:
                raise ConnectionError("the body broke off")
            name, _, value = line.rstrip("\r\n").partition(": ")
            self.trailers.append((name.lower(), value))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def is_hung_up(self) -> bool:
        """Waits until the caller closes the connection."""
        with suppress(ConnectionError):
            return self.reader.read(1) == b""
        return True


Answer = Callable[[Arrival], None]


def answering(data: bytes) -> Answer:
    """Reads the whole request and sends the bytes."""

    def answer(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(data)

    return answer


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RecordingBackend:
    """Listens while it is used as a context manager; `arrivals` are the requests that were answered or begun."""

    def __init__(self, answer: Answer | bytes = OK) -> None:
        self.answer = answering(answer) if isinstance(answer, bytes) else answer
        self.arrivals: list[Arrival] = []
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Arrival:
        return self.arrivals[-1]

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._peers):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE_S)
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                self._start(self._talk, peer)

    def _talk(self, peer: socket.socket) -> None:
        peer.settimeout(PATIENCE_S)
        with suppress(OSError), peer, peer.makefile("rb") as reader:
            while b" HTTP/1.1" in (head := _head(reader)):  # else it is the end, or a body that nobody read
                arrival = Arrival(peer, reader, head)
                self.arrivals.append(arrival)
                self.answer(arrival)


def _head(reader: BinaryIO) -> bytes:
    lines = b""
    while (line := reader.readline()) not in (b"\r\n", b""):
        lines += line
    return lines.removesuffix(b"\r\n")
