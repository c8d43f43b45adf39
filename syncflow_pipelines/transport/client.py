"""GET requests to one source, made as patiently as its contract asks."""

import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from syncflow_pipelines.errors import (
    ConfigurationError,
    SourceError,
    SourceProtocolError,
    SourceRefused,
    SyncCancelled,
)
from syncflow_pipelines.transport.address import parse_proxy, request_target, shown, split_base_url
from syncflow_pipelines.transport.clock import SYSTEM, Clock
from syncflow_pipelines.transport.exchange import Exchanger, RawReply, wire_limit
from syncflow_pipelines.transport.redaction import Redaction
from syncflow_pipelines.transport.retry import Patience, Trouble, retry_after_s
from syncflow_pipelines.transport.wire import POLL_S, Limits, Route, proxy_headers

T = TypeVar("T")

MAX_BODY_BYTES = 128 * 1024 * 1024
"""Of one reply, decompressed. A page may be 50 MB."""


_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)


class NotFound(SourceProtocolError):
    """The source knows no such path (404)."""


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A source's answer to a request: 200, or 304 where an ETag was sent."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; a header that came twice has both values, joined by a comma."""
    content: T | None
    """What `validate` made of the body; None for a 304."""

    @property
    def unchanged(self) -> bool:
        """Whether the source said that nothing changed since the ETag that was sent."""
        return self.status == HTTPStatus.NOT_MODIFIED

    @property
    def body(self) -> T:
        """What `validate` made of the body. Raises `ValueError` for a 304, which has none."""
        if self.unchanged:
            raise ValueError("a 304 reply has no body; look at `unchanged` first")
        return self.content  # type: ignore[return-value]

    @property
    def etag(self) -> str | None:
        return self.headers.get("etag")


def never() -> bool:
    """Nobody cancels."""
    return False


