"""A folder with a configuration, as a person would write it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from syncflow_pipelines.config import (
    ConnectorConfig,
    EventsConfig,
    GatewayConfig,
    SchemaSourceConfig,
    SchemaSync,
    ServiceConfig,
    Services,
    Settings,
    load_connectors,
    load_events,
    load_gateway,
    load_schema_sync,
    load_services,
    load_settings,
)
from syncflow_pipelines.errors import ConfigurationError


@dataclass
class Project:
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "config").mkdir(exist_ok=True)

    @property
    def file(self) -> Path:
        return self.folder / "config" / "connectors.yaml"

    def settings(self, environ: Mapping[str, str] | None = None) -> Settings:
        return load_settings(self.environ if environ is None else environ, self.folder)

    def connectors(self, text: str | bytes) -> tuple[ConnectorConfig, ...]:
        """What comes of `connectors.yaml` with that text."""
        self.file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return load_connectors(self.settings())

    def connector(self, text: str) -> ConnectorConfig:
        [connector] = self.connectors(text)
        return connector

    def mistakes(self, text: str | bytes) -> list[str]:
        """The mistakes for which `connectors.yaml` with that text is refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.connectors(text)
        return list(refused.value.mistakes)

    @property
    def services_file(self) -> Path:
        return self.folder / "config" / "auto_sync_services.yaml"

    def services(self, text: str | bytes) -> Services:
        """What comes of `auto_sync_services.yaml` with that text."""
        self.services_file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return load_services(self.settings())

    def service(self, text: str) -> ServiceConfig:
        [service] = self.services(text).services
        return service

    def service_mistakes(self, text: str | bytes) -> list[str]:
        """The mistakes for which `auto_sync_services.yaml` with that text is refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.services(text)
        return list(refused.value.mistakes)

    @property
    def events_file(self) -> Path:
        return self.folder / "config" / "events.yaml"

    def events(self, text: str) -> EventsConfig:
        """What comes of `events.yaml` with that text."""
        self.events_file.write_text(dedent(text))
        return load_events(self.settings())

    def event_mistakes(self, text: str) -> list[str]:
        """The mistakes for which `events.yaml` with that text is refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.events(text)
        return list(refused.value.mistakes)

    @property
    def gateway_file(self) -> Path:
        return self.folder / "config" / "gateway.yaml"

    def gateway(self, text: str) -> GatewayConfig:
        """What comes of `gateway.yaml` with that text."""
        self.gateway_file.write_text(dedent(text))
        return load_gateway(self.settings())

    def gateway_mistakes(self, text: str) -> list[str]:
        """The mistakes for which `gateway.yaml` with that text is refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.gateway(text)
        return list(refused.value.mistakes)

    @property
    def schemas_file(self) -> Path:
        return self.folder / "config" / "schema_sync.yaml"

    def schemas(self, text: str | bytes) -> SchemaSync:
        """What comes of `schema_sync.yaml` with that text."""
        self.schemas_file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return load_schema_sync(self.settings())

    def schema_source(self, text: str) -> SchemaSourceConfig:
        [source] = self.schemas(text).sources
        return source

    def schema_mistakes(self, text: str | bytes) -> list[str]:
        """The mistakes for which `schema_sync.yaml` with that text is refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.schemas(text)
        return list(refused.value.mistakes)

    def setting_mistakes(self, environ: Mapping[str, str] | None = None) -> list[str]:
        """The mistakes for which the settings are refused."""
        with pytest.raises(ConfigurationError) as refused:
            self.settings(environ)
        return list(refused.value.mistakes)
