"""A data plane that is really served, with endpoints that a test says; and raw sockets to talk to it."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvicorn

from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig, TimeoutConfig
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.proxy.data_plane import DataPlane
from syncflow_pipelines.gateway.proxy.http_protocol import StrictHttpProtocol, http_protocol
from syncflow_pipelines.gateway.routing import Routes
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S

App = Callable[..., Awaitable[None]]


def registered(config: EndpointConfig, status: Status = Status.ACTIVE, **more: Any) -> Registered:
    now = datetime.now(UTC)
    return replace(Registered(config, Origin.FILE, status, True, 1, now, now), **more)


def open_connector(_registered: Registered) -> aiohttp.TCPConnector:
    """Connects to whatever it is told."""
    return aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver())


@dataclass(slots=True)
class ServedGateway:
    """Serves while it is used as a context manager, in a thread and an event loop of its own."""

    config: GatewayConfig = field(default_factory=GatewayConfig)
    endpoints: tuple[Registered, ...] = ()
    head_timeout_s: float = 30.0
    body_timeout_s: float = 60.0
    keep_alive_s: int = 60
    http: str | None = None
    """One of uvicorn's own protocols instead of ours."""
    wrap: Callable[[App], App] = lambda app: app
    plane: DataPlane = field(init=False)
    port: int = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)
    server: uvicorn.Server = field(init=False)
    _listener: socket.socket = field(init=False)
    _thread: threading.Thread = field(init=False)
    _ready: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "ServedGateway":
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(PATIENCE_S)
        self._listener.close()
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.plane = DataPlane(self.config, open_connector)
        self.plane.routes = Routes.build(self.endpoints, self.config)
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.wrap(self.plane),
                http=self.http or self._protocol(),
                lifespan="off",
                proxy_headers=False,
                log_level="error",
                timeout_keep_alive=self.keep_alive_s,
                timeout_graceful_shutdown=5,
            )
        )
        self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(self.server.serve(sockets=[self._listener]))
        self._ready.set()
        await serving
        await self.plane.close()

    def _protocol(self) -> type[StrictHttpProtocol]:
        return http_protocol(
            self.config.max_header_bytes, head_timeout_s=self.head_timeout_s, body_timeout_s=self.body_timeout_s
        )

    def call(self, function: Callable[[], Any]) -> Any:
        """Runs it in the event loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE_S)

    def connect(self) -> "Client":
        return Client.to(self.port)


@dataclass(slots=True)
class Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes
    trailers: list[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, values
        return values[0] if values else None


class Client:
    """A socket, and a reader of answers that knows just enough of HTTP."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket, self.reader = peer, peer.makefile("rb")

    @classmethod
    def to(cls, port: int) -> "Client":
        return cls(socket.create_connection(("127.0.0.1", port), PATIENCE_S))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes, *, is_head: bool = False) -> Answer:
        self.send(data)
        return self.answer(is_head=is_head)

    def head(self) -> tuple[int, str, list[tuple[str, str]]]:
        line = self.reader.readline().decode("latin-1")
        if not line:
            raise ConnectionError("the connection ended without an answer")
        _, status, reason = line.rstrip("\r\n").split(" ", 2)
        return int(status), reason, self.fields()

    def fields(self) -> list[tuple[str, str]]:
        found = []
        while (line := self.reader.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(": ")
            found.append((name.lower(), value))
        return found

    def answer(self, *, is_head: bool = False) -> Answer:
        """The next one that is not informational."""
        status, reason, headers = self.head()
        while status < 200:
            status, reason, headers = self.head()
        body, trailers = (b"", []) if is_head or status in (204, 304) else self.body(dict(headers))
        return Answer(status, reason, headers, body, trailers)

    def body(self, headers: Mapping[str, str]) -> tuple[bytes, list[tuple[str, str]]]:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.line(), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            return body, self.fields()
        if "content-length" in headers:
            return self.exactly(int(headers["content-length"])), []
        return self.reader.read(), []

    def line(self) -> bytes:
        line = self.reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the answer broke off")
        return line

    def exactly(self, size: int) -> bytes:
        data = self.reader.read(size)
        if len(data) < size:
            raise ConnectionError("the answer broke off")
        return data

    def is_hung_up(self) -> bool:
        """Waits until the other end closes."""
        try:
            return self.reader.read(1) == b""
        except ConnectionError:
            return True


def endpoint(url: str, name: str = "it", read_s: float | None = 20.0, **more: Any) -> EndpointConfig:
    timeouts = more.pop("timeouts", TimeoutConfig(connect_s=5.0, read_s=read_s))
    return EndpointConfig(name=name, url=url, timeouts=timeouts, **more)


@contextmanager
def gateway_to(*configs: EndpointConfig, **more: Any) -> Iterator[ServedGateway]:
    """A gateway with these endpoints; `more` are settings of `GatewayConfig`."""
    with ServedGateway(GatewayConfig(**more), tuple(registered(config) for config in configs)) as gateway:
        yield gateway
