"""A generated resolver, served by uvicorn, and a client that says exactly what it is told."""

import importlib.util
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import uvicorn

from syncflow_pipelines.codegen.resolver_module import render_resolver
from syncflow_pipelines.config import RestOptions, ServiceConfig
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S
from syncflow_pipelines_tests.stored_specs import write_spec

Json = Any


def load_resolver(
    folder: Path, spec: Json, base_url: str, *, name: str = "pets", rest: RestOptions | None = None, **described: Any
) -> ModuleType:
    """The module of a service, generated into the folder and imported from there."""
    service = ServiceConfig(name, base_url, ("/openapi.json",), ("rest",))
    source = render_resolver(
        replace(service, rest=rest or RestOptions(allowed_hosts=("*",))),
        spec_file="pets_spec.json",
        spec_digest=write_spec(folder / "pets_spec.json", spec),
        **described,
    )
    file = folder / "pets_resolver.py"
    file.write_text(source, encoding="utf-8")
    found = importlib.util.spec_from_file_location(f"resolver_{id(folder)}", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@contextmanager
def serving(app: Any, http: str = "auto") -> Iterator[int]:
    """The port on which uvicorn serves the application while the context lasts."""
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="on", http=http, server_header=False, date_header=False,
        proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Server(config)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert server.ready.wait(PATIENCE_S)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        yield connection


def exchange(port: int, request: bytes) -> bytes:
    """Sends the bytes and reads until the other side closes; the request has to ask for that."""
    with connected(port) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def get(port: int, target: str, *headers: str, method: str = "GET") -> bytes:
    """The whole answer to a request without a body."""
    lines = (f"{method} {target} HTTP/1.1", "Host: front.example", "Connection: close", *headers, "", "")
    return exchange(port, "\r\n".join(lines).encode("latin-1"))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem(answer: bytes) -> Json:
    """The problem document that an answer is."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, head
    return json.loads(body)
