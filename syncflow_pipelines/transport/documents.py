"""GET requests for single documents, wherever they lead; credentials go to one origin only."""

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from syncflow_pipelines.config.via import Via
from syncflow_pipelines.errors import SourceProtocolError, SourceUnreachable, SyncflowError
from syncflow_pipelines.transport.address import Origin, Proxies, locate, parse_proxy, redirected, shown
from syncflow_pipelines.transport.attempts import Attempts, ServerFailed
from syncflow_pipelines.transport.client import never
from syncflow_pipelines.transport.clock import SYSTEM, Clock
from syncflow_pipelines.transport.detour import detour_of
from syncflow_pipelines.transport.exchange import (
    MAX_REDIRECTS,
    REDIRECTS,
    Exchanger,
    RawReply,
    ReplyTooLarge,
    too_many_redirects,
    wire_limit,
)
from syncflow_pipelines.transport.redaction import Redaction
from syncflow_pipelines.transport.retry import RETRIES, Trouble
from syncflow_pipelines.transport.tls import tls_context
from syncflow_pipelines.transport.validators import Validators, validators_of
from syncflow_pipelines.transport.wire import Limits, Route, proxy_headers

HEALTH_TIMEOUT_S = 10.0
NO_BOUND: AbstractContextManager[object] = nullcontext()

_HEALTH_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """What was found at a URL."""

    url: str
    """Where it was found in the end, redirects followed."""
    content: bytes | None
    """Without the client's credentials. None where the server says that it is what `validators` were given for."""
    validators: Validators
    is_at_home: bool
    """Whether every request for it went to the client's own origin."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a document is asked for."""

    known: Mapping[str, Validators] = field(default_factory=dict)
    """By URL; sent to that very URL alone, be it at the beginning or the end of redirects."""
    may_read: Callable[[str], bool] = lambda url: True
    """Whether a redirect may be followed to that URL."""
    with_credentials: bool = True
    check: Callable[[bytes], object] = len
    """Raises `SyncflowError` for a document that is not whole. Asked where the reply itself does not tell its end; the
    request is then repeated."""


PLAIN = Visit()


