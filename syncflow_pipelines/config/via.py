"""Sources and services that are asked through the gateway: `via` in `connectors.yaml` and `auto_sync_services.yaml`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncflow_pipelines.config.connectors import ConnectorConfig
from syncflow_pipelines.config.endpoints import endpoints_of, leading_to, named
from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.config.gateway_file import gateway_path, load_gateway
from syncflow_pipelines.config.mistakes import Mistake, path_text, shown
from syncflow_pipelines.config.services import ServiceConfig
from syncflow_pipelines.config.services_file import load_services
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Via:
    """The endpoint of the gateway that requests go through."""

    endpoint: str
    """`name@version`."""
    endpoint_url: str
    gateway_url: str
    """Without a trailing slash."""


def via_of(asked: ConnectorConfig | ServiceConfig, settings: Settings) -> Via | None:
    """The way to a source or a service; None where it is asked itself, which needs no file.

    Raises `ConfigurationError` where the gateway has no such endpoint, or one that leads elsewhere.
    """
    if asked.via is None:
        return None
    gateway = load_gateway(settings)
    services = load_services(settings).services if gateway.register_services else ()
    endpoints = endpoints_of(gateway, services)
    found = leading_to(named(endpoints, asked.via), asked.base_url)
    if found is None:
        told = _expected(asked, endpoints, gateway_path(settings).name)
        raise ConfigurationError(f"{asked.name} cannot be asked via {asked.via}; expected {told}")
    return Via(found.key, found.url, settings.gateway_url)


def via_mistakes(
    file_name: str,
    kind: str,
    asked: Sequence[ConnectorConfig | ServiceConfig],
    endpoints: Sequence[EndpointConfig],
    gateway_file: str,
) -> Iterator[Mistake]:
    """A mistake for each `via` that names no endpoint, or one that leads elsewhere. `kind`: the list in the file."""
    for index, one in enumerate(asked):
        if one.via is not None and leading_to(named(endpoints, one.via), one.base_url) is None:
            where = path_text((kind, index, "via"))
            yield Mistake(file_name, 0, where, shown(one.via), _expected(one, endpoints, gateway_file))


def _expected(asked: ConnectorConfig | ServiceConfig, endpoints: Sequence[EndpointConfig], gateway_file: str) -> str:
    assert asked.via is not None
    if found := named(endpoints, asked.via):
        return f"an endpoint of {gateway_file} whose url base_url is below, unlike {found[0].url}"
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    known = f"one of {', '.join(names)}" if names else "none, since there are none"
    return f"{known} (the endpoints of {gateway_file})"
