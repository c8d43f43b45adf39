"""Choosing connectors, services and sources of schemas by their names."""

import difflib
from collections.abc import Collection, Iterable

from syncflow_pipelines.config.connectors import ConnectorConfig
from syncflow_pipelines.config.schema_sync import SchemaSourceConfig, SchemaSync
from syncflow_pipelines.config.services import ServiceConfig, Services
from syncflow_pipelines.errors import ConfigurationError, UnknownEntity


def choose_connectors(configured: Iterable[ConnectorConfig], names: Iterable[str] = ()) -> tuple[ConnectorConfig, ...]:
    """The connectors of those names, or every enabled one where no name is given.

    Raises `UnknownEntity` naming the first that is not configured, with the one that may have been
    meant, and `ConfigurationError` where nothing is configured at all.
    """
    known = {connector.name: connector for connector in configured}
    if not known:
        raise ConfigurationError("connectors.yaml names no connector; add one, as the comments in the file show")
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UnknownEntity(f"no connector is called '{name}'; {_instead(name, known)}")
    return tuple(known[name] for name in wanted) or tuple(one for one in known.values() if one.enabled)


def choose_services(services: Services, names: Collection[str] = ()) -> tuple[ServiceConfig, ...]:
    """The services of those names, or every enabled one where no name is given, in the order of the configuration.

    Raises `ConfigurationError` naming the first that is not configured, with the one that may have been meant.
    """
    known = {service.name: service for service in services.services}
    for name in names:
        if name not in known:
            told = _instead(name, known, services.file_name) if known else f"{services.file_name} names none"
            raise ConfigurationError(f"no service is called '{name}'; {told}")
    return tuple(one for one in known.values() if (one.name in names if names else one.enabled))


def choose_sources(schemas: SchemaSync, names: Collection[str] = ()) -> tuple[SchemaSourceConfig, ...]:
    """The sources of schemas of those names, or every enabled one where no name is given, in their order.

    Raises `ConfigurationError` naming the first that is not configured, with the one that may have been meant.
    """
    known = {source.name: source for source in schemas.sources}
    for name in names:
        if name not in known:
            told = _instead(name, known, "schema_sync.yaml") if known else "schema_sync.yaml names none"
            raise ConfigurationError(f"no source of schemas is called '{name}'; {told}")
    return tuple(one for one in known.values() if (one.name in names if names else one.enabled))


def undiscovered(connector: str) -> str:
    """What to tell of a connector that is configured and of which no entity is known."""
    return f"{connector} was not discovered yet; run: syncflow discover {connector}"


def _instead(name: str, known: Iterable[str], file: str = "connectors.yaml") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"{file} names {', '.join(names)}"
