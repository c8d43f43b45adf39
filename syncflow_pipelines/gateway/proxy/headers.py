"""Which headers pass, in both directions, and which belong to one connection alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from syncflow_pipelines.gateway.fallbacks import FALLBACK_HEADER
from syncflow_pipelines.gateway.model import PROBLEM_MARK
from syncflow_pipelines.gateway.proxy.forwarding import FORWARDED, REQUEST_ID, VIA

Header = tuple[bytes, bytes]

_OF_ONE_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
"""RFC 9110, section 7.6.1. Credentials for a proxy are not among them: the gateway asks for none, and passes all on."""
_OF_THE_GATEWAY: Final = frozenset({PROBLEM_MARK[0], FALLBACK_HEADER})
_SPECIAL: Final = frozenset({b"host", b"content-length", b"expect", b"via", REQUEST_ID, b"trailer"})
_UNTRAILED: Final = frozenset(
    {
        b"authorization",
        b"proxy-authorization",
        b"cookie",
        b"set-cookie",
        b"content-type",
        b"content-encoding",
        b"content-range",
        b"cache-control",
        b"max-forwards",
        b"range",
        b"trailer",
        b"location",
    }
)
"""RFC 9110, section 6.5.1: what says how a message is to be understood, or who may, has come too late in a trailer."""
_KNOWN_NAMES: Final = 2048


class _Fate(IntEnum):
    PASS = 0
    DROP = 1
    """Replaced, or of one connection; those of them that mean something are read below."""
    LOOK = 2


class _Fates(dict[bytes, _Fate]):
    """By name in lower case; what is not known yet is worked out once."""

    def __missing__(self, name: bytes) -> _Fate:
        if len(self) >= _KNOWN_NAMES:
            self.clear()
        fate = self[name] = _fate(name)
        return fate


def _fate(name: bytes) -> _Fate:
    spelled = name.replace(b"_", b"-")  # CGI and WSGI read both as one name
    if name in _SPECIAL or name in _OF_ONE_HOP:
        return _Fate.LOOK
    if spelled in FORWARDED or spelled.startswith(b"x-forwarded-") or spelled in _OF_THE_GATEWAY:
        return _Fate.DROP
    return _Fate.DROP if spelled in (_SPECIAL | _OF_ONE_HOP) else _Fate.PASS


_FATES: Final = _Fates()


@dataclass(slots=True)
class RequestHead:
    """What a request says of itself, and the lines of it that pass."""

    lines: list[bytes]
    host: bytes = b""
    length: bytes | None = None
    is_chunked: bool = False
    expects: bool = False
    """A word to go on before the body is sent."""
    via: bytes = b""
    accepts_trailers: bool = False

    @property
    def has_body(self) -> bool:
        return self.is_chunked or (self.length is not None and self.length.strip(b"0 ") != b"")


def read_request(headers: Iterable[Header]) -> RequestHead:
    """Names in lower case. Lines keep their order and their bytes."""
    head = RequestHead([])
    lines, nominated = head.lines, b""
    for name, value in headers:
        fate = _FATES[name]
        if fate is _Fate.PASS:
            lines.append(name + b": " + value)
        elif fate is _Fate.LOOK:
            nominated += _look(head, name, value)
    if nominated:
        dropped = _names(nominated) - {b"close", b"keep-alive", b"upgrade"}
        if dropped:
            head.lines = [line for line in lines if line.partition(b":")[0] not in dropped]
    return head


def _look(head: RequestHead, name: bytes, value: bytes) -> bytes:
    """Notes what the header says; returns what it nominates for one connection."""
    match name:
        case b"host":
            head.host = value.strip(b" \t")
        case b"content-length":
            head.length = value
        case b"transfer-encoding":
            head.is_chunked = True
        case b"expect":
            head.expects = value.strip().lower() == b"100-continue"
            head.lines += [] if head.expects else [b"expect: " + value]
        case b"via":
            head.via = head.via + b", " + value if head.via else value
        case b"te":
            head.accepts_trailers = b"trailers" in _names(value)
        case b"trailer":
            head.lines.append(b"trailer: " + value)
        case b"connection":
            return b"," + value
    return b""


def response_headers(headers: Iterable[Header], request_id: bytes, status: int) -> list[Header]:
    """Of an upstream's answer, those that pass, and our own; names in lower case."""
    passed: list[Header] = []
    nominated, via, own_id = b"", b"", True
    for given, value in headers:
        name = given.lower()
        if name in _OF_ONE_HOP:
            nominated += b"," + value if name == b"connection" else b""
        elif name == b"via":
            via += value + b", "
        elif name in _OF_THE_GATEWAY or (name == b"content-length" and status == 204):
            continue
        else:
            own_id = own_id and name != REQUEST_ID
            passed.append((name, value))
    if nominated and (dropped := _names(nominated) - {b"close", b"keep-alive", b"upgrade"}):
        passed = [header for header in passed if header[0] not in dropped]
    passed.append((b"via", via + VIA))
    if own_id:
        passed.append((REQUEST_ID, request_id))
    return passed


def trailers(fields: Iterable[Header]) -> list[Header]:
    """Those that may come after a body; names in lower case."""
    lowered = ((name.lower(), value) for name, value in fields)
    return [(name, value) for name, value in lowered if _FATES[name] is _Fate.PASS and name not in _UNTRAILED]


def _names(value: bytes) -> set[bytes]:
    return {word.partition(b";")[0].strip().lower() for word in value.split(b",")} - {b""}
