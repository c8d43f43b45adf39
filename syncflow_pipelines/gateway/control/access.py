"""Who may ask the control plane and the admin API, decided before anything of a request is read but its head."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.types import ASGIApp, Receive, Scope, Send

from syncflow_pipelines.config.api_tokens import ApiTokens, Role
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.control.problems import send_problem
from syncflow_pipelines.gateway.model import Problem

CALLER: Final = "syncflow.caller"
"""The key of a request's scope where `Guard` puts the `Caller`."""
OPEN_PATHS: Final = frozenset({"/health", "/health/ready"})
"""What a load balancer asks; it has no token."""

_READING: Final = frozenset({"GET", "HEAD"})
_TOKEN_PARAMETERS: Final = frozenset(
    {"token", "access_token", "api_token", "api_key", "apikey", "auth", "authorization", "bearer", "password", "secret"}
)
_OUR_TOKEN: Final = re.compile(r"syncflow_[A-Za-z0-9_-]{20,}")
_CHALLENGES: Final = ((b"www-authenticate", b'Bearer realm="syncflow"'),)
_READ_CHALLENGES: Final = (*_CHALLENGES, (b"www-authenticate", b'Basic realm="syncflow", charset="UTF-8"'))
_HOW: Final = (
    "without tokens the control plane answers to this machine alone. `syncflow serve token NAME --role admin` makes a "
    "token and says how it is set; or bind to 127.0.0.1"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    name: str | None
    """Of the token; None: somebody on this machine, while no tokens are set."""
    role: Role


@dataclass(slots=True)
class Access:
    """The tokens that are accepted; without any, requests to a loopback address are."""

    tokens: ApiTokens = field(default_factory=ApiTokens)
    """May be replaced while requests are served."""
    open_paths: frozenset[str] = OPEN_PATHS

    def judge(self, scope: Scope) -> Caller | Problem:
        """Who sent the request, or why it is refused."""
        headers = _Headers(scope)
        if _carries_token(scope):
            return _TOKEN_IN_URL
        if scope["path"] in self.open_paths and scope["method"] in _READING:
            return Caller(None, Role.READ)
        if scope["method"] not in _READING and _is_foreign(headers):
            return _FOREIGN_ORIGIN
        return self._by_token(scope["method"], headers) if self.tokens else _by_host(headers)

    def _by_token(self, method: str, headers: "_Headers") -> Caller | Problem:
        presented = _presented(headers, method)
        if presented is None:
            return _unauthorised(method)
        token = self.tokens.find(presented)
        if token is None:
            return _unauthorised(method, unknown=True)
        if method not in _READING and token.role is not Role.ADMIN:
            return _FORBIDDEN
        return Caller(token.name, token.role)


class Guard:
    """An ASGI application that hands on what may be asked, with a `Caller` in its scope, and refuses the rest."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        judged = _NO_SOCKETS if scope["type"] == "websocket" else self._access.judge(scope)
        if isinstance(judged, Problem):
            await send_problem(scope, send, judged)
            return
        scope[CALLER] = judged
        await self._app(scope, receive, send)


_SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of SYNCFLOW_API_TOKENS; `syncflow serve token` makes one. `read` may GET, `admin` everything. "
    "Without tokens the gateway answers to its own machine alone, and asks for none.",
)


def caller(
    request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)] = None
) -> Caller:
    """Dependency of every router: who asks, as `Guard` found out. A router that stands without one answers nobody."""
    return caller_of(request.scope)


def caller_of(scope: Scope) -> Caller:
    """Who asks. Raises `RuntimeError` where no guard stands before the application."""
    found = scope.get(CALLER)
    if not isinstance(found, Caller):
        raise RuntimeError("the application does not stand behind a Guard")
    return found


def refuse_open_binding(host: str, tokens: ApiTokens) -> None:
    """Raises `ConfigurationError` where anybody in the network could use the control plane."""
    if not tokens and not is_loopback(host):
        raise ConfigurationError(f"will not listen on {host}: {_HOW}")


def is_loopback(host: str) -> bool:
    """Whether the name or address leads to this machine and nowhere else, without asking any name server."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class _Headers:
    """The headers of a request by name, each with all its values."""

    def __init__(self, scope: Scope) -> None:
        self.scheme: str = scope.get("scheme", "http")
        self._pairs: Iterable[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self._pairs if key == name]

    def only(self, name: bytes) -> str | None:
        """The value where there is exactly one."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None


def _presented(headers: _Headers, method: str) -> str | None:
    """The token of `Authorization`; as a password it reads only, since browsers send passwords unasked."""
    scheme, _, value = (headers.only(b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic" and method in _READING:
        return _password(value.strip())
    return None


def _password(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _by_host(headers: _Headers) -> Caller | Problem:
    """A page whose name was made to lead here (DNS rebinding) has its own name in `Host`."""
    host = headers.only(b"host")
    return Caller(None, Role.ADMIN) if host and is_loopback(_host_name(host)) else _FOREIGN_HOST


def _is_foreign(headers: _Headers) -> bool:
    """Whether a browser sent the request for a page of somebody else."""
    site = headers.only(b"sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    return any(origin != f"{headers.scheme}://{headers.only(b'host')}" for origin in headers.all(b"origin"))


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _carries_token(scope: Scope) -> bool:
    query = scope.get("query_string", b"").decode("latin-1")
    if any(name.lower() in _TOKEN_PARAMETERS for name, _ in parse_qsl(query, keep_blank_values=True)):
        return True
    return bool(_OUR_TOKEN.search(scope["path"]) or any(_OUR_TOKEN.search(value) for _, value in parse_qsl(query)))


def without_tokens(path: str) -> str:
    """A path that can be logged."""
    return _OUR_TOKEN.sub("***", path)


def _unauthorised(method: str, *, unknown: bool = False) -> Problem:
    challenges = _READ_CHALLENGES if method in _READING else _CHALLENGES
    if unknown:
        return Problem(401, "unknown-token", "Unknown token", "The token is none of SYNCFLOW_API_TOKENS.", challenges)
    detail = "Send a token of SYNCFLOW_API_TOKENS as `Authorization: Bearer …`; `syncflow serve token` makes one."
    return Problem(401, "token-needed", "A token is needed", detail, challenges)


_FORBIDDEN: Final = Problem(
    403,
    "role-too-low",
    "The token may only read",
    "This request changes something, and needs a token of the role admin.",
    ((b"www-authenticate", b'Bearer realm="syncflow", error="insufficient_scope"'),),
)
_NO_SOCKETS: Final = Problem(404, "not-found", "Not found", "Only /orchestrator/… has WebSockets.")
_TOKEN_IN_URL: Final = Problem(
    400,
    "token-in-url",
    "A credential in the URL",
    "URLs are logged all over the way: send the token in the header Authorization, and replace the one that was sent.",
)
_FOREIGN_ORIGIN: Final = Problem(
    403, "foreign-origin", "Sent by a foreign page", "Pages of another origin may not change anything here."
)
_FOREIGN_HOST: Final = Problem(
    403,
    "foreign-host",
    "Not addressed to this machine",
    "While no tokens are set, requests must be addressed to localhost, 127.0.0.1 or [::1].",
)
