"""What is wrong with the head of a request that the parser let through."""

import re
from typing import Final

from syncflow_pipelines.gateway.model import Problem

Header = tuple[bytes, bytes]

_HOST = re.compile(rb"(?:[A-Za-z0-9_.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?")
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})


def malformed(detail: str) -> Problem:
    return Problem(400, "bad-request", "The request cannot be read", detail, ((b"connection", b"close"),))


UNREADABLE: Final = malformed("What was sent is not proper HTTP/1.1")
BODY_OF_UPGRADE: Final = malformed("The request for a WebSocket has a body")
TOO_LARGE: Final = Problem(
    431,
    "headers-too-large",
    "The headers are too large",
    "The head of the request is larger than max_header_bytes allows",
    ((b"connection", b"close"),),
)
TOO_SLOW: Final = Problem(
    408,
    "request-timeout",
    "The request does not come",
    "The body of the request stopped coming before its end",
    ((b"connection", b"close"),),
)
_BOTH: Final = malformed("The request has both Content-Length and Transfer-Encoding")
_LENGTHS: Final = malformed("The request has no single Content-Length that is a number")
_ENCODING: Final = malformed("The request has a Transfer-Encoding other than chunked")
_HOSTS: Final = malformed("The request has no single, proper Host")
_TARGET: Final = malformed("The request's target is neither a path nor an http URL")
_VERSION: Final = malformed("The request is neither HTTP/1.0 nor HTTP/1.1")


def refusal_of(target: bytes, headers: list[Header], version: str) -> Problem | None:
    """Names in lower case. None: it says in one way alone where the request ends and whom it is for."""
    if version not in ("1.0", "1.1"):
        return _VERSION
    if b"#" in target or not (target.startswith((b"/", b"http://", b"https://")) or target == b"*"):
        return _TARGET
    return _refusal_of(headers, version)


def _refusal_of(headers: list[Header], version: str) -> Problem | None:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _FRAMING:
            if name in found:
                return _HOSTS if name == b"host" else _LENGTHS if name == b"content-length" else _ENCODING
            found[name] = value
    host = found.get(b"host")
    if host is None:
        if version == "1.1":
            return _HOSTS
    elif _HOST.fullmatch(host.rstrip(b" \t")) is None:
        return _HOSTS
    return _length_refusal(found, version)


def _length_refusal(found: dict[bytes, bytes], version: str) -> Problem | None:
    length, encoding = found.get(b"content-length"), found.get(b"transfer-encoding")
    if length is not None and encoding is not None:
        return _BOTH
    if length is not None and not length.isdigit():
        return _LENGTHS
    if encoding is not None and (version == "1.0" or encoding.strip(b" \t").lower() != b"chunked"):
        return _ENCODING
    return None