class DocumentClient:
    """Reads documents of one server, and of others without its credentials. Threads may share it.

    `home` is a URL of the server; `headers` are the credentials, sent to its origin alone, and no more once a redirect
    has led away from it. They appear in no error; `refused` says what to do where they are refused. `ca_file` holds for
    the home only. The limits are those of `SourceClient`; `max_body_bytes` is of one document, decompressed. `slots` is
    held during each request: a semaphore that several clients share. `via`: in place of the home the gateway is asked.
    """

    def __init__(
        self,
        home: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        deadline_s: float,
        max_body_bytes: int,
        refused: str,
        accept: str = "*/*",
        ca_file: Path | None = None,
        proxies: Proxies = Proxies(),  # noqa: B008 - it is frozen
        via: Via | None = None,
        max_retry_after_s: float = 30.0,
        tls: Callable[[Path | None], ssl.SSLContext] = tls_context,
        slots: AbstractContextManager[object] = NO_BOUND,
        cancelled: Callable[[], bool] = never,
        clock: Clock = SYSTEM,
        retries: int = RETRIES,
    ) -> None:
        self._home, _ = locate(home)
        self._headers = dict(headers)
        self._plain = {"Accept": accept}
        self._ca_file = ca_file
        self._detour = detour_of(via)
        self._proxies = proxies
        self._tls = tls
        self._slots = slots
        self._max_body_bytes = max_body_bytes
        self._limits = Limits(timeout_s, deadline_s, wire_limit(max_body_bytes), clock.monotonic, cancelled)
        self._redaction = Redaction({**headers, **self._secrets_of_proxies()})
        self._attempts = Attempts(
            refused=refused,
            redaction=self._redaction,
            max_retry_after_s=max_retry_after_s,
            cancelled=cancelled,
            clock=clock,
            failed=ServerFailed,
            retries=retries,
        )
        self._lock = threading.Lock()
        self._exchangers: dict[tuple[Origin, bool], Exchanger] = {}

    def get(self, url: str, visit: Visit = PLAIN) -> Document:
        """The document at an http or https URL.

        Raises `SourceRefused` (401, 403), `NotFound` (404), `ServerFailed` (5xx), `SourceUnreachable` (down, slow,
        torn, or busy for too long), `ReplyTooLarge`, `SourceProtocolError` (anything else) and `SyncCancelled`;
        `ValueError` where it is no such URL.
        """
        origin, target = locate(url)
        return self._attempts.made(shown(origin, target), lambda: self._journey(origin, target, visit))

    def status(self, url: str) -> int:
        """The status that a GET of the URL is answered with, asked once and without credentials.

        Raises `SourceUnreachable` where nothing answers within ten seconds.
        """
        origin, target = locate(url)
        limits = Limits(
            min(HEALTH_TIMEOUT_S, self._limits.silence_s),
            HEALTH_TIMEOUT_S,
            _HEALTH_BYTES,
            self._limits.monotonic,
            self._limits.cancelled,
        )
        exchanger = self._make(origin, {}, limits, _HEALTH_BYTES)
        try:
            with self._slots:
                return exchanger.status(target)
        except Trouble as trouble:
            said = self._redaction.clean(str(trouble))
        finally:
            exchanger.close()
        raise SourceUnreachable(f"GET {shown(origin, target)} failed: {said}")

    def close(self) -> None:
        """Closes idle connections."""
        for exchanger in self._exchangers.values():
            exchanger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _journey(self, origin: Origin, target: str, visit: Visit) -> Document:
        at_home = visit.with_credentials
        for _ in range(MAX_REDIRECTS + 1):
            at_home = at_home and origin == self._home
            url = f"{origin}{target}"
            known = visit.known.get(url, Validators())
            conditions = known.conditions()
            with self._slots:
                reply = self._exchanger(origin, at_home).visit(target, conditions)
            if reply.status == HTTPStatus.OK:
                _hold_whole(reply, visit)
                # services show who asks them in examples; what they show is kept in files that people share
                content = self._redaction.mask_document(reply.body)
                return Document(url, content, validators_of(reply.headers), at_home)
            if reply.status == HTTPStatus.NOT_MODIFIED and conditions:
                return Document(url, None, known, at_home)
            if reply.status not in REDIRECTS:
                raise self._attempts.refusal(reply, None if at_home else self._nothing_sent(origin))
            origin, target = self._next(origin, target, reply, visit)
        raise too_many_redirects()

    def _next(self, origin: Origin, target: str, reply: RawReply, visit: Visit) -> tuple[Origin, str]:
        """Where a redirect leads. Raises `Trouble` where that must not be followed."""
        new_origin, new_target = redirected(origin, target, reply.headers.get("location"))
        if new_origin is None:
            raise _wrong_way(reply, "to nowhere that can be read")
        if origin.scheme == "https" and new_origin.scheme == "http":
            raise _wrong_way(reply, f"from https to {new_origin}, where anybody could change the document on its way")
        if not visit.may_read(f"{new_origin}{new_target}"):
            raise _wrong_way(reply, f"to {new_origin}, which is not among the hosts that may be read")
        return new_origin, new_target

    def _nothing_sent(self, origin: Origin) -> str:
        if not self._headers:
            return "a request without credentials"
        return (
            f"a request without credentials: those for {self._home} are not sent to {origin}; "
            "set base_url to where the document is"
        )

    def _exchanger(self, origin: Origin, at_home: bool) -> Exchanger:
        with self._lock:
            exchanger = self._exchangers.get((origin, at_home))
            if exchanger is None:
                headers = self._headers if at_home else {}
                exchanger = self._make(origin, headers, self._limits, self._max_body_bytes)
                self._exchangers[origin, at_home] = exchanger
            return exchanger

    def _make(self, origin: Origin, headers: Mapping[str, str], limits: Limits, max_body_bytes: int) -> Exchanger:
        detour = self._detour if origin == self._home else None
        server = origin if detour is None else detour.gateway
        proxy = self._proxies.pick(str(server))
        ca_file = self._ca_file if server == self._home else None
        route = Route(
            origin,
            proxy=parse_proxy(proxy) if proxy else None,
            tls=self._tls(ca_file) if server.scheme == "https" else None,
            detour=detour,
        )
        return Exchanger(
            route,
            {**self._plain, **headers},
            limits=limits,
            max_connections=8,
            max_body_bytes=max_body_bytes,
            too_large=ReplyTooLarge,
        )

    def _secrets_of_proxies(self) -> dict[str, str]:
        headers = [proxy_headers(parse_proxy(url)) for url in self._proxies.urls]
        return {f"{name}-{index}": value for index, found in enumerate(headers) for name, value in found.items()}


def _hold_whole(reply: RawReply, visit: Visit) -> None:
    """Raises `Trouble` where the reply may have been cut off."""
    if reply.is_framed:
        return
    try:
        visit.check(reply.body)
    except SyncflowError as cause:
        text = f"its reply tells no length, and may have been cut off: {cause}"
        raise Trouble(text, error=SourceProtocolError) from cause


def _wrong_way(reply: RawReply, where: str) -> Trouble:
    text = f"it answered {reply.status} and redirects {where}"
    return Trouble(text, error=SourceProtocolError, hopeless=True)
