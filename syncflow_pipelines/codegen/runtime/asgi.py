"""The few names of ASGI 3 that the resolvers speak."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


def values_of(scope: Scope, name: bytes) -> list[bytes]:
    """The values of a header, in their order; the name in lower case."""
    return [value for key, value in scope["headers"] if key.lower() == name]


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body which has been read, and then goes on with what the client does."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
