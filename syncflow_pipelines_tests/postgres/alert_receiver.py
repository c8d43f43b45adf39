"""Servers that take the messages of alerts: HTTP as Apprise's json:// posts them, and the little of SMTP it needs."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Receiver:
    """What came, in order; `status` is what the next message is answered."""

    port: int = 0
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    before_answer: Callable[[], object] = bool
    """Called when a message has come."""

    @property
    def url(self) -> str:
        """In Apprise's form, with a password."""
        return f"json://ops:s3cr3t-pass@127.0.0.1:{self.port}/hook-t0ken/"

    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """A server on a free port, which ends with the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.status == 200:
                receiver.messages.append(json.loads(body))
                receiver.before_answer()
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def smtp_receiver() -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server, and the mails that it took."""
    mails: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().strip():
                verb = line.split()[0].upper()
                if verb == b"DATA":
                    self._say("354 go on")
                    mails.append(self._mail())
                self._say("221 bye" if verb == b"QUIT" else "250 fine")
                if verb == b"QUIT":
                    return

        def _mail(self) -> str:
            lines: list[str] = []
            while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                lines.append(line)
            return "\n".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], mails
        finally:
            server.shutdown()
            thread.join()
