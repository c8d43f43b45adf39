"""YAML files and the environment, as frozen values. The only reader of the environment.

`load_settings()` says what holds for all of SyncFlow, `load_connectors(settings)` which sources it reads from,
`load_services(settings)` whose OpenAPI specs it follows, `load_schema_sync(settings)` what schemas are generated from,
`load_flags(settings)` which of its parts are switched off, `load_events(settings)` who is told of events,
`load_gateway(settings)` which APIs stand behind the gateway, `load_alerts(settings)` who is told when something is
wrong, and `check_configuration(settings)` what a person wants to know before any of it is used.
"""

from syncflow_pipelines.config.alerts import AlertsConfig, ChannelConfig, Rule, Severity
from syncflow_pipelines.config.alerts_file import FILE_NAME as ALERTS_FILE
from syncflow_pipelines.config.alerts_file import load_alerts
from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.check import check_configuration, load_configuration
from syncflow_pipelines.config.choice import choose_connectors, choose_services, choose_sources, undiscovered
from syncflow_pipelines.config.connectors import ConnectorConfig, EntityOverride, EntitySettings
from syncflow_pipelines.config.connectors_file import load_connectors
from syncflow_pipelines.config.database_url import without_secrets
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.events import EventsConfig, WebhookConfig
from syncflow_pipelines.config.events_file import FILE_NAME as EVENTS_FILE
from syncflow_pipelines.config.events_file import load_events
from syncflow_pipelines.config.facts import ConfigurationFact
from syncflow_pipelines.config.flag_variables import SaidFlag, flag_variable
from syncflow_pipelines.config.flags import Flag, FlagRule, Flags
from syncflow_pipelines.config.flags_file import FILE_NAME as FLAGS_FILE
from syncflow_pipelines.config.flags_file import load_flags
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.gateway_check import alternates_of_nobody
from syncflow_pipelines.config.gateway_file import (
    GatewayExamination,
    examine_gateway,
    gateway_path,
    load_gateway,
    write_gateway_sample,
)
from syncflow_pipelines.config.schema_sync import SchemaSourceConfig, SchemaSync, SchemaSyncSettings
from syncflow_pipelines.config.schema_sync_file import FILE_NAME as SCHEMA_SYNC_FILE
from syncflow_pipelines.config.schema_sync_file import load_schema_sync
from syncflow_pipelines.config.services import (
    Component,
    FallbackSpec,
    McpOptions,
    OperationRule,
    RestOptions,
    ServiceConfig,
    Services,
    ServiceSettings,
    StartCommand,
)
from syncflow_pipelines.config.services_file import FILE_NAME as SERVICES_FILE
from syncflow_pipelines.config.services_file import ServicesOrigin, load_services, service_files, services_origin
from syncflow_pipelines.config.settings import Settings, load_settings

__all__ = [
    "ALERTS_FILE",
    "EVENTS_FILE",
    "FLAGS_FILE",
    "SCHEMA_SYNC_FILE",
    "SERVICES_FILE",
    "AlertsConfig",
    "Auth",
    "BearerAuth",
    "ChannelConfig",
    "Component",
    "ConfigurationFact",
    "ConnectorConfig",
    "EndpointConfig",
    "EntityOverride",
    "EntitySettings",
    "Environment",
    "EventsConfig",
    "FallbackSpec",
    "Flag",
    "FlagRule",
    "Flags",
    "GatewayConfig",
    "GatewayExamination",
    "HeaderAuth",
    "McpOptions",
    "NoAuth",
    "OperationRule",
    "RestOptions",
    "Rule",
    "SaidFlag",
    "SchemaSourceConfig",
    "SchemaSync",
    "SchemaSyncSettings",
    "ServiceConfig",
    "ServiceSettings",
    "Services",
    "ServicesOrigin",
    "Settings",
    "Severity",
    "StartCommand",
    "WebhookConfig",
    "alternates_of_nobody",
    "check_configuration",
    "choose_connectors",
    "choose_services",
    "choose_sources",
    "examine_gateway",
    "flag_variable",
    "gateway_path",
    "load_alerts",
    "load_configuration",
    "load_connectors",
    "load_events",
    "load_flags",
    "load_gateway",
    "load_schema_sync",
    "load_services",
    "load_settings",
    "service_files",
    "services_origin",
    "undiscovered",
    "without_secrets",
    "write_gateway_sample",
]
