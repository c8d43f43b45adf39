"""What a resolver answers itself: problem documents (RFC 9457), told apart from the service's own by their type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from syncflow_pipelines.codegen.runtime.asgi import Headers, Scope, Send

TYPE_PREFIX = "urn:syncflow:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer of the resolver's own."""

    status: int
    kind: str
    """The end of its type: `not-found` is `urn:syncflow:problem:not-found`."""
    detail: str
    errors: Sequence[dict[str, Any]] = ()
    headers: Headers = field(default_factory=list)

    def body(self) -> bytes:
        """As JSON."""
        document = {
            "type": TYPE_PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return orjson.dumps(document | ({"errors": list(self.errors)} if self.errors else {}))


async def answer(problem: Problem, scope: Scope, send: Send) -> None:
    """Sends the problem as the whole response."""
    body = problem.body()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        *problem.headers,
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def refuse_websocket(scope: Scope, send: Send) -> None:
    """Answers the handshake of a WebSocket, which no operation of a spec is."""
    problem = Problem(
        501, "no-websockets", "the operations of this service are plain HTTP; WebSockets are not forwarded"
    )
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": problem.detail})
        return
    headers = [(b"content-type", b"application/problem+json")]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": problem.body()})
