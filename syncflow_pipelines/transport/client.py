"""GET requests to one source, made as patiently as its contract asks."""

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from syncflow_pipelines.config.via import Via
from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.transport.address import Origin, parse_proxy, request_target, shown, split_base_url
from syncflow_pipelines.transport.attempts import Attempts
from syncflow_pipelines.transport.clock import SYSTEM, Clock
from syncflow_pipelines.transport.detour import detour_of
from syncflow_pipelines.transport.exchange import Exchanger, RawReply, wire_limit
from syncflow_pipelines.transport.latencies import LatencyCounts
from syncflow_pipelines.transport.redaction import Redaction
from syncflow_pipelines.transport.retry import Trouble
from syncflow_pipelines.transport.tls import tls_context
from syncflow_pipelines.transport.validators import Validators
from syncflow_pipelines.transport.wire import Limits, Route, proxy_headers

T = TypeVar("T")

MAX_BODY_BYTES = 128 * 1024 * 1024
"""Of one reply, decompressed. A page may be 50 MB."""


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
    `proxy` is an `http://` URL. `via`: the gateway is asked in place of the source. `cancelled` is asked
    several times a second during any wait.

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
        via: Via | None = None,
        credentials: str = "the credentials",
        cancelled: Callable[[], bool] = never,
        clock: Clock = SYSTEM,
    ) -> None:
        self._origin, self._base_path = split_base_url(base_url)
        self._asking = threading.local()

        def is_cancelled() -> bool:
            asks: Callable[[], bool] = getattr(self._asking, "cancelled", never)
            return cancelled() or asks()

        through = parse_proxy(proxy) if proxy else None
        detour = detour_of(via)
        self._attempts = Attempts(
            refused=f"{credentials}; replace it"
            if headers
            else "a request without credentials; set the connector's auth",
            redaction=Redaction({**headers, **(proxy_headers(through) if through else {})}),
            max_retry_after_s=max_retry_after_s,
            cancelled=is_cancelled,
            clock=clock,
        )
        self._exchanger = Exchanger(
            Route(
                self._origin,
                proxy=through,
                tls=_tls(self._origin, ca_file) if detour is None else _tls(detour.gateway, None),
                detour=detour,
            ),
            headers,
            limits=Limits(
                silence_s=timeout_s,
                total_s=5 * timeout_s if deadline_s is None else deadline_s,
                wire_bytes=wire_limit(max_body_bytes),
                monotonic=clock.monotonic,
                cancelled=is_cancelled,
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

    def take_latencies(self) -> LatencyCounts:
        """How long the requests took that ended since this was last asked."""
        return self._exchanger.latencies.take()

    def get(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        validate: Callable[[bytes], T],
        etag: str | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Reply[T]:
        """The answer to `GET <base_url><path>?<query>`, its body through `validate`.

        `path` begins with a slash and is percent-encoded (`url_path` does it). `validate` raises
        `ValueError` or `SourceProtocolError` for a body that is torn or not what was expected; the
        request is then repeated. With an `etag`, the reply may be a 304 without a body. `cancelled` is asked as the
        client's own is, for this request alone.

        Raises `SourceRefused` (401, 403), `NotFound` (404), `SourceUnreachable` (down, slow, torn, or
        busy for too long), `SourceProtocolError` (anything else) and `SyncCancelled`.
        """
        target = request_target(self._base_path, path, query)
        self._asking.cancelled = cancelled  # a request waits in the thread that makes it
        try:
            return self._attempts.made(shown(self._origin, target), lambda: self._attempt(target, validate, etag))
        finally:
            self._asking.cancelled = never

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
        reply = self._exchanger.fetch(target, Validators(etag).conditions())
        if reply.status == HTTPStatus.NOT_MODIFIED and etag is not None:
            return Reply(reply.status, reply.headers, None)
        if reply.status != HTTPStatus.OK:
            raise self._attempts.refusal(reply)
        try:
            return Reply(reply.status, reply.headers, validate(reply.body))
        except (ValueError, SourceProtocolError) as cause:
            kind = _media_type(reply)
            instead = f" ({kind} instead of JSON)" if kind and "json" not in kind else ""
            raise Trouble(f"its reply cannot be read{instead}: {cause}", error=SourceProtocolError) from cause


def _tls(server: Origin, ca_file: Path | None) -> ssl.SSLContext | None:
    return tls_context(ca_file) if server.scheme == "https" else None


def _media_type(reply: RawReply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()
