"""The application as SyncFlow sees it: ASGI, and a `state` to look things up in. Nothing of FastAPI is imported."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
State = Mapping[str, Any]
"""What a lifespan yields, if anything: it becomes part of each request's state."""


class Application(Protocol):
    """What Starlette's and FastAPI's applications are, among others."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, /) -> None: ...


Lifespan = Callable[[Any], AbstractAsyncContextManager[State]]
"""Given the application, what surrounds its life."""


def state_of(app: object, name: str) -> Any:
    """What the application keeps under that name in its state; None where it keeps nothing there."""
    return getattr(getattr(app, "state", None), name, None)