class SourceClient:
    """Calls one source, from any number of threads, over at most `max_connections` connections.

    `timeout_s` bounds the time to connect, to the first byte, and between two bytes; a whole attempt may
    take `deadline_s` (default: five times as long). `headers` are the credentials; they are sent to
    `base_url`'s origin only, and appear in no error. `credentials` says in words what they are.
    `proxy` is an `http://` URL. `cancelled` is asked several times a second during any wait.

    Raises `ConfigurationError` where an argument cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        max_connections: int,
        ca_file: Path | None = None,
        max_retry_after_s: float = 120.0,
        max_body_bytes: int = MAX_BODY_BYTES,
        deadline_s: float | None = None,
        proxy: str | None = None,
        credentials: str = "the credentials",
        cancelled: Callable[[], bool] = never,
        clock: Clock = SYSTEM,
    ) -> None:
        self._origin, self._base_path = split_base_url(base_url)
        through = parse_proxy(proxy) if proxy else None
        self._redaction = Redaction({**headers, **(proxy_headers(through) if through else {})})
        self._credentials = (
            f"{credentials}; replace it" if headers else "a request without credentials; set the connector's auth"
        )
        self._max_retry_after_s = max_retry_after_s
        self._cancelled = cancelled
        self._clock = clock
        self._held_until = clock.monotonic()
        self._lock = threading.Lock()
        self._exchanger = Exchanger(
            Route(
                self._origin,
                proxy=through,
                tls=_tls_context(ca_file) if self._origin.scheme == "https" else None,
            ),
            headers,
            limits=Limits(
                silence_s=timeout_s,
                total_s=5 * timeout_s if deadline_s is None else deadline_s,
                wire_bytes=wire_limit(max_body_bytes),
                monotonic=clock.monotonic,
                cancelled=cancelled,
            ),
            max_connections=max_connections,
            max_body_bytes=max_body_bytes,
        )

    @property
    def requests(self) -> int:
        """Requests sent so far, retries and redirects included."""
        return self._exchanger.requests

    @property
    def received_bytes(self) -> int:
        """Bytes received so far, as they came over the wire."""
        return self._exchanger.received_bytes

    def get(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        validate: Callable[[bytes], T],
        etag: str | None = None,
    ) -> Reply[T]:
        """The answer to `GET <base_url><path>?<query>`, its body through `validate`.

        `path` begins with a slash and is percent-encoded (`url_path` does it). `validate` raises
        `ValueError` or `SourceProtocolError` for a body that is torn or not what was expected; the
        request is then repeated. With an `etag`, the reply may be a 304 without a body.

        Raises `SourceRefused` (401, 403), `NotFound` (404), `SourceUnreachable` (down, slow, torn, or
        busy for too long), `SourceProtocolError` (anything else) and `SyncCancelled`.
        """
        target = request_target(self._base_path, path, query)
        patience = Patience(self._clock)
        while True:
            self._wait_until(self._held_until)
            try:
                return self._attempt(target, validate, etag)
            except Trouble as caught:
                trouble = caught
            delay_s = patience.delay_s(trouble)
            if delay_s is None:
                # Out here, so that nothing is chained to the error but what shows no secret.
                raise self._final(target, trouble, patience.attempts) from self._redaction.cause(trouble.__cause__)
            self._wait_until(self._clock.monotonic() + delay_s)

    def close(self) -> None:
        """Closes idle connections; those in use close when their request ends."""
        self._exchanger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, target: str, validate: Callable[[bytes], T], etag: str | None) -> Reply[T]:
        reply = self._exchanger.fetch(target, _sendable(etag))
        if reply.status == HTTPStatus.NOT_MODIFIED and etag is not None:
            return Reply(reply.status, reply.headers, None)
        if reply.status != HTTPStatus.OK:
            raise self._refusal(reply)
        try:
            return Reply(reply.status, reply.headers, validate(reply.body))
        except (ValueError, SourceProtocolError) as cause:
            kind = _media_type(reply)
            instead = f" ({kind} instead of JSON)" if kind and "json" not in kind else ""
            raise Trouble(f"its reply cannot be read{instead}: {cause}", error=SourceProtocolError) from cause

    def _refusal(self, reply: RawReply) -> Trouble:
        """What a reply that is no success means."""
        status, detail = reply.status, _detail(reply)
        said = f"it answered {status}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            text = f"{said} and refused {self._credentials}{detail}"
            return Trouble(text, error=SourceRefused, hopeless=True)
        if status == HTTPStatus.NOT_FOUND:
            text = f"{said}; it no longer offers this, or base_url is wrong{detail}"
            return Trouble(text, error=NotFound, hopeless=True)
        asked_s = retry_after_s(reply.headers, self._clock.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and asked_s is not None):
            return self._throttled(status, asked_s or 0.0)
        if 500 <= status < 600 or status in _PASSING:
            return Trouble(said + detail)
        text = f"{said}, which its contract does not provide for{detail}"
        return Trouble(text, error=SourceProtocolError, hopeless=True)

    def _throttled(self, status: int, asked_s: float) -> Trouble:
        said = f"it answered {status} and asks to wait"
        if asked_s > self._max_retry_after_s:
            limit = f"max_retry_after_s allows {self._max_retry_after_s:g} s"
            return Trouble(f"{said} {asked_s:g} s; {limit}", hopeless=True)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self._hold(asked_s)
        return Trouble(said, throttled=True, retry_after_s=asked_s)

    def _hold(self, seconds: float) -> None:
        """Lets no thread send a request for a while: the source counts all of them together."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def _final(self, target: str, trouble: Trouble, attempts: int) -> SourceError:
        after = f" after {attempts} attempts" if attempts > 1 else ""
        said = self._redaction.clean(str(trouble))
        return trouble.error(f"GET {shown(self._origin, target)} failed{after}: {said}")

    def _wait_until(self, moment: float) -> None:
        """Sleeps until then, by the monotonic clock. Raises `SyncCancelled`."""
        while True:
            if self._cancelled():
                raise SyncCancelled("stopped while waiting for the source")
            rest_s = moment - self._clock.monotonic()
            if rest_s <= 0:
                return
            self._clock.sleep(min(rest_s, POLL_S))


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities of `ca_file` alone, or those of the system."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as cause:
        reason = "it holds no certificate" if isinstance(cause, ssl.SSLError) else cause.strerror
        raise ConfigurationError(f"ca_file {ca_file} cannot be used: {reason}; it has to be a PEM file") from cause


def _sendable(etag: str | None) -> str | None:
    """The ETag, or None where it came from somewhere strange and is no header value."""
    return etag if etag and etag.isascii() and etag.isprintable() else None


def _media_type(reply: RawReply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def _detail(reply: RawReply) -> str:
    """The `detail` of a problem as the contract describes it, to end a sentence with; else nothing."""
    try:
        detail = json.loads(reply.body)["detail"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return f" (it says: {detail})" if isinstance(detail, str) and detail else ""
