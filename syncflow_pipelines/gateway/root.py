"""The ASGI application of the whole gateway: it looks at the path, and hands each request to one of two planes."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.types import Message, Receive, Scope, Send

from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.gateway.control.problems import send_problem
from syncflow_pipelines.gateway.proxy.paths import PREFIX
from syncflow_pipelines.gateway.switch import SWITCHED_OFF, Switch

Application = Callable[..., Awaitable[None]]
"""Of ASGI."""

_LOG = logging.getLogger(__name__)


class Lifespan(Protocol):
    """What has to be open while requests are served."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Root:
    """FastAPI, which costs two thirds of the requests a second, is not on the way of what is passed on."""

    def __init__(
        self,
        data_plane: Application,
        control_plane: Application,
        switch: Switch,
        lifespan: Lifespan,
        *,
        drain: Callable[[], None] = lambda: None,
        max_header_bytes: int = 65_536,
    ) -> None:
        self._data_plane, self._control_plane, self._switch = data_plane, control_plane, switch
        self._lifespan = lifespan
        self.drain = drain
        """Says from now on that the process will end."""
        self.max_header_bytes = max_header_bytes
        """Of a request, that the server under this has to take."""
        self.when_open: Callable[[], None] = lambda: None
        """Called once everything is open, before the first request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
        elif not (scope.get("raw_path") or b"").startswith(PREFIX):
            await self._control_plane(scope, receive, send)
        elif self._switch.is_on:
            await self._data_plane(scope, receive, send)
        else:
            await send_problem(scope, send, SWITCHED_OFF)

    async def _live(self, receive: Receive, send: Send) -> None:
        await _step(receive, send, "startup", self._open)
        await _step(receive, send, "shutdown", self._lifespan.close)

    async def _open(self) -> None:
        await self._lifespan.open()
        self.when_open()


async def _step(receive: Receive, send: Send, name: str, work: Callable[[], Awaitable[None]]) -> None:
    await receive()
    answer: Message = {"type": f"lifespan.{name}.complete"}
    try:
        await work()
    except SyncflowError as error:
        answer = {"type": f"lifespan.{name}.failed", "message": str(error)}
    except Exception as error:  # noqa: BLE001 - the server is told, and ends
        _LOG.exception("The gateway cannot go on")
        answer = {"type": f"lifespan.{name}.failed", "message": f"{type(error).__name__}: {error}"}
    await send(answer)
