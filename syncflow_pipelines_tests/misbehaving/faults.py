"""What can be wrong with an answer: each fault takes the true page and says what is sent instead."""

import gzip
import json
from collections.abc import Callable
from typing import Any

from syncflow_pipelines_tests.server.raw_server import Peer, Request, Step, chunked, hang, head, reply, then_close

Fault = Callable[[bytes], Step]
"""The body that would be right → what is sent."""

JSON = {"Content-Type": "application/json"}


def refusal(status: int, headers: dict[str, str] | None = None, body: bytes = b'{"detail": "not now"}') -> Fault:
    """Another status than 200."""
    return lambda _: reply(status, body, headers)


def instead(body: bytes, content_type: str = "text/html; charset=utf-8") -> Fault:
    """A good answer by its status, and something else by its body."""
    return lambda _: reply(200, body, {"Content-Type": content_type})


def lie(change: Callable[[dict[str, Any]], object]) -> Fault:
    """A whole page that says something else; `change` works on it in place."""

    def fault(body: bytes) -> Step:
        page = json.loads(body)
        change(page)
        return reply(200, json.dumps(page).encode(), JSON)

    return fault


def says(**members: Any) -> Fault:
    """A page with other members, as `has_more` and `total`; the rows can be replaced, too."""
    return lie(lambda page: page.update(members))


def torn(body: bytes) -> Step:
    """Half of the promised bytes."""
    return then_close(head(200, {**JSON, "Content-Length": str(len(body))}) + body[: len(body) // 2])


def cut_json(body: bytes) -> Step:
    """Half of the page, as if that were all."""
    return reply(200, body[: len(body) // 2], JSON)


def length_too_long(body: bytes) -> Step:
    return then_close(head(200, {**JSON, "Content-Length": str(len(body) + 7)}) + body)


def length_too_short(body: bytes) -> Step:
    return then_close(head(200, {**JSON, "Content-Length": str(len(body) - 7)}) + body)


def length_of_garbage(body: bytes) -> Step:
    return then_close(head(200, {**JSON, "Content-Length": "-12"}) + body[:20])


def in_chunks(body: bytes) -> Step:
    """The true page in chunks of a few bytes; no fault."""
    pieces = [body[at : at + 11] for at in range(0, len(body), 11)]
    return head(200, {**JSON, "Transfer-Encoding": "chunked"}) + chunked(*pieces)


def torn_chunks(body: bytes) -> Step:
    return then_close(head(200, {**JSON, "Transfer-Encoding": "chunked"}) + chunked(body[:40], body[40:80], end=b""))


def wild_chunks(body: bytes) -> Step:
    return then_close(head(200, {**JSON, "Transfer-Encoding": "chunked"}) + b"zz\r\n" + body + b"\r\n0\r\n\r\n")


def zipped(body: bytes) -> Step:
    """The true page in gzip; no fault."""
    return reply(200, gzip.compress(body), {**JSON, "Content-Encoding": "gzip"})


def torn_gzip(body: bytes) -> Step:
    return reply(200, gzip.compress(body)[:-9], {**JSON, "Content-Encoding": "gzip"})


def damaged_gzip(body: bytes) -> Step:
    packed = bytearray(gzip.compress(body))
    packed[-6] ^= 0xFF  # of the checksum
    return reply(200, bytes(packed), {**JSON, "Content-Encoding": "gzip"})


def no_gzip_at_all(body: bytes) -> Step:
    return reply(200, body, {**JSON, "Content-Encoding": "gzip"})


def closed(_: bytes) -> Step:
    """The connection ends without a byte."""
    return then_close(b"")


def reset(_: bytes) -> Step:
    def step(request: Request, peer: Peer) -> None:
        peer.reset()

    return step


def silent(_: bytes) -> Step:
    """No answer at all, until the caller has had enough."""
    return hang
