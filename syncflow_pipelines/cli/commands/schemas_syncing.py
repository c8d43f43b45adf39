"""`syncflow schemas sync` and `validate`."""

from collections.abc import Sequence

import click
from rich.text import Text

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import SchemaSourceName
from syncflow_pipelines.cli.output import NOTHING_WRITTEN, Cell, print_diff, print_json, print_table, visible
from syncflow_pipelines.config import SCHEMA_SYNC_FILE, choose_sources
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.schemas.reports import SourceReport
from syncflow_pipelines.schemas.standing import Validity, validity
from syncflow_pipelines.schemas.syncing import sync_schemas
from syncflow_pipelines.schemas.workshop import WarmWorkshop

_STYLES = {"generated": "green", "unchanged": "", "failed": "bold red", "valid": "green", "invalid": "bold red"}
HEADINGS = ("source", "status", "schemas", "findings", "seconds", "backup", "module")


@click.command("sync")
@click.argument("names", nargs=-1, metavar="[SOURCE]...", type=SchemaSourceName())
@click.option("--force", is_flag=True, help="Generate what has not changed, too; overwrite what was edited by hand.")
@click.option("--dry-run", is_flag=True, help="Generate and try everything; show the difference, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a source.")
@pass_invocation
def sync_command(invocation: Invocation, names: tuple[str, ...], force: bool, dry_run: bool, as_json: bool) -> int:
    """Generate the schemas of the sources that changed.

    \b
      syncflow schemas sync                     what changed
      syncflow schemas sync shop --force        one source anew
      syncflow schemas sync --dry-run           what would change, and how it differs from the schemas kept by hand

    New modules are imported and tried before they replace the old ones, which stand where that fails and are
    kept in a backup where it does not. Exits 1 if a source failed.
    """
    report = sync_schemas(invocation.settings, invocation.schemas, only=names, force=force, dry_run=dry_run)
    print_reports(report.sources, as_json=as_json, is_dry_run=dry_run)
    if report.has_changed and not dry_run:
        tell_dagster(invocation, report.sources)
    if not report.sources:
        invocation.note(no_source(invocation))
    elif dry_run:
        invocation.note(NOTHING_WRITTEN)
    return 1 if report.has_failed else 0


@click.command("validate")
@click.argument("names", nargs=-1, metavar="[SOURCE]...", type=SchemaSourceName())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a source.")
@pass_invocation
def validate_command(invocation: Invocation, names: tuple[str, ...], as_json: bool) -> int:
    """Try the modules as they are, and compare them with the schemas kept by hand. Exits 1 if one does not work."""
    chosen = choose_sources(invocation.schemas, names)
    with WarmWorkshop(invocation.settings) as workshop:
        found = [validity(source, workshop) for source in chosen]
    if as_json:
        for one in found:
            print_json(_validity_record(one))
    elif found:
        print_table(("source", "status", "module"), [_validity_row(one) for one in found], wrap=("module",))
    for one in found:
        if one.error is not None:
            click.echo(f"Error: {one.source.name}: {one.error}", err=True)
        if one.comparison is not None and not as_json:
            click.echo(f"\n{visible(one.comparison.as_text())}")
    if not found:
        invocation.note(no_source(invocation))
    return 1 if any(one.error for one in found) else 0


def tell_dagster(invocation: Invocation, reports: Sequence[SourceReport]) -> None:
    """Lets Dagster's assets show what was generated; where its storage cannot be reached, that is told."""
    from syncflow_pipelines.defs.schema_record import report_schemas  # Dagster takes a second to import

    try:
        report_schemas(invocation.settings, reports)
    except SyncflowError as error:
        click.echo(f"Warning: Dagster was not told: {error}", err=True)


def no_source(invocation: Invocation) -> str:
    """Why there is no source, for a person who may be in another folder than they think."""
    file = invocation.settings.config_dir / SCHEMA_SYNC_FILE
    if file.exists():
        return f"{file} names no source that is enabled; add one, as the comments in the file show"
    return f"there is no {file}; go to the folder of SyncFlow, or set SCHEMA_SYNC_MODELS_PATH"


def print_reports(reports: Sequence[SourceReport], *, as_json: bool, is_dry_run: bool = False) -> None:
    """A table, or a line of JSON each; errors, findings and notes go to stderr."""
    if as_json:
        for report in reports:
            print_json(_record(report))
    elif reports:
        for report in reports if is_dry_run else ():
            print_diff(report.diff)
            if report.comparison is not None:
                click.echo(f"{visible(report.comparison.as_text())}\n")
        print_table(HEADINGS, [_row(report) for report in reports], wrap=("module",))
    for report in reports:
        if report.error is not None:
            click.echo(f"Error: {report.source}: {report.error}", err=True)
        for finding in report.findings if report.status == "generated" else ():
            click.echo(f"{report.source}: {finding.where}: {finding.reason}", err=True)
        for note in report.notes:
            click.echo(f"{report.source}: {note}", err=True)


def _row(report: SourceReport) -> tuple[Cell, ...]:
    status = Text(report.status, style=_STYLES[report.status])
    schemas = None if report.digest is None else report.schemas
    return (
        report.source, status, schemas, len(report.findings), report.seconds, report.backup, str(report.output),
    )  # fmt: skip


def _record(report: SourceReport) -> dict[str, object]:
    return {
        "source": report.source,
        "status": report.status,
        "output": str(report.output),
        "schemas": None if report.digest is None else report.schemas,
        "digest": report.digest,
        "backup": report.backup,
        "findings": [{"where": one.where, "reason": one.reason} for one in report.findings],
        "comparison": report.comparison.as_json() if report.comparison else None,
        "diff": report.diff or None,
        "notes": report.notes,
        "seconds": round(report.seconds, 3),
        "error": str(report.error) if report.error else None,
    }


def _validity_row(one: Validity) -> tuple[Cell, ...]:
    word = "invalid" if one.error else "valid"
    return one.source.name, Text(word, style=_STYLES[word]), str(one.source.output)


def _validity_record(one: Validity) -> dict[str, object]:
    return {
        "source": one.source.name,
        "status": "invalid" if one.error else "valid",
        "output": str(one.source.output),
        "comparison": one.comparison.as_json() if one.comparison else None,
        "error": str(one.error) if one.error else None,
    }
