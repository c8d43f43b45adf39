"""`syncflow config`: is the configuration right?"""

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import Cell, print_facts, print_json
from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.state import overrides_not_servable, overrides_of_nobody


@click.group("config")
def command() -> None:
    """Check the configuration: connectors.yaml, the environment and .env."""


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def check(invocation: Invocation, as_json: bool) -> int:
    """Read everything, and name every mistake at once.

    Nothing is contacted; `syncflow connectors --test` does that. A token that is not there is only a
    warning, because the machine that checks a file need not be the one that uses it.

    \b
      $ syncflow config check
      Error: config/connectors.yaml cannot be used
        config/connectors.yaml:12: connectors[0].auth.type: found 'oauth', expected one of bearer, header, none
    """
    settings, connectors = invocation.settings, invocation.connectors
    warnings = [told for told in map(_missing_secret, connectors) if told]
    warnings += overrides_not_servable(settings.home, connectors)
    warnings += overrides_of_nobody(settings.home, connectors)
    facts: dict[str, Cell] = {
        "connectors.yaml": str(settings.config_dir / "connectors.yaml"),
        "connectors": ", ".join(connector.name for connector in connectors) or "none yet",
        "state": str(settings.home),
        "database": "given by the environment" if settings.database_url else "embedded",
        "log": f"{settings.log_level} to {settings.log_file or 'stderr'}",
    }
    if as_json:
        print_json({**facts, "connectors": [one.name for one in connectors], "warnings": warnings})
    else:
        print_facts(facts)
        for warning in warnings:
            click.echo(f"Warning: {warning}", err=True)
    return 0


def _missing_secret(connector: ConnectorConfig) -> str | None:
    try:
        if connector.enabled:
            connector.auth.headers()
    except ConfigurationError as error:
        return f"{connector.name}: {error}"
    return None
