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
    UNKNOWN_HOST,
    UNREACHABLE,
    UNTRUSTED,
    UpstreamFailed,
)
from syncflow_pipelines.gateway.proxy.upstream_connection import UpstreamConnection

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
        url = URL(config.url, encoded=True)
        self.connector = connector
        connector._factory = lambda: UpstreamConnection(loop)  # type: ignore[assignment]
        self._destination = _Destination("GET", url, loop=loop, ssl=trust_of(config))
        self._timeout = aiohttp.ClientTimeout(total=None, connect=config.timeouts.connect_s, ceil_threshold=60)

    async def connect(self) -> tuple[Connection, UpstreamConnection]:
        """A connection, to be given back with its `release` or `close`. Raises `UpstreamFailed`."""
        try:
            connection = await self.connector.connect(self._destination, _NO_TRACES, self._timeout)
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise UpstreamFailed(CONNECT_TIMEOUT) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise UpstreamFailed(UNKNOWN_HOST) from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise UpstreamFailed(UNTRUSTED) from error
        except (OSError, aiohttp.ClientError) as error:
            raise UpstreamFailed(UNREACHABLE) from error
        return connection, cast("UpstreamConnection", connection.protocol)

    async def close(self) -> None:
        await self.connector.close()


def trust_of(config: EndpointConfig) -> ssl.SSLContext | bool:
    """Which certificates are trusted, as aiohttp takes it."""
    if config.ca_file is None or not config.url.startswith("https:"):
        return True
    return ssl.create_default_context(cafile=config.ca_file)
