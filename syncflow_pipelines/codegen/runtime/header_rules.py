"""Which headers go through a proxy, and which end at it (RFC 9110, sections 7.6.1 and 7.6.3)."""

from collections.abc import Iterable, Mapping

from syncflow_pipelines.codegen.runtime.asgi import Headers, Scope

_HOP_BY_HOP = frozenset((
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
))  # fmt: skip
_OWN = frozenset((
    b"host",  # the service's own
    b"content-length",  # set together with how the body is framed
    b"expect",  # answered here, once the service is reached
    b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto",
))  # fmt: skip
_BODILESS = frozenset((204, 304))


def request_headers(scope: Scope, credential: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers for the service, but those of the body's framing.

    A `credential` takes the place of the caller's headers of that name and of the caller's `Authorization`.
    Raises `UnicodeDecodeError` for a value that is neither ASCII nor UTF-8.
    """
    received: Headers = scope["headers"]
    dropped = _HOP_BY_HOP | _OWN | _nominated(received)
    if credential:
        dropped |= {b"authorization", *(name.lower().encode() for name in credential)}
    kept = [(name.decode("ascii"), value.decode()) for name, value in received if name.lower() not in dropped]
    return [*kept, *credential.items(), *_forwarded(scope)]


def content_length(scope: Scope) -> str | None:
    """How long the caller says that the body is, unless it comes in chunks."""
    if is_chunked(scope):
        return None
    lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
    return lengths[0].decode("ascii") if lengths else None


def is_chunked(scope: Scope) -> bool:
    """Whether the body comes in chunks, its length unknown."""
    return any(name.lower() == b"transfer-encoding" for name, _ in scope["headers"])


def response_headers(received: Iterable[tuple[bytes, bytes]], status: int) -> Headers:
    """The headers for the caller. An answer that has no body by its status loses its length, too: servers hold
    what is sent against it."""
    headers = [(name.lower(), value) for name, value in received]
    # the length frames the body here, whatever `Connection` says of it
    dropped = (_HOP_BY_HOP | _nominated(headers)) - {b"content-length"}
    if status in _BODILESS or any(name == b"transfer-encoding" for name, _ in headers):
        dropped |= {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]


def _nominated(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """The headers that `Connection` names: they concern this connection alone."""
    values = [value for name, value in headers if name.lower() == b"connection"]
    return {token.strip().lower() for value in values for token in value.split(b",")}


def _forwarded(scope: Scope) -> list[tuple[str, str]]:
    """Who asked, by which name and scheme, after what proxies before have said."""
    client = scope.get("client")
    said = {b"x-forwarded-for": client[0] if client else "unknown", b"x-forwarded-proto": scope.get("scheme", "http")}
    host = [value.decode() for name, value in scope["headers"] if name.lower() == b"host"]
    if host:
        said[b"x-forwarded-host"] = host[0]
    return [(name.decode(), ", ".join((*_earlier(scope, name), value))) for name, value in said.items()]


def _earlier(scope: Scope, name: bytes) -> list[str]:
    return [value.decode() for key, value in scope["headers"] if key.lower() == name and value]
