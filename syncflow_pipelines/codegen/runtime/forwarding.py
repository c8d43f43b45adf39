"""Requests → the service, and its answers back, byte for byte: an ASGI application that is a reverse proxy.

Nothing is decoded on the way: the path and the query go as they came, bodies stream both ways and each side waits for
the other, and compressed answers stay compressed.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from syncflow_pipelines.codegen.runtime.asgi import Receive, Scope, Send
from syncflow_pipelines.codegen.runtime.extra import missing_extra
from syncflow_pipelines.codegen.runtime.header_rules import (
    content_length,
    is_chunked,
    request_headers,
    response_headers,
)
from syncflow_pipelines.codegen.runtime.problems import Problem, answer
from syncflow_pipelines.config.auth import Auth, NoAuth
from syncflow_pipelines.errors import ConfigurationError, SourceUnreachable

try:
    import aiohttp
    from aiohttp.abc import AbstractStreamWriter
    from yarl import URL
except ImportError as error:
    raise missing_extra("aiohttp") from error

_LOG = logging.getLogger(__name__)
_CONNECT_S = 10.0
_KEEPALIVE_S = 4.0
"""Shorter than the 5 s after which many servers close an idle connection, so that none is closed under a request."""
_HEADER_BYTES = 65_536
"""Of one header of an answer; aiohttp's own bound is what few services keep to with their cookies and links."""
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_UNSENDABLE = re.compile(rb"[^\x21\x22\x24-\x7e]")


@dataclass(frozen=True, slots=True)
class Backend:
    """How the service that requests are forwarded to is talked to."""

    name: str
    auth: Auth = field(default_factory=NoAuth)
    timeout_s: float = 300.0
    """How long the service may be silent: before its answer begins, and between two pieces of it."""
    ca_file: Path | None = None


class CallerGone(Exception):
    """The caller hung up in the middle of its body."""


class Forwarder:
    """The proxy. Its connections are made when the first request comes, and kept until `close`."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def forward(self, scope: Scope, receive: Receive, send: Send, base_url: str) -> None:
        """Forwards one request to its path below `base_url`, which ends in no slash.

        An answer that breaks off ends in an error, which makes the server break off, too.
        """
        arguments = self._arguments(scope, base_url)
        if isinstance(arguments, Problem):
            await answer(arguments, scope, send)
            return
        exchange = asyncio.current_task()
        assert exchange is not None
        caller = _Caller(receive, exchange)
        if content_length(scope) not in (None, "0") or is_chunked(scope):
            arguments["data"] = _Body(caller)
        else:
            caller.has_read.set()
        watch = asyncio.create_task(caller.watch())
        try:
            await self._exchange(scope, caller, send, arguments)
        except asyncio.CancelledError:
            if not caller.is_gone:
                raise
            exchange.uncancel()
        finally:
            watch.cancel()

    async def close(self) -> None:
        """Closes the connections; a later request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _arguments(self, scope: Scope, base_url: str) -> dict[str, Any] | Problem:
        """What aiohttp is asked for, but the body."""
        target = _target(scope)
        if _UNSENDABLE.search(target):
            return Problem(400, "bad-target", "the path or the query holds a character that has to be percent-encoded")
        try:
            # TRACE gives back what was sent, and the credential with it
            credential = {} if scope["method"] == "TRACE" else self.backend.auth.headers()
            headers = request_headers(scope, credential)
        except UnicodeDecodeError:
            return Problem(400, "bad-header", "a header holds bytes that are neither ASCII nor UTF-8")
        except ConfigurationError as error:
            _LOG.error("no request is forwarded to the service %s: %s", self.backend.name, error)
            return Problem(500, "no-credential", f"the credential for the service {self.backend.name} cannot be read")
        if (length := content_length(scope)) is not None:
            headers.append(("Content-Length", length))
        return {
            "method": scope["method"],
            "url": URL(base_url + target.decode("ascii"), encoded=True),
            "headers": headers,
            "chunked": True if is_chunked(scope) else None,
        }

    async def _exchange(self, scope: Scope, caller: "_Caller", send: Send, arguments: Mapping[str, Any]) -> None:
        try:
            response = await self._opened_session().request(**arguments, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not caller.is_gone:
                await answer(self._failure(error), scope, send)
            return
        try:
            await _pass_on(response, send)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if caller.is_gone:
                return
            raise SourceUnreachable(
                f"the service {self.backend.name} broke off in the middle of its answer ({type(error).__name__}); "
                "ask again, or look after the service"
            ) from error
        finally:
            if caller.has_read.is_set() and response.content.at_eof():
                response.release()
            else:
                response.close()

    def _failure(self, error: Exception) -> Problem:
        name = self.backend.name
        # the text of an error may show the query, and that a key
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else type(error).__name__
        _LOG.warning("the service %s gave no answer: %s", name, cause)
        if isinstance(error, TimeoutError):
            return Problem(504, "service-timeout", f"the service {name} gave no answer in time; ask again later")
        if isinstance(error, aiohttp.ClientConnectorError):
            return Problem(502, "service-unreachable", f"the service {name} cannot be reached; ask again later")
        return Problem(502, "service-broke-off", f"the service {name} gave no HTTP answer; ask again later")

    def _opened_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._session, self._loop = _session(self.backend), loop
        return self._session


def _session(backend: Backend) -> aiohttp.ClientSession:
    tls = ssl.create_default_context(cafile=backend.ca_file) if backend.ca_file else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_ADDED_BY_AIOHTTP,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=min(_CONNECT_S, backend.timeout_s), sock_read=backend.timeout_s
        ),
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )


async def _pass_on(response: aiohttp.ClientResponse, send: Send) -> None:
    """Sends the answer on, each piece as it comes; the next one is read when the caller has taken this one."""
    headers = response_headers(response.raw_headers, response.status)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    is_whole = False
    while not is_whole:
        piece = await response.content.readany()
        is_whole = response.content.at_eof()
        await send({"type": "http.response.body", "body": piece, "more_body": not is_whole})


def _target(scope: Scope) -> bytes:
    """Path and query as they came, below where the application is mounted."""
    path = raw_path(scope)
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def raw_path(scope: Scope) -> bytes:
    """The path as it came, below where the application is mounted."""
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe="/:@!$&'()*+,;=~%").encode()
    root = (scope.get("root_path") or "").rstrip("/")
    if not root:
        return path
    segments = path.split(b"/")
    below = root.count("/") + 1
    return b"/" + b"/".join(segments[below:])


class _Caller:
    """The caller's side of an exchange, which is cancelled as soon as the caller hangs up."""

    def __init__(self, receive: Receive, exchange: asyncio.Task[Any]) -> None:
        self._receive = receive
        self._exchange = exchange
        self.has_read = asyncio.Event()
        self.is_gone = False

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises `CallerGone` where it breaks off."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._hang_up()
                raise CallerGone
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self.has_read.set()

    async def watch(self) -> None:
        """Waits, once the body has been read, until the caller hangs up."""
        await self.has_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._hang_up()

    def _hang_up(self) -> None:
        self.is_gone = True
        self._exchange.cancel()


class _Body(aiohttp.payload.Payload):
    """A caller's body on its way to the service, of whatever length."""

    def __init__(self, caller: _Caller) -> None:
        super().__init__(None)
        self._caller = caller

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a body that streams has no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._consumed = True
        writer.send_headers()  # the service may want to answer before the first piece comes
        async for piece in self._caller.body():
            await writer.write(piece)
