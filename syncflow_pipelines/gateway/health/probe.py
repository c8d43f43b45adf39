"""One look at one endpoint."""

import os
import ssl
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig, TargetRules
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.gateway.health.standing import CheckOutcome
from syncflow_pipelines.gateway.model import Registered
from syncflow_pipelines.gateway.registry.targets import TargetRefused, checked_connector, rules_of

_HEADERS: Final = {"User-Agent": "syncflow-health", "Accept": "*/*"}


def health_url(endpoint: EndpointConfig) -> str:
    """What is asked: the path for that, below the endpoint's URL or as its end; without one the URL itself."""
    path = endpoint.health_check_path
    if path is None or urlsplit(endpoint.url).path.endswith(path.rstrip("/") or path):
        return endpoint.url
    return f"{endpoint.url}{path}" if path.startswith("/") else f"{endpoint.url}/{path}"


async def look(endpoint: Registered, rules: TargetRules, timeout_s: float) -> CheckOutcome:
    """Asks the endpoint once, over a connection of its own to where it may lead, and follows no redirect.

    With a `health_check_path`, a GET that is answered with 2xx or 3xx is good; without one, a HEAD that is answered
    with anything below 500: whoever says 404 is there.
    """
    begun, error, path = time.perf_counter(), None, endpoint.config.health_check_path
    try:
        status = await _status(endpoint, rules, timeout_s)
        limit = HTTPStatus.INTERNAL_SERVER_ERROR if path is None else HTTPStatus.BAD_REQUEST
        error = None if status < limit else f"it answered {status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, SyncflowError) as failed:
        error = _reason(failed, timeout_s)
    latency_ms = (time.perf_counter() - begun) * 1000
    return CheckOutcome(error is None, datetime.now(UTC), latency_ms, error)


async def _status(endpoint: Registered, rules: TargetRules, timeout_s: float) -> int:
    async with (
        aiohttp.ClientSession(connector=_connector(endpoint, rules), cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(
            "HEAD" if endpoint.config.health_check_path is None else "GET",
            URL(health_url(endpoint.config), encoded=True),
            headers=_HEADERS,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response,
    ):
        return response.status


def _reason(error: Exception, timeout_s: float) -> str:
    if isinstance(error, SyncflowError):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, TargetRefused):
        return str(error.os_error)
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"cannot connect ({os.strerror(number) if number else type(error.os_error).__name__})"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return "the connection was closed before an answer came"
    return f"no answer that can be read ({type(error).__name__})"


def _connector(endpoint: Registered, rules: TargetRules) -> aiohttp.BaseConnector:
    """Raises `OSError` where the certificates to trust cannot be read."""
    config = endpoint.config
    context: ssl.SSLContext | bool = True
    if config.ca_file is not None:
        context = ssl.create_default_context(cafile=str(config.ca_file))
    resolver = aiohttp.ThreadedResolver()
    return checked_connector(config.url, rules_of(endpoint, rules), resolver=resolver, ssl=context, force_close=True)
