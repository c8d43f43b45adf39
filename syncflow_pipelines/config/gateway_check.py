"""What a person wants to know of the gateway's file, and what is wrong between it and the others."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from syncflow_pipelines.config import connectors_file, services_file
from syncflow_pipelines.config.connectors import ConnectorConfig
from syncflow_pipelines.config.endpoints import endpoints_of, named
from syncflow_pipelines.config.explanations import one_of
from syncflow_pipelines.config.facts import ConfigurationFact, certificate_facts, state_of
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_file import gateway_path
from syncflow_pipelines.config.mistakes import Mistake, path_text, shown
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.config.services import ServiceConfig, Services
from syncflow_pipelines.config.services_file import services_origin
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.via import via_mistakes


def gateway_facts(settings: Settings, gateway: GatewayConfig | None) -> Iterator[ConfigurationFact]:
    """The file, if one is there, and each of its endpoints."""
    path = gateway_path(settings)
    if gateway is None or not is_file(path):
        return  # `syncflow serve` writes one
    details = {
        "targets.allow_networks": " ".join(map(str, gateway.targets.allowed_networks)) or "none",
        "targets.allow_hosts": " ".join(gateway.targets.allowed_hosts) or "none",
        "register_services": str(gateway.register_services),
    }
    yield ConfigurationFact(str(path), "ok", f"read, {len(gateway.endpoints)} endpoints", details)
    for endpoint in gateway.endpoints:
        subject = f"endpoint {endpoint.key}"
        yield ConfigurationFact(subject, "ok", state_of(not endpoint.disabled), _endpoint_details(endpoint))
        yield from certificate_facts(subject, endpoint.ca_file)


def _endpoint_details(endpoint: EndpointConfig) -> dict[str, str]:
    return {
        "url": endpoint.url,
        "methods": " ".join(endpoint.methods),
        "health_check_path": endpoint.health_check_path or "none",
        "fallback": endpoint.breaker.fallback.strategy,
    }


def lost_endpoints(
    settings: Settings, gateway: GatewayConfig | None, services: Services | None
) -> Iterator[ConfigurationFact]:
    """A mistake for each endpoint of the gateway that names a service which is not there."""
    known = [service.name for service in services.services] if services else []
    path = gateway_path(settings)
    for index, endpoint in enumerate(gateway.endpoints if gateway and services else ()):
        if endpoint.service is not None and endpoint.service not in known:
            expected = one_of(known) if known else "none, since there are none"
            where = path_text(("endpoints", index, "service"))
            mistake = Mistake(
                path.name, 0, where, shown(endpoint.service), f"{expected} (the services of {services_file.FILE_NAME})"
            )
            yield ConfigurationFact(str(path), "mistake", str(mistake))


def lost_ways(
    settings: Settings,
    connectors: Sequence[ConnectorConfig],
    services: Services | None,
    gateway: GatewayConfig | None,
) -> Iterator[ConfigurationFact]:
    """A mistake for each connector and service that is to be asked through an endpoint which does not lead there."""
    if services is None or gateway is None:
        return
    endpoints, gateway_file = endpoints_of(gateway, services.services), gateway_path(settings).name
    files: dict[str, tuple[Path, Sequence[ConnectorConfig | ServiceConfig]]] = {
        "connectors": (settings.config_dir / connectors_file.FILE_NAME, connectors),
        "services": (services_origin(settings).path, services.services),
    }
    for kind, (path, asked) in files.items():
        for mistake in via_mistakes(path.name, kind, asked, endpoints, gateway_file):
            yield ConfigurationFact(str(path), "mistake", str(mistake))


def alternates_of_nobody(gateway: GatewayConfig, services: Services) -> list[str]:
    """A warning for each endpoint whose alternate no file names; it may be registered over the API all the same."""
    endpoints = endpoints_of(gateway, services.services)
    return [
        f"endpoint {endpoint.key}: no file names its alternate {shown(alternate)}; until that is registered over the "
        "API, 503 is answered instead"
        for endpoint in gateway.endpoints
        if (alternate := endpoint.breaker.fallback.alternate) is not None
        and endpoint.breaker.fallback.strategy == "alternate"
        and not named(endpoints, alternate)
    ]
