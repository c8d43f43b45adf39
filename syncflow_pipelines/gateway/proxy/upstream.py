"""The connections to one endpoint: looked up, made, kept and shared by aiohttp's connector."""

import asyncio
import ssl
from typing import Final, cast

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from yarl import URL

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.gateway.proxy.failures import (
    CONNECT_TIMEOUT,
    FORBIDDEN,
    UNKNOWN_HOST,
    UNREACHABLE,
    UNTRUSTED,
    Failure,
    UpstreamFailed,
)
from syncflow_pipelines.gateway.proxy.upstream_connection import UpstreamConnection
from syncflow_pipelines.gateway.registry.targets import TargetRefused

_NO_TRACES: Final[list[aiohttp.tracing.Trace]] = []


class _Destination(ClientRequest):
    """What the connector is told of where to connect to; it never becomes a request."""

    _key: ConnectionKey | None = None

    @property
    def connection_key(self) -> ConnectionKey:
        if self._key is None:
            self._key = super().connection_key
        return self._key


class Upstream:
    """Belongs to one event loop, in which it has to be made."""

    def __init__(self, config: EndpointConfig, connector: aiohttp.TCPConnector) -> None:
        loop = asyncio.get_running_loop()
        self._config, self.connector = config, connector
        connector._factory = lambda: UpstreamConnection(loop)  # type: ignore[assignment]
        self._destination: _Destination | None = None
        self._timeout = aiohttp.ClientTimeout(total=None, connect=config.timeouts.connect_s, ceil_threshold=60)

    async def connect(self) -> tuple[Connection, UpstreamConnection]:
        """A connection, to be given back with its `release` or `close`. Raises `UpstreamFailed`."""
        try:
            destination = self._destination or self._find()
            connection = await self.connector.connect(destination, _NO_TRACES, self._timeout)
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamFailed(CONNECT_TIMEOUT) from error
        except (OSError, aiohttp.ClientError) as error:
            raise UpstreamFailed(_failure_of(error)) from error
        return connection, cast("UpstreamConnection", connection.protocol)

    def _find(self) -> _Destination:
        """Raises `OSError` where the certificates to trust cannot be read, now; they may be there later."""
        url, loop = URL(self._config.url, encoded=True), asyncio.get_running_loop()
        self._destination = _Destination("GET", url, loop=loop, ssl=trust_of(self._config))
        return self._destination

    async def close(self) -> None:
        await self.connector.close()


def trust_of(config: EndpointConfig) -> ssl.SSLContext | bool:
    """Which certificates are trusted, as aiohttp takes it. Raises `ssl.SSLError` where they cannot be read."""
    if config.ca_file is None or not config.url.startswith("https:"):
        return True
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise ssl.SSLError(f"{config.ca_file}: {error}") from error


def _failure_of(error: OSError | aiohttp.ClientError) -> Failure:
    if isinstance(getattr(error, "os_error", error), TargetRefused):
        return FORBIDDEN
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return UNKNOWN_HOST
    return UNTRUSTED if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)) else UNREACHABLE
