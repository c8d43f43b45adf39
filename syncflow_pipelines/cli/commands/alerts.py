"""`syncflow alerts`: what is wrong, and who is told of it."""

from collections.abc import Mapping, Sequence

import click
from rich.text import Text

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import NOTHING_WRITTEN, Cell, counted, print_json, print_table
from syncflow_pipelines.config import ALERTS_FILE, AlertsConfig, ChannelConfig, load_alerts
from syncflow_pipelines.database import open_database
from syncflow_pipelines.database.alerts import Alert, AlertMessage, Found, list_alerts
from syncflow_pipelines.errors import ConfigurationError, SyncflowError
from syncflow_pipelines.events.alerts.channels import send
from syncflow_pipelines.events.alerts.evaluation import Evaluation, evaluate, look

HEADINGS = ("severity", "rule", "subject", "since", "until", "told", "what")
FOUND = ("severity", "rule", "subject", "what")
CHANNELS = ("channel", "sent", "why not")
_COLOURS = {"critical": "red", "warning": "yellow"}

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group("alerts", cls=DefaultGroup, default="list")
def command() -> None:
    """List what is wrong, and tell people of it.

    \b
      syncflow alerts                   what is wrong now, and who was told
      syncflow alerts --all             what was wrong, too
      syncflow alerts check             look now, and send what is new; Dagster does so every 30 seconds
      syncflow alerts test              does every channel of alerts.yaml work?
    """


@command.command("list")
@click.option("--all", "closed", is_flag=True, help="Those that are over, too.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@_json
@pass_invocation
def list_command(invocation: Invocation, closed: bool, limit: int, as_json: bool) -> int:
    """List what is wrong as it was seen last, the newest first."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        found = list_alerts(connection, closed=closed, limit=limit)
    if as_json:
        for alert, told in found:
            print_json(_record(alert, told))
    elif found:
        print_table(HEADINGS, [_row(alert, told) for alert, told in found], wrap=("what",))
    else:
        invocation.note("Nothing is known to be wrong; `syncflow alerts check` looks now.")
    return 0


@command.command("check")
@click.option("--dry-run", is_flag=True, help="Show what is wrong; record and send nothing.")
@_json
@pass_invocation
def check_command(invocation: Invocation, dry_run: bool, as_json: bool) -> int:
    """Look what is wrong, and tell each channel what it does not know yet.

    What only Dagster knows, its failed runs and stale assets, is left as its sensor saw it last. Exits with 1 where a
    message did not reach its channel; the next look sends it again.
    """
    config = load_alerts(invocation.settings)
    with open_database(invocation.settings) as database:
        done = Evaluation(look(database, config)[0]) if dry_run else evaluate(database, config)
    if done.is_busy:
        invocation.note("Another process looks at this moment, and sends what is new.")
        return 0
    _print_found(invocation, done.found, as_json)
    for channel, message in done.sent.items():
        invocation.note(f"{channel}: {message.title}")
    for name, error in done.failed.items():
        click.echo(f"Warning: {name}: {error}", err=True)
    if dry_run:
        invocation.note(NOTHING_WRITTEN)
    return 1 if done.failed else 0


@command.command("test")
@click.option("--channel", "names", multiple=True, metavar="NAME",
              help="Only this one, enabled or not; give it several times for several.")  # fmt: skip
@_json
@pass_invocation
def test_command(invocation: Invocation, names: tuple[str, ...], as_json: bool) -> int:
    """Send a message to every channel of alerts.yaml, and say which took it."""
    failed = 0
    rows: list[tuple[Cell, ...]] = []
    for channel in _chosen(invocation, names):
        error = _tried(channel)
        failed += error is not None
        if as_json:
            print_json({"channel": channel.name, "is_sent": error is None, "error": error})
        rows.append((channel.name, error is None, error))
    if not as_json:
        print_table(CHANNELS, rows, wrap=("why not",))
    return 1 if failed else 0


def _chosen(invocation: Invocation, names: Sequence[str]) -> list[ChannelConfig]:
    config: AlertsConfig = load_alerts(invocation.settings)
    file = invocation.settings.config_dir / ALERTS_FILE
    known = {channel.name: channel for channel in config.channels}
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(f"no channel is called {unknown[0]}; {file} has {', '.join(known) or 'none'}")
    chosen = [known[name] for name in names] or [channel for channel in config.channels if channel.enabled]
    if not chosen:
        raise ConfigurationError(f"{file} names no channel that is enabled; the comments in it show how one looks")
    return chosen


def _tried(channel: ChannelConfig) -> str | None:
    body = "This is a test: `syncflow alerts test` was called, and nothing is wrong."
    try:
        send(channel, "SyncFlow alerts: a test", body, "info")
    except SyncflowError as error:
        return str(error)
    return None


def _print_found(invocation: Invocation, found: Sequence[Found], as_json: bool) -> None:
    if as_json:
        for one in found:
            print_json({"rule": one.rule, "subject": one.subject, "severity": one.severity, "message": one.message})
    elif found:
        rows = [(_coloured(one.severity), one.rule, one.subject, one.message) for one in found]
        print_table(FOUND, rows, wrap=("what",))
    else:
        invocation.note("Nothing is wrong.")


def _row(alert: Alert, told: Mapping[str, AlertMessage]) -> tuple[Cell, ...]:
    return (
        _coloured(alert.severity),
        alert.rule,
        alert.subject,
        alert.opened_at,
        alert.recovered_at,
        ", ".join(map(_told, told.values())) or None,
        alert.message,
    )


def _told(message: AlertMessage) -> str:
    if not message.failures:
        return message.channel
    return f"{message.channel} (not yet: {counted(message.failures, 'failure', 'failures')})"


def _coloured(severity: str) -> Text:
    return Text(severity, style=_COLOURS.get(severity, ""))


def _record(alert: Alert, told: Mapping[str, AlertMessage]) -> dict[str, object]:
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": alert.severity,
        "message": alert.message,
        "opened_at": alert.opened_at,
        "seen_at": alert.seen_at,
        "recovered_at": alert.recovered_at,
        "channels": [
            {
                "channel": one.channel,
                "sent_at": one.sent_at,
                "recovery_sent_at": one.recovery_sent_at,
                "failures": one.failures,
                "error": one.error,
            }
            for one in told.values()
        ],
    }
