"""A raw ASGI application that passes requests on with httpx: what SyncFlow's data plane would be with that client.

It streams both ways and drops what belongs to one connection, and does nothing else. Runs in the peers' environment.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host"}
_BACKEND = os.environ["BACKEND"].rstrip("/")
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=1000)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Passage:
    """One client for all requests, made in the loop that uses it."""

    client: httpx.AsyncClient | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self.client is None:
            self.client = httpx.AsyncClient(limits=_LIMITS, timeout=30)
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        request = self.client.build_request(
            scope["method"],
            _BACKEND + (scope["raw_path"] + query).decode(),
            headers=[header for header in scope["headers"] if header[0] not in _HOP],
            content=_body(receive) if _has_body(scope) else None,
        )
        answer = await self.client.send(request, stream=True)
        headers = [header for header in answer.headers.raw if header[0].lower() not in _HOP]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for chunk in answer.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        await answer.aclose()


def _has_body(scope: dict[str, Any]) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


app = Passage()
