"""The source's connections: one thread each, kept alive, bytes straight from the files' pages in memory."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus

from benchmarks.source.answers import Answer, Answers
from benchmarks.source.offer import Offer

_LONGEST_HEAD = 64 * 1024
_ACCEPT_POLL_S = 0.2
_MOST_PIECES = 64


class Server:
    """Listens on a free port of this machine; answers what it was last told to offer."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.settimeout(_ACCEPT_POLL_S)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._open = True
        self._now = self.most_at_once = self.requests = 0
        self.answers = Answers([])
        self.delay_s = 0.0
        """Waited before each page."""
        self._thread = threading.Thread(target=self._accept, name="source", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def offer(self, offers: list[Offer], delay_s: float = 0.0) -> None:
        """Serves these entities from now on, and counts anew."""
        self.answers, self.delay_s = Answers(offers), delay_s
        with self._lock:
            self.requests = self.most_at_once = 0

    def close(self) -> None:
        """Ends every connection."""
        self._open = False
        self._thread.join()
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            with connection, suppress(OSError):
                connection.settimeout(None)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(connection)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _converse(self, connection: socket.socket) -> None:
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                piece = connection.recv(_LONGEST_HEAD)
                if not piece or len(received) > _LONGEST_HEAD:
                    return
                received += piece
            head, _, received = received.partition(b"\r\n\r\n")
            keeps = self._reply(connection, head.decode("latin-1"))
            if not keeps:
                return

    def _reply(self, connection: socket.socket, head: str) -> bool:
        """Answers one request; whether the connection can be used again."""
        request, headers = _parsed(head)
        with self._counted():
            answer = self._answer(request, headers)
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        keeps = request is not None and not has_body and headers.get("connection", "").lower() != "close"
        _send(connection, answer, keeps=keeps, sends_body=request is None or request[0] != "HEAD")
        return keeps

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts a request until its answer is sent, so that no client can have begun its next one by then."""
        with self._lock:
            self.requests, self._now = self.requests + 1, self._now + 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, request: tuple[str, str] | None, headers: dict[str, str]) -> Answer:
        if request is None:
            return Answer(400, (b'{"detail":"That is no request."}',))
        answer = self.answers.to(*request, headers.get("if-none-match", ""))
        if answer.is_page and self.delay_s:
            time.sleep(self.delay_s)
        return answer


def _parsed(head: str) -> tuple[tuple[str, str] | None, dict[str, str]]:
    first, *lines = head.split("\r\n")
    parts = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return ((parts[0], parts[1]) if len(parts) == 3 else None), headers


def _send(connection: socket.socket, answer: Answer, *, keeps: bool, sends_body: bool) -> None:
    length = sum(len(piece) for piece in answer.pieces)
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    if answer.status != HTTPStatus.NOT_MODIFIED:
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    if not keeps:
        lines.append("Connection: close")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    _send_all(connection, [head, *(answer.pieces if sends_body else ())])


def _send_all(connection: socket.socket, pieces: list[bytes | memoryview]) -> None:
    """Sends the pieces without putting them together first."""
    waiting = [memoryview(piece) for piece in pieces if len(piece)]
    while waiting:
        sent = connection.sendmsg(waiting[:_MOST_PIECES])
        while waiting and sent >= len(waiting[0]):
            sent -= len(waiting.pop(0))
        if sent:
            waiting[0] = waiting[0][sent:]
