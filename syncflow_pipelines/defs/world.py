"""What the definitions are made from: the configuration, and the catalogue state on disk."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import dagster as dg
import msgspec

from syncflow_pipelines.config import (
    ConnectorConfig,
    SchemaSourceConfig,
    SchemaSync,
    ServiceConfig,
    Services,
    Settings,
    load_schema_sync,
    load_services,
    load_settings,
)
from syncflow_pipelines.config.endpoints import endpoints_of
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_file import load_gateway
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.gateway_state import EndpointState, read_endpoint_state
from syncflow_pipelines.defs.names import entity_key, identifiers
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.connectors import follow_connectors, known_connectors
from syncflow_pipelines.sync.state import EntityState, read_catalogue_state


@dataclass(frozen=True)
class World:
    """One installation, as it stood when it was read; asks neither network nor database."""

    settings: Settings
    connectors: tuple[ConnectorConfig, ...]
    state: Mapping[str, tuple[EntityState, ...]]
    """Entities by connector; only connectors of the configuration, and only those that were discovered."""
    services: Services | None = None
    schemas: SchemaSync | None = None
    gateway: GatewayConfig | None = None
    registered: tuple[EndpointState, ...] = ()
    """The endpoints that were registered over the API, as far as Dagster has heard of them."""

    @property
    def followed(self) -> tuple[ServiceConfig, ...]:
        """The services whose specs are followed: those that are enabled."""
        return tuple(one for one in self.services.services if one.enabled) if self.services else ()

    @property
    def sources(self) -> tuple[SchemaSourceConfig, ...]:
        """What schemas are generated from: the sources that are enabled."""
        return tuple(one for one in self.schemas.sources if one.enabled) if self.schemas else ()

    def endpoints(self) -> tuple[EndpointConfig, ...]:
        """The endpoints of the gateway. Where several say something of one version, the file goes before the API."""
        known = {one.key: one for one in endpoints_of(self.gateway, self._services)} if self.gateway else {}
        own = {endpoint.key for endpoint in self.gateway.endpoints} if self.gateway else set()
        said = {config.key: config for config in (one.config() for one in self.registered) if config.key not in own}
        return tuple({**known, **said}.values())

    @property
    def _services(self) -> tuple[ServiceConfig, ...]:
        return self.services.services if self.services else ()

    def entities(self) -> Iterator[tuple[ConnectorConfig, EntityState]]:
        """Every known entity, those that have gone from their source included."""
        for connector in self.connectors:
            for entity in self.state.get(connector.name, ()):
                yield connector, entity

    def connector(self, name: str) -> ConnectorConfig:
        """The connector of that name. Raises `ConfigurationError`."""
        for connector in self.connectors:
            if connector.name == name:
                return connector
        file = self.settings.config_dir / "connectors.yaml"
        raise ConfigurationError(f"connector {name} is neither in {file} nor managed over the API; add it")

    def identifiers(self) -> dict[str, str]:
        """Names for groups and ops, by connector."""
        return identifiers(connector.name for connector in self.connectors)

    def syncable(self) -> dict[dg.AssetKey, tuple[str, str]]:
        """Connector and slug of every entity that the source still offers, by asset key."""
        return {
            entity_key(connector.name, entity.slug): (connector.name, entity.slug)
            for connector, entity in self.entities()
            if entity.is_present
        }

    def fingerprint(self) -> str:
        """A digest of all that the definitions depend on; equal ones mean equal definitions."""
        seen = [(one.name, one.service, one.via, one.base_url, self.state.get(one.name)) for one in self.connectors]
        services = [(one.name, one.description, one.components, one.via, one.base_url) for one in self.followed]
        endpoints = [(one.key, one.url, one.description) for one in self.endpoints()]
        switches = self.services and (self.services.settings.enable_fastmcp, self.services.settings.enable_connexion)
        sources = [(one.name, one.type, one.connector, one.service) for one in self.sources]
        return hashlib.blake2b(
            msgspec.json.encode([seen, services, switches, sources, endpoints]), digest_size=16
        ).hexdigest()


def load_world(settings: Settings | None = None) -> World:
    """The installation as it is now.

    Raises `ConfigurationError` with every mistake of the configuration. A state that cannot be read counts as none.
    """
    settings = settings or load_settings()
    connectors = known_connectors(settings)
    known = {connector.name for connector in connectors}
    state = {name: entities for name, entities in read_catalogue_state(settings.home).items() if name in known}
    return World(
        settings,
        connectors,
        state,
        load_services(settings),
        load_schema_sync(settings),
        load_gateway(settings),
        read_endpoint_state(settings.home),
    )


def live_world(settings: Settings, database: Database) -> World:
    """The same, with the connectors that the database has now, and their secrets; for those who are to ask sources.

    What is loaded from the disk is in step with the database then. Raises `DatabaseError`, too.
    """
    connectors = follow_connectors(database, settings)
    return replace(load_world(settings), connectors=connectors)
