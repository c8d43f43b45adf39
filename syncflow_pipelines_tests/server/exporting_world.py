"""Backends that show an OpenAPI document, or something else, and what is exported of them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import Settings


def document(*paths: str) -> dict[str, Any]:
    """A document with one operation at each path."""
    operation = {"get": {"responses": {"200": {"description": "done"}}}}
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": dict.fromkeys(paths, operation)}


def settings_in(folder: Path) -> Settings:
    return Settings(config_dir=folder / "config", home=folder / "home")


@dataclass
class ShowingBackend:
    """What a backend answers by now; it may be changed while it runs."""

    status: int = 200
    body: bytes = b""
    content_length: int | None = None
    """None: that of the body."""
    etag: str | None = None
    path: str = "/openapi.json"
    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Paths and statuses."""

    def show(self, shown: dict[str, Any]) -> None:
        self.status, self.content_length, self.body = 200, None, json.dumps(shown).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its URL; it listens at the same port every time."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self.url
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(backend: ShowingBackend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = backend.status if self.path == backend.path else 404
            if status == 200 and backend.etag is not None and self.headers["If-None-Match"] == backend.etag:
                status = 304
            backend.asked.append((self.path, status))
            body = backend.body if status == backend.status else b""
            self.send_response(status)
            length = len(body) if backend.content_length is None else backend.content_length
            self.send_header("Content-Length", str(length if status != 304 else 0))
            if backend.etag is not None:
                self.send_header("ETag", backend.etag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return None

    return Handler
