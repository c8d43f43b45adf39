"""One POST to one URL, tried once: what becomes of it is for the caller to judge."""

import http.client
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from syncflow_pipelines.errors import SourceUnreachable
from syncflow_pipelines.transport.address import Proxies, locate, parse_proxy
from syncflow_pipelines.transport.client import never
from syncflow_pipelines.transport.retry import retry_after_s
from syncflow_pipelines.transport.tls import tls_context
from syncflow_pipelines.transport.wire import (
    Connection,
    Limits,
    ProxyRefused,
    Route,
    TooManyBytes,
    WaitedLongEnough,
    proxy_headers,
)

_MOST_BYTES = 64 * 1024
"""Of a reply, headers included; nobody reads more of it."""


@dataclass(frozen=True, slots=True)
class Posted:
    """How a POST was answered; the body of the reply counts for nothing."""

    status: int
    retry_after_s: float | None
    """Seconds that the server asks to wait; None where it does not."""


class Poster:
    """Posts to one URL, from one thread at a time, and keeps the connection as long as the server does.

    `timeout_s` bounds the whole exchange. Redirects are not followed. `cancelled` is asked several times a second.

    Raises `ConfigurationError` where the certificates cannot be read, and `ValueError` where it is no such URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        ca_file: Path | None = None,
        proxies: Proxies = Proxies(),  # noqa: B008 - it is frozen
        cancelled: Callable[[], bool] = never,
    ) -> None:
        origin, self._target = locate(url)
        proxy = proxies.pick(url)
        tls = tls_context(ca_file) if origin.scheme == "https" else None
        self._route = Route(origin, parse_proxy(proxy) if proxy else None, tls)
        self._limits = Limits(timeout_s, timeout_s, _MOST_BYTES, time.monotonic, cancelled)
        self._kept: Connection | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Posted:
        """The answer to the body. Raises `SourceUnreachable` where there is none, and `SyncCancelled`."""
        connection, self._kept = self._kept, None
        if connection is not None and not connection.is_reusable():
            connection.close()
            connection = None
        try:
            connection = connection or self._connect()
            return self._exchange(connection, body, headers)
        except ssl.SSLCertVerificationError as error:
            raise SourceUnreachable(f"its certificate is not trusted ({error.verify_message})") from error
        except WaitedLongEnough as error:
            raise SourceUnreachable(str(error)) from error
        except TimeoutError as error:
            raise SourceUnreachable("it timed out") from error
        except (OSError, http.client.HTTPException, ProxyRefused, TooManyBytes, ValueError) as error:
            said = getattr(error, "strerror", None) or type(error).__name__
            raise SourceUnreachable(f"it cannot be reached, or does not answer in HTTP ({said})") from error

    def close(self) -> None:
        """Closes the connection that is kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _connect(self) -> Connection:
        connection = Connection(self._route, self._limits)
        connection.connect()
        return connection

    def _exchange(self, connection: Connection, body: bytes, headers: Mapping[str, str]) -> Posted:
        try:
            connection.begin()
            connection.request("POST", self._request_line(), body, {**headers, **self._proxy_headers()})
            with connection.getresponse() as response:
                answered = {name.lower(): value for name, value in response.getheaders()}
                posted = Posted(response.status, retry_after_s(answered, datetime.now(UTC)))
                is_whole = (response.length or 0) < _MOST_BYTES and _is_read(response)
                keeps = is_whole and not response.will_close
        except BaseException:
            connection.close()
            raise
        if keeps:
            self._kept = connection
        else:
            connection.close()
        return posted

    def _request_line(self) -> str:
        return f"{self._route.origin}{self._target}" if self._is_forwarded() else self._target

    def _proxy_headers(self) -> dict[str, str]:
        return proxy_headers(self._route.proxy) if self._route.proxy is not None and self._is_forwarded() else {}

    def _is_forwarded(self) -> bool:
        """Whether a proxy reads the request, rather than passing on what is encrypted."""
        return self._route.proxy is not None and self._route.tls is None


def _is_read(response: http.client.HTTPResponse) -> bool:
    """Reads the body to its end; whether that could be done. The status has said all that counts."""
    try:
        response.read()
    except (OSError, http.client.HTTPException, TooManyBytes, ValueError):
        return False
    return True
