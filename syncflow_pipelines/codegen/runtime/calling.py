"""A tool is called → a request is sent to the service, and its answer given back."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx2
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_headers
from fastmcp.tools import ToolResult

from syncflow_pipelines.codegen.runtime.addresses import operations_url
from syncflow_pipelines.codegen.runtime.answers import read_answer, to_result
from syncflow_pipelines.codegen.runtime.catalogue import ToolPlan
from syncflow_pipelines.codegen.runtime.credentials import auth_header
from syncflow_pipelines.codegen.runtime.requests import UnsendableValue
from syncflow_pipelines.config.auth import Auth
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.transport.redaction import Redaction

Json = Any

_CONNECT_S = 10.0


class Clients:
    """Connections to a service, one pool for each event loop, without a memory for cookies."""

    def __init__(self) -> None:
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()

    def of(self, backend: "Backend") -> httpx2.AsyncClient:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None or client.is_closed:
            client = self._clients[loop] = httpx2.AsyncClient(
                verify=_trust(backend.ca_file),
                timeout=httpx2.Timeout(backend.timeout_s, connect=min(_CONNECT_S, backend.timeout_s)),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                headers={"Accept-Encoding": "identity", "User-Agent": "syncflow"},
            )
        return client

    async def close(self) -> None:
        """Closes the running loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


@dataclass(frozen=True, slots=True)
class Backend:
    """The service, and how it is asked."""

    service: str
    base_url: str
    """As it is configured; the path of an operation's server is added to it."""
    auth: Auth
    timeout_s: float
    """For one call, from the first byte sent to the last one read."""
    max_answer_bytes: int
    forward_headers: tuple[str, ...] = ()
    """Headers of whoever calls the tool that are passed on; no others are."""
    ca_file: Path | None = None
    clients: Clients = field(default_factory=Clients, compare=False, repr=False)


async def call(plan: ToolPlan, arguments: Mapping[str, Json], backend: Backend) -> ToolResult:
    """What the service answers.

    Raises `ToolError`, which shows no credential, where the request cannot be made, the credential cannot be read,
    the service cannot be reached, is too slow, or answers with an error.
    """
    headers = _passed_on(backend)
    try:
        headers = _credentials(backend, headers) | headers
        redaction = Redaction(headers)
        request = _request(plan, arguments, backend, headers)
    except (UnsendableValue, ConfigurationError) as error:
        raise ToolError(str(error)) from error
    except httpx2.InvalidURL as error:
        raise ToolError("the arguments make a URL that cannot be asked for; it may be too long") from error
    try:
        async with asyncio.timeout(backend.timeout_s):
            return await _exchange(plan, request, backend, redaction)
    except (TimeoutError, httpx2.TimeoutException):
        raise ToolError(f"{backend.service} did not answer within {backend.timeout_s:g} s") from None
    except httpx2.HTTPError as error:
        told = redaction.clean(f"{type(error).__name__}: {error}")
        raise ToolError(f"{backend.service} cannot be asked ({told})") from redaction.cause(error)


async def _exchange(plan: ToolPlan, request: httpx2.Request, backend: Backend, redaction: Redaction) -> ToolResult:
    response = await backend.clients.of(backend).send(request, stream=True, auth=None, follow_redirects=False)
    try:
        answer = await read_answer(response, backend.max_answer_bytes)
    finally:
        with suppress(httpx2.HTTPError):  # what is left unread of an answer that was cut
            await response.aclose()
    return to_result(answer, plan.operation.definition.get("responses") or {}, redaction, backend.max_answer_bytes)


def _passed_on(backend: Backend) -> dict[str, str]:
    """Headers of the caller; none where it does not speak HTTP."""
    if not backend.forward_headers:
        return {}
    wanted = {name.lower() for name in backend.forward_headers}
    return {name: value for name, value in get_http_headers(include=wanted).items() if name in wanted}


def _credentials(backend: Backend, passed_on: Mapping[str, str]) -> dict[str, str]:
    """The service's own, unless the caller passes its own in the same header."""
    if auth_header(backend.auth) & passed_on.keys():
        return {}
    return backend.auth.headers()


def _request(
    plan: ToolPlan, arguments: Mapping[str, Json], backend: Backend, fixed: Mapping[str, str]
) -> httpx2.Request:
    """Headers that are fixed win over arguments."""
    target, body = plan.call.request(arguments)
    headers: dict[str, str | bytes] = {"accept": _accept(plan)}
    headers |= {name.lower(): value for name, value in target.headers.items()}
    if body is not None:
        headers["content-type"] = body.content_type
    headers |= {name.lower(): value for name, value in fixed.items()}
    base = httpx2.URL(operations_url(backend.base_url, plan.servers))
    raw_target = base.raw_path.rstrip(b"/") + target.path.encode()
    return backend.clients.of(backend).build_request(
        plan.operation.method.upper(),
        base.copy_with(raw_path=raw_target),
        headers=[
            (name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()
        ],
        content=None if body is None else body.content,
    )


def _accept(plan: ToolPlan) -> str:
    """What the operation can answer with, JSON before all."""
    responses = plan.operation.definition.get("responses") or {}
    found = {
        media for status, each in responses.items() if status.startswith("2") for media in each.get("content") or {}
    }
    usable = sorted(media for media in found if media.isascii() and media.isprintable() and "," not in media)
    usable.sort(key=lambda media: "json" not in media)
    return ", ".join((*usable[:5], "*/*;q=0.5")) if usable else "application/json, */*;q=0.5"


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx2.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise ConfigurationError(f"the certificates in {ca_file} cannot be read ({cause}); mend `ca_file`") from error
