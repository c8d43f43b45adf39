"""Which endpoints of the gateway the files name, and what stands behind each of them."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.services import ServiceConfig

_PORTS: Final = {"http": 80, "https": 443}


def endpoints_of(gateway: GatewayConfig, services: Sequence[ServiceConfig]) -> tuple[EndpointConfig, ...]:
    """The endpoints of `gateway.yaml`, and the services that are endpoints by themselves."""
    named = {endpoint.key for endpoint in gateway.endpoints}
    by_themselves = [_endpoint(service) for service in services if service.enabled and gateway.register_services]
    return (*gateway.endpoints, *(endpoint for endpoint in by_themselves if endpoint.key not in named))


def named(endpoints: Iterable[EndpointConfig], name: str) -> tuple[EndpointConfig, ...]:
    """Every version of that name, or the one of that `name@version`."""
    return tuple(endpoint for endpoint in endpoints if name in (endpoint.name, endpoint.key))


def leading_to(endpoints: Iterable[EndpointConfig], url: str) -> EndpointConfig | None:
    """The endpoint that the URL is below, or is itself: the one that is nearest; None where there is none."""
    above = [endpoint for endpoint in endpoints if _leads_to(endpoint.url, url)]
    return max(above, key=lambda endpoint: len(endpoint.url), default=None)


def _leads_to(above: str, url: str) -> bool:
    origin, path = _place(above)
    other, below = _place(url)
    return origin == other and (below == path or below.startswith(f"{path}/"))


@lru_cache(maxsize=4096)  # every source is held against every endpoint
def _place(url: str) -> tuple[tuple[str, str | None, int | None], str]:
    """Its origin, and its path without a trailing slash."""
    parts = urlsplit(url)
    return (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)), parts.path.rstrip("/")


def _endpoint(service: ServiceConfig) -> EndpointConfig:
    return EndpointConfig(
        name=service.name,
        url=service.base_url,
        description=service.description,
        health_check_path=service.health_path,
        service=service.name,
    )
