"""What a person wants to know of the configuration before it is used. Nothing is contacted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from syncflow_pipelines.config import (
    alerts_file,
    connectors_file,
    events_file,
    flags_file,
    gateway_file,
    schema_sync_file,
    services_file,
)
from syncflow_pipelines.config.alerts import AlertsConfig, ChannelConfig
from syncflow_pipelines.config.alerts_file import load_alerts
from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.connectors import ConnectorConfig, EntityOverride
from syncflow_pipelines.config.connectors_file import load_connectors
from syncflow_pipelines.config.events import EventsConfig, WebhookConfig
from syncflow_pipelines.config.events_file import load_events
from syncflow_pipelines.config.explanations import one_of
from syncflow_pipelines.config.facts import ConfigurationFact, certificate_facts, secret_facts, state_of
from syncflow_pipelines.config.flags import Flags
from syncflow_pipelines.config.flags_file import load_flags
from syncflow_pipelines.config.gateway_check import gateway_facts, lost_endpoints, lost_ways
from syncflow_pipelines.config.gateway_file import gateway_path, load_gateway
from syncflow_pipelines.config.mistakes import Mistake, path_text, shown
from syncflow_pipelines.config.oats import oats_file
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.config.schema_sync import SchemaSourceConfig, SchemaSync
from syncflow_pipelines.config.schema_sync_file import load_schema_sync
from syncflow_pipelines.config.services import OperationRule, ServiceConfig, Services
from syncflow_pipelines.config.services_file import load_services, services_origin
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables_check import SUBJECT, wrong_variables
from syncflow_pipelines.errors import ConfigurationError

T = TypeVar("T")

_FILES: Mapping[Callable[[Settings], object], str] = {
    load_connectors: connectors_file.FILE_NAME,
    load_services: services_file.FILE_NAME,
    load_schema_sync: schema_sync_file.FILE_NAME,
    load_flags: flags_file.FILE_NAME,
    load_events: events_file.FILE_NAME,
    load_gateway: gateway_file.FILE_NAME,
    load_alerts: alerts_file.FILE_NAME,
}


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
    alerts, wrong_alerts = _loaded(load_alerts, settings)
    return (
        *_environment(settings),
        *wrong_variables(settings),
        *(mistakes or _connectors_file(settings, connectors or ())),
        *(more or _services_file(settings, services)),
        *(wrong_flags or _flags_file(settings, flags)),
        *(most or _schemas_file(settings, schemas)),
        *(wrong_events or _events_file(settings, events)),
        *(wrong_gateway or gateway_facts(settings, gateway)),
        *(wrong_alerts or _alerts_file(settings, alerts)),
        *_lost_services(settings, connectors or (), services),
        *_lost_sources(settings, connectors, services, schemas),
        *lost_endpoints(settings, gateway, services),
        *lost_ways(settings, connectors or (), services, gateway),
    )


def load_configuration(settings: Settings) -> tuple[tuple[ConnectorConfig, ...], Services, SchemaSync]:
    """All that is configured.

    Raises `ConfigurationError` with the mistakes of all files, between them, and of the variables.
    """
    connectors, wrong_connectors = _loaded(load_connectors, settings)
    services, wrong_services = _loaded(load_services, settings)
    schemas, wrong_schemas = _loaded(load_schema_sync, settings)
    _, wrong_flags = _loaded(load_flags, settings)
    _, wrong_events = _loaded(load_events, settings)
    gateway, wrong_gateway = _loaded(load_gateway, settings)
    _, wrong_alerts = _loaded(load_alerts, settings)
    facts = (
        *wrong_variables(settings),
        *wrong_connectors,
        *wrong_services,
        *wrong_schemas,
        *wrong_flags,
        *wrong_events,
        *wrong_gateway,
        *wrong_alerts,
        *_lost_services(settings, connectors or (), services),
        *_lost_sources(settings, connectors, services, schemas),
        *lost_endpoints(settings, gateway, services),
        *lost_ways(settings, connectors or (), services, gateway),
    )
    if connectors is None or services is None or schemas is None or facts:
        count = "1 mistake" if len(facts) == 1 else f"{len(facts):,} mistakes"
        is_of_files = any(fact.subject != SUBJECT for fact in facts)
        wrong = f"the files in {settings.config_dir}" if is_of_files else "the environment"
        message = f"{wrong} cannot be used: {count}"
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
        yield ConfigurationFact(f"connector {connector.name}", "ok", state_of(connector.enabled), _details(connector))
        yield from secret_facts(connector.name, connector.auth.secret(), connector.auth.headers)
        yield from certificate_facts(connector.name, connector.ca_file)


def _services_file(settings: Settings, services: Services | None) -> Iterator[ConfigurationFact]:
    if services is None:
        return
    path, notes = (origin := services_origin(settings)).path, origin.notes
    found = f"read, {len(services.services)} services" if is_file(path) else "not there, so there are no services"
    details = {setting.name: str(getattr(services.settings, setting.name)) for setting in fields(services.settings)}
    yield ConfigurationFact(str(path), "ok", found, details)
    yield from (ConfigurationFact(str(path), "warning", note) for note in notes)
    for service in services.services:
        yield ConfigurationFact(f"service {service.name}", "ok", state_of(service.enabled), _service_details(service))
        yield from secret_facts(service.name, service.auth.secret(), service.auth.headers)
        yield from certificate_facts(service.name, service.ca_file)


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
        yield ConfigurationFact(webhook.subscriber, "ok", state_of(webhook.enabled), _webhook_details(webhook))
        yield from secret_facts(webhook.subscriber, webhook.secret, webhook.secret.read)
        yield from certificate_facts(webhook.subscriber, webhook.ca_file)


def _alerts_file(settings: Settings, alerts: AlertsConfig | None) -> Iterator[ConfigurationFact]:
    path = settings.config_dir / alerts_file.FILE_NAME
    if alerts is None or not is_file(path):
        return  # nobody needs one
    details = {name: f"{getattr(alerts, name):g}" for name in ("remind_after_s", "recover_after_s", "retention_days")}
    yield ConfigurationFact(str(path), "ok", f"read, {len(alerts.channels)} channels", details)
    for channel in alerts.channels:
        subject = f"alerts to {channel.name}"
        yield ConfigurationFact(subject, "ok", state_of(channel.enabled), _channel_details(channel))
        yield from secret_facts(subject, channel.url, channel.url.read)


def _channel_details(channel: ChannelConfig) -> dict[str, str]:
    return {
        "url": f"in {channel.url}",
        "rules": ", ".join(channel.rules) or "all",
        "subjects": ", ".join(channel.subjects) or "all",
        "min_severity": channel.min_severity,
    }


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
        yield ConfigurationFact(f"schemas {source.name}", "ok", state_of(source.enabled), _source_details(source))
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
        "via": service.via,
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
