"""Requests and answers drawn at random, of all kinds that a server has to let through unchanged."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RequestFraming = Literal["none", "length", "chunked"]
_REQUEST_FRAMINGS: tuple[RequestFraming, ...] = ("none", "none", "length", "chunked")

ADDED_TO_REQUESTS = {
    "host",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-request-id",
    "connection",
}
ADDED_TO_ANSWERS = {"via", "x-request-id", "transfer-encoding", "connection"}

_SEGMENT = "abcXYZ019-._~!$&'()*+,;=:@"
_NAMES = (
    *("Accept", "Accept-Encoding", "Authorization", "Cookie", "X-API-Key", "Content-Type", "User-Agent", "Range"),
    *("If-None-Match", "X-Custom", "Proxy-Authorization", "Upgrade-Insecure-Requests", "DNT", "Origin", "x_under"),
    *("Referer", "Content-Encoding", "Cache-Control", "X-HTTP-Method-Override", "Traceparent", "Date", "Link"),
)
_ANSWER_NAMES = (
    *("Content-Type", "Set-Cookie", "Set-Cookie", "ETag", "Vary", "Cache-Control", "Location", "Server", "Date"),
    *("WWW-Authenticate", "Content-Encoding", "Last-Modified", "X-Powered-By", "Link", "Age", "Retry-After"),
)
_VALUE = "".join(map(chr, (*range(0x21, 0x7F), *range(0xA0, 0x100)))) + "    \t"
_STATUSES = (
    *(200, 200, 201, 202, 203, 204, 206, 207, 226, 299, 300, 301, 302, 303, 304, 307, 308),
    *(400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 451, 500, 501, 505, 511, 599),
)


@dataclass(frozen=True, slots=True)
class GeneratedRequest:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    framing: RequestFraming
    trailers: tuple[tuple[str, str], ...] = ()
    cuts: tuple[int, ...] = ()
    """Where the body is cut into chunks."""

    def text(self, prefix: str) -> bytes:
        lines = [f"{self.method} {prefix}{self.path} HTTP/1.1", "Host: somewhere:80"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.framing == "length":
            lines.append(f"Content-Length: {len(self.body)}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self._body()

    def _body(self) -> bytes:
        return self.body if self.framing != "chunked" else in_chunks(self.body, self.cuts, self.trailers)


@dataclass(frozen=True, slots=True)
class GeneratedAnswer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    framing: Literal["length", "chunked", "close"]
    cuts: tuple[int, ...] = ()

    def text(self, *, is_head: bool) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.headers)]
        has_body = self.status not in (204, 304)
        if self.framing == "length" and self.status != 204:
            lines.append(f"Content-Length: {len(self.body)}")
        elif self.framing == "chunked" and has_body:
            lines.append("Transfer-Encoding: chunked")
        elif self.framing == "close":
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if is_head or not has_body:
            return head
        return head + (in_chunks(self.body, self.cuts) if self.framing == "chunked" else self.body)


def in_chunks(body: bytes, cuts: Sequence[int], trailers: Sequence[tuple[str, str]] = ()) -> bytes:
    text, last = b"", 0
    for cut in (*sorted(cuts), len(body)):
        if cut > last:
            text += b"%x\r\n%b\r\n" % (cut - last, body[last:cut])
            last = cut
    ends = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    return text + b"0\r\n" + ends.encode("latin-1") + b"\r\n"


def generated_request(draw: random.Random, methods: Sequence[str]) -> GeneratedRequest:
    framing: RequestFraming = draw.choice(_REQUEST_FRAMINGS)
    body = b"" if framing == "none" else _body(draw)
    return GeneratedRequest(
        draw.choice(methods),
        _path(draw),
        [(draw.choice(_NAMES), _value(draw)) for _ in range(draw.randrange(8))],
        body,
        framing,
        (("X-Checksum", "abc"), ("x-more", "1")) if framing == "chunked" and draw.random() < 0.3 else (),
        _cuts(draw, body),
    )


def generated_answer(draw: random.Random) -> GeneratedAnswer:
    body = _body(draw)
    return GeneratedAnswer(
        draw.choice(_STATUSES),
        draw.choice(("OK", "", "Not What You Think", "Très bien")),
        [(draw.choice(_ANSWER_NAMES), _value(draw)) for _ in range(draw.randrange(8))],
        body,
        draw.choice(("length", "length", "chunked", "close")),
        _cuts(draw, body),
    )


def _cuts(draw: random.Random, body: bytes) -> tuple[int, ...]:
    return tuple(draw.randrange(len(body)) for _ in range(draw.randrange(4))) if body else ()


def _body(draw: random.Random) -> bytes:
    return draw.randbytes(draw.choice((0, 1, 2, 100, 1000, 70_000)))


def _path(draw: random.Random) -> str:
    text = ""
    for _ in range(draw.randrange(5)):
        text += "/" + "".join(_character(draw) for _ in range(draw.randrange(6)))
    text = text or "/"
    if any(part in ("..", "%2e%2e") for part in text.replace(";", "/").lower().split("/")):
        return "/up"
    return text + draw.choice(("", "", "?", "?a=1&a=2&", "?q=%20+%zz", "?/?x=//..", "?a=b=c&%00"))


def _character(draw: random.Random) -> str:
    return (
        draw.choice(_SEGMENT) if draw.random() < 0.8 else draw.choice(("%2F", "%00", "%c3%a9", "%", "%zz", "%3F", "|"))
    )


def _value(draw: random.Random) -> str:
    return "".join(draw.choice(_VALUE) for _ in range(draw.choice((0, 1, 5, 20, 200)))).strip(" \t")
