"""A request on its way to an endpoint: its head as the upstream gets it, and its body piece by piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncflow_pipelines.gateway.proxy.client_exchange import ClientExchange
from syncflow_pipelines.gateway.proxy.forwarding import VIA, Forwarding, believed_id, new_request_id
from syncflow_pipelines.gateway.proxy.headers import RequestHead, read_request, trailers

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Request:
    """What does not depend on the endpoint."""

    method: str
    rest: bytes
    """What follows the endpoint's name, with the query; byte for byte."""
    head: RequestHead
    id: bytes
    headers: list[Header]
    """As they came, names in lower case."""
    exchange: ClientExchange | None
    """Where our own protocol serves: what it can do beyond ASGI."""
    forwarding: bytes
    """The lines that say which way it came."""

    def head_bytes(self, target: bytes, authority: bytes) -> bytes:
        """The head for an upstream."""
        head = self.head
        lines = [self.method.encode("latin-1") + b" " + target + b" HTTP/1.1", b"host: " + authority, *head.lines]
        if head.is_chunked:
            lines.append(b"transfer-encoding: chunked")
        elif head.length is not None:
            lines.append(b"content-length: " + head.length)
        if head.expects and head.has_body:
            lines.append(b"expect: 100-continue")
        if head.accepts_trailers and self.exchange is not None:
            lines.append(b"te: trailers\r\nconnection: te")
        via = head.via + b", " + VIA if head.via else VIA
        return (
            b"\r\n".join(lines)
            + b"\r\n"
            + self.forwarding
            + b"via: "
            + via
            + b"\r\nx-request-id: "
            + self.id
            + b"\r\n\r\n"
        )

    def piece(self, body: bytes) -> bytes:
        """A part of the body as it goes over the wire."""
        return b"%x\r\n%b\r\n" % (len(body), body) if self.head.is_chunked and body else body

    def end(self) -> bytes:
        """What ends the body: of one in chunks, the trailers that came."""
        if not self.head.is_chunked:
            return b""
        fields = trailers(self.exchange.request_trailers) if self.exchange is not None else ()
        return b"0\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n"


def read(scope: Mapping[str, Any], rest: bytes, forwarding: Forwarding) -> Request:
    """What the scope of an HTTP request or a WebSocket says."""
    headers: list[Header] = scope["headers"]
    head = read_request(headers)
    request_id, lines = None, b""
    if forwarding.trusts(scope):
        request_id, lines = believed_id(headers), forwarding.continued(scope, head.host, headers)
    return Request(
        method=scope.get("method", "GET"),
        rest=rest,
        head=head,
        id=request_id or new_request_id(),
        headers=headers,
        exchange=scope.get("syncflow.exchange"),
        forwarding=lines or forwarding.lines(scope, head.host),
    )
