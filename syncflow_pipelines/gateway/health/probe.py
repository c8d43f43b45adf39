"""One look at one endpoint."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.gateway.health.standing import CheckOutcome

_HEADERS: Final = {"User-Agent": "syncflow-health", "Accept": "*/*"}

ConnectorFactory = Callable[[EndpointConfig], aiohttp.BaseConnector]
"""Makes what connects to an endpoint, and refuses the addresses that must not be connected to."""


def health_url(endpoint: EndpointConfig) -> str:
    """What is asked: the path for that, below the endpoint's URL or as its end; without one the URL itself."""
    path = endpoint.health_check_path
    if path is None or urlsplit(endpoint.url).path.endswith(path.rstrip("/") or path):
        return endpoint.url
    return f"{endpoint.url}{path}" if path.startswith("/") else f"{endpoint.url}/{path}"


async def look(endpoint: EndpointConfig, connector: ConnectorFactory, timeout_s: float) -> CheckOutcome:
    """Asks the endpoint once, over a connection of its own, and follows no redirect.

    With a `health_check_path`, a GET that is answered with 2xx or 3xx is good; without one, a HEAD that is answered
    with anything below 500: whoever says 404 is there.
    """
    begun, error = time.perf_counter(), None
    try:
        status = await _status(endpoint, connector, timeout_s)
        limit = HTTPStatus.BAD_REQUEST if endpoint.health_check_path is not None else HTTPStatus.INTERNAL_SERVER_ERROR
        error = None if status < limit else f"it answered {status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, SyncflowError) as failed:
        error = _reason(failed, timeout_s)
    latency_ms = (time.perf_counter() - begun) * 1000
    return CheckOutcome(error is None, datetime.now(UTC), latency_ms, error)


async def _status(endpoint: EndpointConfig, connector: ConnectorFactory, timeout_s: float) -> int:
    method = "HEAD" if endpoint.health_check_path is None else "GET"
    async with (
        aiohttp.ClientSession(connector=connector(endpoint), cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(
            method,
            URL(health_url(endpoint), encoded=True),
            headers=_HEADERS,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response,
    ):
        return response.status


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, SyncflowError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect ({error.strerror or type(error).__name__})"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return "the connection was closed before an answer came"
    return f"no answer that can be read ({type(error).__name__})"


def plain_connector(endpoint: EndpointConfig) -> aiohttp.BaseConnector:
    """Connects to wherever the endpoint's URL leads."""
    context: ssl.SSLContext | bool = True
    if endpoint.ca_file is not None:
        context = ssl.create_default_context(cafile=str(endpoint.ca_file))
    return aiohttp.TCPConnector(ssl=context, force_close=True)
