"""One line for each request to the control plane, without its query."""

import logging
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncflow_pipelines.gateway.control.access import CALLER, Caller, without_tokens

_LOG: Final = logging.getLogger("syncflow_pipelines.gateway.access")
_QUIET_PATHS: Final = frozenset({"/health", "/health/ready", "/metrics"})
"""What machines ask every few seconds is logged where everything is."""


class AccessLog:
    """An ASGI application that tells what another one answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 0, perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _tell(scope, status, perf_counter() - begun)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    path = scope["path"]
    level = logging.DEBUG if path in _QUIET_PATHS and status < 400 else logging.INFO
    caller = scope.get(CALLER)
    who = caller.name if isinstance(caller, Caller) else None
    # of a path, only what prints: a line is a line
    shown = without_tokens(ascii(path)[1:-1])
    fields = {"event": "request_answered", "status": status or "cut", **({"caller": who} if who else {})}
    _LOG.log(level, "%s %s %.1f ms", scope["method"], shown, seconds * 1000, extra=fields)
