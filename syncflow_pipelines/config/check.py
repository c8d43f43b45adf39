"""What a person wants to know of the configuration before it is used. Nothing is contacted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar

from syncflow_pipelines.config import (
    connectors_file,
    events_file,
    flags_file,
    gateway_file,
    schema_sync_file,
    services_file,
)
from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth, SecretSource
from syncflow_pipelines.config.connectors import ConnectorConfig, EntityOverride
from syncflow_pipelines.config.connectors_file import load_connectors
from syncflow_pipelines.config.events import EventsConfig, WebhookConfig
from syncflow_pipelines.config.events_file import load_events
from syncflow_pipelines.config.explanations import one_of
from syncflow_pipelines.config.flags import Flags
from syncflow_pipelines.config.flags_file import load_flags
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_file import gateway_path, load_gateway
from syncflow_pipelines.config.mistakes import Mistake, path_text, shown
from syncflow_pipelines.config.oats import oats_file
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.config.schema_sync import SchemaSourceConfig, SchemaSync
from syncflow_pipelines.config.schema_sync_file import load_schema_sync
from syncflow_pipelines.config.services import OperationRule, ServiceConfig, Services
from syncflow_pipelines.config.services_file import load_services, services_origin
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

T = TypeVar("T")

_FILES: Mapping[Callable[[Settings], object], str] = {
    load_connectors: connectors_file.FILE_NAME,
    load_services: services_file.FILE_NAME,
    load_schema_sync: schema_sync_file.FILE_NAME,
    load_flags: flags_file.FILE_NAME,
    load_events: events_file.FILE_NAME,
    load_gateway: gateway_file.FILE_NAME,
}


@dataclass(frozen=True, slots=True)
class ConfigurationFact:
    """One thing that the configuration says, or that is wrong with it; it holds no secret."""

    subject: str
    """What it is about: a file, `settings`, `connector erp`, `service crm`, `secret of erp`, …"""
    status: Literal["ok", "warning", "mistake"]
    """A warning need not be mended here: the machine that checks may not be the one that syncs."""
    text: str
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


def check_configuration(settings: Settings) -> tuple[ConfigurationFact, ...]:
    """The files that were read, the settings in force, everything that is configured, and whether each secret is there.

    Mistakes in the files come back as facts, one each.
    """
    connectors, mistakes = _loaded(load_connectors, settings)
    services, more = _loaded(load_services, settings)
    flags, wrong_flags = _loaded(load_flags, settings)
    schemas, most = _loaded(load_schema_sync, settings)
    events, wrong_events = _loaded(load_events, settings)
    gateway, wrong_gateway = _loaded(load_gateway, settings)
    return (
        *_environment(settings),
        *(mistakes or _connectors_file(settings, connectors or ())),
        *(more or _services_file(settings, services)),
        *(wrong_flags or _flags_file(settings, flags)),
        *(most or _schemas_file(settings, schemas)),
        *(wrong_events or _events_file(settings, events)),
        *(wrong_gateway or _gateway_file(settings, gateway)),
        *_lost_services(settings, connectors or (), services),
        *_lost_sources(settings, connectors, services, schemas),
        *_lost_endpoints(settings, gateway, services),
    )


def load_configuration(settings: Settings) -> tuple[tuple[ConnectorConfig, ...], Services, SchemaSync]:
    """All that is configured. Raises `ConfigurationError` with the mistakes of all files, and between them."""
    connectors, wrong_connectors = _loaded(load_connectors, settings)
    services, wrong_services = _loaded(load_services, settings)
    schemas, wrong_schemas = _loaded(load_schema_sync, settings)
    _, wrong_flags = _loaded(load_flags, settings)
    _, wrong_events = _loaded(load_events, settings)
    gateway, wrong_gateway = _loaded(load_gateway, settings)
    facts = (
        *wrong_connectors,
        *wrong_services,
        *wrong_schemas,
        *wrong_flags,
        *wrong_events,
        *wrong_gateway,
        *_lost_services(settings, connectors or (), services),
        *_lost_sources(settings, connectors, services, schemas),
        *_lost_endpoints(settings, gateway, services),
    )
    if connectors is None or services is None or schemas is None or facts:
        count = "1 mistake" if len(facts) == 1 else f"{len(facts):,} mistakes"
        message = f"the files in {settings.config_dir} cannot be used: {count}"
        raise ConfigurationError(message, tuple(fact.text for fact in facts))
    return connectors, services, schemas


def _loaded(load: Callable[[Settings], T], settings: Settings) -> tuple[T | None, tuple[ConfigurationFact, ...]]:
    """What the file says, or None and its mistakes."""
    try:
        return load(settings), ()
    except ConfigurationError as error:
        sentences = error.mistakes or (error.message,)
        path = str(_path(load, settings))
        return None, tuple(ConfigurationFact(path, "mistake", sentence) for sentence in sentences)


def _path(load: Callable[[Settings], object], settings: Settings) -> Path:
    """The file that was read, or would be."""
    if load is load_gateway:
        return gateway_path(settings)
    usual = settings.config_dir / _FILES[load]
    oats = oats_file(settings.project_dir) if load is load_services and not usual.exists() else None
    return oats or usual


def _environment(settings: Settings) -> Iterator[ConfigurationFact]:
    for dotenv in settings.environment.dotenvs():
        text = f"read, {len(dotenv.variables)} variables" if dotenv.exists else "not there"
        yield ConfigurationFact(str(dotenv.path), "ok", text)
    details = settings.shown()
    details.setdefault("database_url", f"the embedded server in {settings.home}")
    yield ConfigurationFact("settings", "ok", "in force", details)


def _connectors_file(settings: Settings, connectors: Sequence[ConnectorConfig]) -> Iterator[ConfigurationFact]:
    path = settings.config_dir / connectors_file.FILE_NAME
    if is_file(path):
        yield ConfigurationFact(str(path), "ok", f"read, {len(connectors)} connectors")
    else:
        yield ConfigurationFact(str(path), "warning", "not there, so there are no connectors")
    for connector in connectors:
        yield ConfigurationFact(f"connector {connector.name}", "ok", _state(connector.enabled), _details(connector))
        yield from _secret(connector.name, connector.auth.secret(), connector.auth.headers)
        yield from _certificates(connector.name, connector.ca_file)


def _services_file(settings: Settings, services: Services | None) -> Iterator[ConfigurationFact]:
    if services is None:
        return
    path, notes = (origin := services_origin(settings)).path, origin.notes
    found = f"read, {len(services.services)} services" if is_file(path) else "not there, so there are no services"
    details = {setting.name: str(getattr(services.settings, setting.name)) for setting in fields(services.settings)}
    yield ConfigurationFact(str(path), "ok", found, details)
    yield from (ConfigurationFact(str(path), "warning", note) for note in notes)
    for service in services.services:
        yield ConfigurationFact(f"service {service.name}", "ok", _state(service.enabled), _service_details(service))
        yield from _secret(service.name, service.auth.secret(), service.auth.headers)
        yield from _certificates(service.name, service.ca_file)


def _flags_file(settings: Settings, flags: Flags | None) -> Iterator[ConfigurationFact]:
    path = settings.config_dir / flags_file.FILE_NAME
    if flags is not None and is_file(path):
        yield ConfigurationFact(str(path), "ok", f"read, {len(flags.rules)} flags")


def _events_file(settings: Settings, events: EventsConfig | None) -> Iterator[ConfigurationFact]:
    path = settings.config_dir / events_file.FILE_NAME
    if events is None or not is_file(path):
        return  # nobody needs one
    details = {name: str(getattr(events, name)) for name in ("retention_days", "undelivered_retention_days")}
    yield ConfigurationFact(str(path), "ok", f"read, {len(events.webhooks)} webhooks", details)
    for webhook in events.webhooks:
        yield ConfigurationFact(webhook.subscriber, "ok", _state(webhook.enabled), _webhook_details(webhook))
        yield from _secret(webhook.subscriber, webhook.secret, webhook.secret.read)
        yield from _certificates(webhook.subscriber, webhook.ca_file)


def _gateway_file(settings: Settings, gateway: GatewayConfig | None) -> Iterator[ConfigurationFact]:
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
        yield ConfigurationFact(subject, "ok", _state(not endpoint.disabled), _endpoint_details(endpoint))
        yield from _certificates(subject, endpoint.ca_file)


def _endpoint_details(endpoint: EndpointConfig) -> dict[str, str]:
    return {
        "url": endpoint.url,
        "methods": " ".join(endpoint.methods),
        "health_check_path": endpoint.health_check_path or "none",
        "fallback": endpoint.breaker.fallback.strategy,
    }


def _lost_endpoints(
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


def _lost_services(
    settings: Settings, connectors: Sequence[ConnectorConfig], services: Services | None
) -> Iterator[ConfigurationFact]:
    """A mistake for each connector that names a service which is not there."""
    if services is None:
        return
    known = [service.name for service in services.services]
    path = settings.config_dir / connectors_file.FILE_NAME
    for index, connector in enumerate(connectors):
        if connector.service is not None and connector.service not in known:
            expected = one_of(known) if known else "none, since there are none"
            where = path_text(("connectors", index, "service"))
            mistake = Mistake(
                path.name, 0, where, shown(connector.service), f"{expected} (the services of {services_file.FILE_NAME})"
            )
            yield ConfigurationFact(str(path), "mistake", str(mistake))


def _schemas_file(settings: Settings, schemas: SchemaSync | None) -> Iterator[ConfigurationFact]:
    if schemas is None:
        return
    path = settings.config_dir / schema_sync_file.FILE_NAME
    without = "the environment describes the source" if schemas.sources else "no schemas are generated"
    found = f"read, {len(schemas.sources)} sources" if is_file(path) else f"not there, so {without}"
    details = {setting.name: str(getattr(schemas.settings, setting.name)) for setting in fields(schemas.settings)}
    yield ConfigurationFact(str(path), "ok", found, details)
    for source in schemas.sources:
        yield ConfigurationFact(f"schemas {source.name}", "ok", _state(source.enabled), _source_details(source))
        if source.models_path and not source.models_path.exists():
            text = f"{source.models_path} is not there; put the models there, or mend models_path"
            yield ConfigurationFact(f"models of {source.name}", "warning", text)


def _source_details(source: SchemaSourceConfig) -> dict[str, str]:
    values = {setting.name: getattr(source, setting.name) for setting in fields(source)}
    del values["name"], values["enabled"]
    told = {name: " ".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: str(value) for name, value in told.items() if value not in (None, "")}


def _lost_sources(
    settings: Settings,
    connectors: Sequence[ConnectorConfig] | None,
    services: Services | None,
    schemas: SchemaSync | None,
) -> Iterator[ConfigurationFact]:
    """A mistake for each source of schemas that names a connector or a service which is not there."""
    known = {
        "connector": None if connectors is None else [connector.name for connector in connectors],
        "service": None if services is None else [service.name for service in services.services],
    }
    path = settings.config_dir / schema_sync_file.FILE_NAME
    for source in schemas.sources if schemas else ():
        for kind, names in known.items():
            wanted = getattr(source, kind)
            if wanted is not None and names is not None and wanted not in names:
                expected = f"one of {', '.join(names)}" if names else "none, since there are none"
                mistake = Mistake(path.name, 0, f"{kind} of {source.name}", shown(wanted), f"{expected} ({kind}s)")
                yield ConfigurationFact(str(path), "mistake", str(mistake))


def _state(enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


def _secret(name: str, source: SecretSource | None, read: Callable[[], object]) -> Iterator[ConfigurationFact]:
    if source is None:
        return
    subject = f"secret of {name}"
    try:
        read()
    except ConfigurationError as error:
        yield ConfigurationFact(subject, "warning", str(error))
    else:
        yield ConfigurationFact(subject, "ok", f"the {source} is set")


def _certificates(name: str, ca_file: Path | None) -> Iterator[ConfigurationFact]:
    if ca_file and not is_file(ca_file):
        text = f"the file {ca_file} is not there; put the certificates there, or mend ca_file"
        yield ConfigurationFact(f"certificates of {name}", "warning", text)


def _details(connector: ConnectorConfig) -> dict[str, str]:
    values = {setting.name: getattr(connector, setting.name) for setting in fields(connector)}
    del values["name"], values["enabled"], values["auth"], values["entities"]
    details = {name: str(value) for name, value in values.items() if value is not None}
    overrides = {f"entities.{slug}": _override(override) for slug, override in connector.entities.items()}
    return {"auth": _auth(connector.auth), **details, **overrides}


def _service_details(service: ServiceConfig) -> dict[str, str]:
    details: dict[str, str | None] = {
        "type": service.type,
        "base_url": service.base_url,
        "openapi_paths": ", ".join(service.openapi_paths),
        "path": str(service.path) if service.spec_files else None,
        "health_path": service.health_path,
        "components": ", ".join(service.components) or "none",
        "auth": _auth(service.auth),
        "fallback_github": service.fallback.url if service.fallback else None,
        "include": "; ".join(map(_rule, service.include)),
        "exclude": "; ".join(map(_rule, service.exclude)),
        "ref_hosts": ", ".join(service.ref_hosts),
        "timeout_s": f"{service.timeout_s:g}",
        "ca_file": str(service.ca_file) if service.ca_file else None,
        "start_command": service.start_command.command if service.start_command else None,
    }
    return {name: text for name, text in details.items() if text}


def _webhook_details(webhook: WebhookConfig) -> dict[str, str]:
    return {
        "url": webhook.url,
        "types": ", ".join(webhook.types) or "all",
        "secret": f"in {webhook.secret}",
        "headers": ", ".join(webhook.headers) or "none",
        "timeout_s": f"{webhook.timeout_s:g}",
        "max_attempts": str(webhook.max_attempts),
    }


def _rule(rule: OperationRule) -> str:
    said = {setting.name: getattr(rule, setting.name) for setting in fields(rule)}
    return ", ".join(f"{name}: {' '.join(values)}" for name, values in said.items() if values)


def _override(override: EntityOverride) -> str:
    said = {setting.name: getattr(override, setting.name) for setting in fields(override)}
    return ", ".join(f"{name}: {value}" for name, value in said.items() if value is not None) or "nothing"


def _auth(auth: Auth) -> str:
    match auth:
        case BearerAuth():
            return f"bearer, token in {auth.secret()}"
        case HeaderAuth():
            return f"header {auth.name}, value in {auth.secret()}"
        case NoAuth():
            return "none"
