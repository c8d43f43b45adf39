"""A request tried as often, and with such pauses, as its server deserves; and what replies that are no success mean."""

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from syncflow_pipelines.errors import (
    SourceError,
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
    SyncCancelled,
)
from syncflow_pipelines.transport.clock import Clock
from syncflow_pipelines.transport.exchange import RawReply
from syncflow_pipelines.transport.redaction import Redaction
from syncflow_pipelines.transport.retry import RETRIES, Patience, Trouble, retry_after_s
from syncflow_pipelines.transport.wire import POLL_S

T = TypeVar("T")

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)


class NotFound(SourceProtocolError):
    """The source knows no such path (404)."""


class ServerFailed(SourceUnreachable):
    """The source was reached, and answered that it failed (5xx)."""


class Attempts:
    """Requests to one server from any number of threads; where it asks one of them to wait, all do.

    `refused` is what a 401 or 403 refuses, and what to do about it: "the token in X; replace it". `failed` is the error
    for a 5xx.
    """

    def __init__(
        self,
        *,
        refused: str,
        redaction: Redaction,
        max_retry_after_s: float,
        cancelled: Callable[[], bool],
        clock: Clock,
        failed: type[SourceUnreachable] = SourceUnreachable,
        retries: int = RETRIES,
    ) -> None:
        self._refused = refused
        self._failed = failed
        self._redaction = redaction
        self._max_retry_after_s = max_retry_after_s
        self._cancelled = cancelled
        self._clock = clock
        self._retries = retries
        self._held_until = clock.monotonic()
        self._lock = threading.Lock()

    def made(self, url: str, attempt: Callable[[], T]) -> T:
        """What `attempt` returns, once it raises no `Trouble` any more. `url` is for the error, and holds no secret.

        Raises the kind of `SourceError` that the last trouble names, and `SyncCancelled`.
        """
        patience = Patience(self._clock, self._retries)
        while True:
            self._wait_until(self._held_until)
            try:
                return attempt()
            except Trouble as caught:
                trouble = self._bounded(caught)
            delay_s = patience.delay_s(trouble)
            if delay_s is None:
                # Out here, so that nothing is chained to the error but what shows no secret.
                raise self._final(url, trouble, patience.attempts) from self._redaction.cause(trouble.__cause__)
            self._wait_until(self._clock.monotonic() + delay_s)

    def refusal(self, reply: RawReply, refused: str | None = None) -> Trouble:
        """What a reply that is no success means."""
        status, detail = reply.status, _detail(reply)
        said = f"it answered {status}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            text = f"{said} and refused {refused or self._refused}{detail}"
            return Trouble(text, error=SourceRefused, hopeless=True)
        if status == HTTPStatus.NOT_FOUND:
            text = f"{said}; it no longer offers this, or base_url is wrong{detail}"
            return Trouble(text, error=NotFound, hopeless=True)
        asked_s = retry_after_s(reply.headers, self._clock.now())
        if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and asked_s is not None):
            return self._throttled(status, asked_s or 0.0)
        if 500 <= status < 600 or status in _PASSING:
            return Trouble(said + detail, error=self._failed)
        text = f"{said}, which its contract does not provide for{detail}"
        return Trouble(text, error=SourceProtocolError, hopeless=True)

    def _throttled(self, status: int, asked_s: float) -> Trouble:
        said = f"it answered {status} and asks to wait"
        if asked_s > self._max_retry_after_s:
            return self._bounded(Trouble(f"{said} {asked_s:g} s", throttled=True, retry_after_s=asked_s))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self._hold(asked_s)
        return Trouble(said, throttled=True, retry_after_s=asked_s)

    def _bounded(self, trouble: Trouble) -> Trouble:
        """The same, or that it cannot be helped, where it asks for a longer wait than is allowed."""
        if not trouble.throttled or (trouble.retry_after_s or 0.0) <= self._max_retry_after_s:
            return trouble
        bounded = Trouble(f"{trouble}; max_retry_after_s allows {self._max_retry_after_s:g} s", hopeless=True)
        bounded.__cause__ = trouble.__cause__
        return bounded

    def _hold(self, seconds: float) -> None:
        """Lets no thread send a request for a while: the source counts all of them together."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def _final(self, url: str, trouble: Trouble, attempts: int) -> SourceError:
        after = f" after {attempts} attempts" if attempts > 1 else ""
        said = self._redaction.clean(str(trouble))
        return trouble.error(f"GET {url} failed{after}: {said}")

    def _wait_until(self, moment: float) -> None:
        """Sleeps until then, by the monotonic clock. Raises `SyncCancelled`."""
        while True:
            if self._cancelled():
                raise SyncCancelled("stopped while waiting for the source")
            rest_s = moment - self._clock.monotonic()
            if rest_s <= 0:
                return
            self._clock.sleep(min(rest_s, POLL_S))


def _detail(reply: RawReply) -> str:
    """The `detail` of a problem as the contract describes it, to end a sentence with; else nothing."""
    try:
        detail = json.loads(reply.body)["detail"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return f" (it says: {detail})" if isinstance(detail, str) and detail else ""
