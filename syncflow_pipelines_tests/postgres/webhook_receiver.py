"""A server that receives webhooks, and verifies their signatures in its own way."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

BLOCK = 64


@dataclass(frozen=True)
class Message:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def number(self) -> int:
        return int(self.event["data"]["n"])

    def is_signed_with(self, key: bytes) -> bool:
        """Whether one of the signatures is the message's, by RFC 2104 as it stands there."""
        said = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        padded = (key if len(key) <= BLOCK else hashlib.sha256(key).digest()).ljust(BLOCK, b"\0")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + said).digest()
        outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()
        return f"v1,{base64.b64encode(outer).decode()}" in self.headers["webhook-signature"].split(" ")


Answer = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """Listens while it is used as a context manager, and answers 204 unless `answer` says otherwise."""

    answer: Callable[[Message], Answer] = lambda message: (204, {})
    messages: list[Message] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = Message(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                receiver.messages.append(message)
                status, headers = receiver.answer(message)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook/"

    @property
    def numbers(self) -> list[int]:
        return [message.number for message in self.messages]
