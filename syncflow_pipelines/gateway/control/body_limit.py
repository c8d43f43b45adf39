"""Requests to the control plane are small; what is larger is refused before it was read."""

from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncflow_pipelines.gateway.control.problems import send_problem
from syncflow_pipelines.gateway.model import Problem

MAX_BODY_BYTES: Final = 1_048_576

_TOO_LARGE: Final = Problem(
    413,
    "body-too-large",
    "The body is too large",
    f"A body may have {MAX_BODY_BYTES:,} bytes.",
    ((b"connection", b"close"),),
)


class BodyLimit:
    """An ASGI application in which another one reads `MAX_BODY_BYTES` of a body and no more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced_bytes(scope) > MAX_BODY_BYTES:
            await send_problem(scope, send, _TOO_LARGE)
        else:
            await self._app(scope, _limited(receive), send)


def _announced_bytes(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0


def _limited(receive: Receive) -> Receive:
    left = MAX_BODY_BYTES

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            # FastAPI's own kind: it takes any other error of a body for one that cannot be read
            raise HTTPException(413, _TOO_LARGE.detail, {"Connection": "close"})
        return message

    return limited
