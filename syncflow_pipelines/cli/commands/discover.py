"""`syncflow discover`: what the sources offer, and the tables that follow."""

from collections.abc import Iterator

import click
from rich.text import Text

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ConnectorName
from syncflow_pipelines.cli.output import Cell, counted, print_json, print_table
from syncflow_pipelines.config import ConnectorConfig, choose_connectors
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import SourceError
from syncflow_pipelines.sync.model import DiscoveryReport, SchemaChange
from syncflow_pipelines.sync.schema.discovery import discover


@click.command("discover")
@click.argument("names", nargs=-1, metavar="[CONNECTOR]...", type=ConnectorName())
@click.option("--dry-run", is_flag=True, help="Tell what would change; write nothing.")
@click.option("--accept-gone", is_flag=True, help="Believe a catalogue that lost all or most of its entities.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a connector.")
@pass_invocation
def command(invocation: Invocation, names: tuple[str, ...], dry_run: bool, accept_gone: bool, as_json: bool) -> int:
    """Ask the sources what they offer; make and follow the tables.

    \b
      syncflow discover              every enabled connector
      syncflow discover erp          one of them
      syncflow discover --dry-run    what is new, changed or gone, and nothing else

    New columns are added and types widened where that is safe. A change that would lose data is
    refused for that entity, with what to do about it; an entity that the source no longer offers
    is marked and its table stays. A catalogue that suddenly offers none of its entities, or less than
    half of many, is not believed without --accept-gone. Exits 1 if a source did not answer or a
    change was refused.
    """
    failed = False
    chosen = choose_connectors(invocation.connectors, names)
    with open_database(invocation.settings) as database:
        for connector in chosen:
            report = _discover(database, connector, invocation, dry_run, accept_gone)
            failed = failed or report is None or bool(report.refused)
            if report is not None:
                _print(report, as_json)
    return 1 if failed else 0


def _discover(
    database: Database, connector: ConnectorConfig, invocation: Invocation, dry_run: bool, accept_gone: bool
) -> DiscoveryReport | None:
    try:
        return discover(database, connector, invocation.settings, dry_run=dry_run, accept_gone=accept_gone)
    except SourceError as error:
        # One source that is down keeps nobody from asking the next.
        click.echo(f"Error: {connector.name}: {error}", err=True)
        return None


def _print(report: DiscoveryReport, as_json: bool) -> None:
    if as_json:
        print_json(_record(report))
        return
    rows = list(_rows(report))
    if rows:
        print_table(("entity", "what", "detail"), rows, wrap=("detail",))
    known = len(report.entities) - len(report.added)
    click.echo(
        f"{report.connector}: {counted(len(report.entities), 'entity', 'entities')}"
        f" ({len(report.added)} added, {len(report.changed)} changed, {known} known before),"
        f" {len(report.gone)} gone, {len(report.refused)} refused, in {report.seconds:.1f} s"
    )


def _rows(report: DiscoveryReport) -> Iterator[tuple[Cell, ...]]:
    def name(slug: str | None) -> str:
        return f"{report.connector}/{slug}" if slug else report.connector

    for change in report.changes:
        if change.applied:
            yield name(change.entity), change.kind.replace("_", " "), _detail(change)
    for slug, reason in report.refused.items():
        yield name(slug), Text("refused", style="bold red"), reason
    for finding in report.findings:
        style = "red" if finding.severity == "error" else "yellow"
        yield name(finding.entity), Text(finding.severity, style=style), finding.message


def _detail(change: SchemaChange) -> str:
    """What changed, e.g. `weight: integer → bigint`."""
    steps = " → ".join(step for step in (change.before, change.after) if step)
    words = ": ".join(word for word in (change.column, steps) if word)
    return f"{words} ({change.message})" if words and change.message else words or change.message


def _record(report: DiscoveryReport) -> dict[str, object]:
    return {
        "connector": report.connector,
        "entities": report.entities,
        "added": report.added,
        "changed": report.changed,
        "gone": report.gone,
        "refused": dict(report.refused),
        "findings": [
            {"severity": one.severity, "entity": one.entity, "column": one.column, "message": one.message}
            for one in report.findings
        ],
        "changes": [
            {
                "kind": one.kind, "entity": one.entity, "column": one.column, "before": one.before,
                "after": one.after, "applied": one.applied, "message": one.message,
            }
            for one in report.changes
        ],
        "seconds": round(report.seconds, 3),
    }  # fmt: skip
