"""`syncflow config`: is the configuration right?"""

from collections.abc import Mapping
from pathlib import Path

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.config import (
    ALERTS_FILE,
    EVENTS_FILE,
    FLAGS_FILE,
    SCHEMA_SYNC_FILE,
    SERVICES_FILE,
    ChannelConfig,
    ConnectorConfig,
    ServiceConfig,
    ServicesOrigin,
    Settings,
    WebhookConfig,
    alternates_of_nobody,
    gateway_path,
    load_alerts,
    load_configuration,
    load_events,
    load_flags,
    load_gateway,
    services_origin,
)
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.events.flags import Flag, standing
from syncflow_pipelines.sync.state import overrides_not_servable, overrides_of_nobody

FILES = ("connectors.yaml", SERVICES_FILE, SCHEMA_SYNC_FILE)
"""Without any of these, there is nothing to do."""


@click.group("config")
def command() -> None:
    """Check the configuration, and show which parts are switched on.

    \b
      syncflow config check             every mistake at once
      syncflow config flags             what is on, and who says so
    """


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def check(invocation: Invocation, as_json: bool) -> int:
    """Read everything, and name every mistake at once.

    Nothing is contacted; `syncflow connectors --test` and `syncflow specs fetch` do that. A token that is
    not there is only a warning, because the machine that checks a file need not be the one that uses it.

    \b
      $ syncflow config check
      Error: the files in config cannot be used: 1 mistake
        connectors.yaml:12: connectors[0].auth.type: found 'oauth', expected one of bearer, header, none
    """
    settings = invocation.settings
    try:
        connectors, services, schemas = load_configuration(settings)
    except ConfigurationError as error:
        if as_json:
            print_json({"mistakes": list(error.mistakes)})
        raise
    events, gateway, alerts = load_events(settings), load_gateway(settings), load_alerts(settings)
    named: list[ConnectorConfig | ServiceConfig] = [*connectors, *services.services]
    warnings = [told for told in map(_missing_secret, named) if told]
    warnings += [told for told in map(_missing_webhook_secret, events.webhooks) if told]
    warnings += [told for told in map(_missing_channel_url, alerts.channels) if told]
    warnings += overrides_not_servable(settings.home, connectors)
    warnings += overrides_of_nobody(settings.home, connectors)
    warnings += alternates_of_nobody(gateway, services)
    warnings += load_flags(settings).names_of_nobody([one.name for one in named])
    origin = services_origin(settings)
    warnings += origin.notes
    if not any(path.exists() for path in (origin.path, *(settings.config_dir / name for name in FILES))):
        warnings.append(f"there is none of {', '.join(FILES)} in {settings.config_dir}; see --config-dir")
    facts: dict[str, Cell] = {
        **{name: str(settings.config_dir / name) for name in (*FILES, FLAGS_FILE, EVENTS_FILE, ALERTS_FILE)},
        SERVICES_FILE: _in_force(settings, origin),
        "gateway.yaml": str(gateway_path(settings)),
        "connectors": ", ".join(connector.name for connector in connectors) or "none yet",
        "services": ", ".join(service.name for service in services.services) or "none yet",
        "schemas": ", ".join(source.name for source in schemas.sources) or "none yet",
        "webhooks": ", ".join(webhook.name for webhook in events.webhooks) or "none",
        "endpoints": ", ".join(endpoint.key for endpoint in gateway.endpoints) or "none",
        "alerts to": ", ".join(channel.name for channel in alerts.channels) or "nobody",
        "state": str(settings.home),
        "database": "given by the environment" if settings.database_url else "embedded",
        "log": f"{settings.log_level} to {settings.log_file or 'stderr'}",
    }
    if as_json:
        names = {
            "connectors": [one.name for one in connectors],
            "services": [one.name for one in services.services],
            "schemas": [one.name for one in schemas.sources],
            "webhooks": [one.name for one in events.webhooks],
            "endpoints": [endpoint.key for endpoint in gateway.endpoints],
            "alerts to": [one.name for one in alerts.channels],
        }
        print_json({**facts, **names, "warnings": warnings, "mistakes": []})
    else:
        print_facts({**facts, **_absent(facts)})
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
    return 0


@command.command("flags")
@click.option("--for", "target", metavar="NAME", help="As they stand for this service or connector.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a flag.")
@pass_invocation
def flags(invocation: Invocation, target: str | None, as_json: bool) -> int:
    """Show which parts are switched on, and who says so.

    The environment goes before .env, and that before flags.yaml; where another OpenFeature provider is named
    there, it is asked instead. A part that is switched takes notice at its next tick or request.

    \b
      $ SYNCFLOW_FLAG_AUTO_SYNC=false syncflow config flags
      flag         on   said by
      auto_sync    no   SYNCFLOW_FLAG_AUTO_SYNC in the environment
      schema_sync  yes  flags.yaml:9
    """
    standings = [standing(flag, invocation.settings, target) for flag in Flag]
    if as_json:
        for one in standings:
            print_json({"flag": one.flag.value, "on": one.is_on, "said_by": one.where, "variable": one.flag.variable})
    else:
        print_table(("flag", "on", "said by"), [(one.flag.value, one.is_on, one.where) for one in standings])
    return 0


def _absent(facts: Mapping[str, Cell]) -> dict[str, Cell]:
    """The files that are not there, and need not be, with a word about it."""
    paths = [(name, Path(str(path))) for name, path in facts.items() if name.endswith(".yaml")]
    return {name: f"{path} (not there)" for name, path in paths if path.is_absolute() and not path.exists()}


def _in_force(settings: Settings, origin: ServicesOrigin) -> str:
    usual = settings.config_dir / SERVICES_FILE
    return str(usual) if origin.path == usual else f"not there; {origin.path} (OATS) is in force"


def _missing_secret(one: ConnectorConfig | ServiceConfig) -> str | None:
    try:
        if one.enabled:
            one.auth.headers()
    except ConfigurationError as error:
        return f"{one.name}: {error}"
    return None


def _missing_webhook_secret(webhook: WebhookConfig) -> str | None:
    try:
        if webhook.enabled:
            webhook.secret.read()
    except ConfigurationError as error:
        return f"{webhook.subscriber}: {error}"
    return None


def _missing_channel_url(channel: ChannelConfig) -> str | None:
    try:
        if channel.enabled:
            channel.url.read()
    except ConfigurationError as error:
        return f"alerts to {channel.name}: {error}"
    return None
