"""One request of a client and its answer, as uvicorn's HTTP protocol writes it to the socket."""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from syncflow_pipelines.gateway.proxy.sockets import reset

Header = tuple[bytes, bytes]

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_PROPER = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_BODILESS: Final = frozenset({204, 304})


class ClientExchange(RequestResponseCycle):
    """Beyond what ASGI has, it tells when the client goes away, and carries trailers, informational answers and the
    upstream's own words for a status. The head is written with the first bytes of the body, as ASGI says."""

    on_client_lost: Callable[[], None] | None = None
    """Called once the client has gone; whoever is told later than that hears it at once from `disconnected`."""
    on_end: Callable[[], None]
    """Ends the connection; set by it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.request_trailers: list[Header] = []
        """Of the request, once its body has ended."""
        self._head = b""
        self._trailers_follow = False

    def lose_client(self) -> None:
        self.disconnected = True
        self.message_event.set()
        if self.on_client_lost is not None:
            self.on_client_lost()

    def inform(self, status: int, headers: Iterable[Header]) -> None:
        """Writes an informational answer, such as 103; clients of HTTP/1.0 know none."""
        if not (self.disconnected or self.response_started or self.scope["http_version"] == "1.0"):
            self.transport.write(status_line(status) + _lines(headers) + b"\r\n")

    def tear(self) -> None:
        """Ends the connection in a way that no client takes for the end of the answer."""
        if self.disconnected:
            return
        self.disconnected = True
        if self.response_started and self._head:
            self._head = b""
        if self.scope["http_version"] == "1.0":
            reset(self.transport)
        else:
            self.transport.close()

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            self._start(message)
        elif kind == "http.response.body" and not self.response_complete and self.more_expected:
            self._write(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.trailers" and self._trailers_follow:
            self._finish(b"0\r\n" + _lines(message["headers"]) + b"\r\n" if self.chunked_encoding else b"")
        else:
            raise RuntimeError(f"an ASGI application sent {kind!r}, which nobody expects here")

    more_expected = True

    def _start(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an ASGI application sent {message['type']!r} before http.response.start")
        self.response_started, self.waiting_for_100_continue = True, False
        status, headers = message["status"], message.get("headers", ())
        named = {name.lower(): value for name, value in headers}
        defaults = [(name, value) for name, value in self.default_headers if name not in named]
        lines = _lines(defaults) + _lines(headers)
        if b"close" in named.get(b"connection", b"").lower():
            self.keep_alive = False
        lines += self._framing(status, named)
        if not self.keep_alive and b"connection" not in named:
            lines += b"connection: close\r\n"
        self._trailers_follow = bool(message.get("trailers"))
        self._head = status_line(status, message.get("reason")) + lines + b"\r\n"

    def _framing(self, status: int, named: dict[bytes, bytes]) -> bytes:
        """What says where the body ends; sets `chunked_encoding` and `expected_content_length`."""
        self._has_body = self.scope["method"] != "HEAD" and status not in _BODILESS
        self.chunked_encoding, self.expected_content_length = False, -1
        if not self._has_body:
            return b""
        if b"transfer-encoding" in named:
            self.chunked_encoding = True
        elif b"content-length" in named:
            self.expected_content_length = int(named[b"content-length"])
        elif self.scope["http_version"] == "1.0":
            self.keep_alive = False
        else:
            self.chunked_encoding = True
            return b"transfer-encoding: chunked\r\n"
        return b""

    def _write(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if not self._has_body:
            data = b""
        elif self.chunked_encoding:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        else:
            self._count(len(body), more)
            data = body
        if more:
            self._put(head, data)
        elif self._trailers_follow:
            self.more_expected = False
            self._put(head, data)
        else:
            self._put(head, data, b"0\r\n\r\n" if self._has_body and self.chunked_encoding else b"")
            self._complete()

    def _count(self, size: int, more: bool) -> None:
        if self.expected_content_length < 0:
            return
        self.expected_content_length -= size
        if self.expected_content_length < 0 or (not more and self.expected_content_length):
            self.tear()
            raise RuntimeError("an ASGI application sent a body that is not as long as its Content-Length")

    def _put(self, *parts: bytes) -> None:
        data = b"".join(parts)
        if data:
            self.transport.write(data)

    def _finish(self, end: bytes) -> None:
        self._put(end if self._has_body else b"")
        self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            if self.more_body:
                self.on_end()
            else:
                self.transport.close()
        self.on_response()


def status_line(status: int, reason: bytes | None = None) -> bytes:
    """`reason`: None for the usual one."""
    phrase = reason if reason is not None and _PROPER.fullmatch(reason) else _PHRASES.get(status, b"")
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase)


def _lines(headers: Iterable[Header]) -> bytes:
    lines = [name + b": " + value for name, value in headers]
    if not lines:
        return b""
    text = b"\r\n".join(lines)
    if text.count(b"\n") != len(lines) - 1 or text.count(b"\r") != len(lines) - 1 or b"\0" in text:
        raise RuntimeError("an ASGI application sent a header with a line break or NUL in it")
    return text + b"\r\n"
