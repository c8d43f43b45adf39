"""Requests whose body is larger than anything the API reads."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 1_048_576


class BodyLimit:
    """Ends the reading of a body that is too large with 413, before all of it was received."""

    def __init__(self, application: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._application, self._max_bytes = application, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = _Limited(receive, self._max_bytes) if scope["type"] == "http" else receive
        await self._application(scope, limited, send)


class _Limited:
    """What is received, up to so many bytes."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._left, self._max_bytes = receive, max_bytes, max_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, f"a body may have {self._max_bytes:,} bytes", {"Connection": "close"})
        return message
