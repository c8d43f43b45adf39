"""`syncflow generate`: MCP servers and resolvers from the specs that are kept."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click
from rich.text import Text

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import NOTHING_WRITTEN, Cell, print_json, print_table
from syncflow_pipelines.codegen.kept import generate_kept
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import DatabaseError

_STYLES = {"generated": "green", "unchanged": "", "failed": "bold red", "removed": "yellow"}
HEADINGS = ("service", "status", "tools", "mode", "tools/list bytes", "about tokens", "files", "bytes", "left out")


@click.command("generate")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", type=ServiceName())
@click.option("--force", is_flag=True, help="Generate what has not changed, too; overwrite what was edited by hand.")
@click.option("--dry-run", is_flag=True, help="Generate and try everything; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service.")
@pass_invocation
def command(invocation: Invocation, names: tuple[str, ...], force: bool, dry_run: bool, as_json: bool) -> int:
    """Generate MCP servers and resolvers from the specs that were fetched.

    \b
      syncflow generate                         what changed, and remove what belongs to no service any more
      syncflow generate warehouse --force       one service anew
      syncflow generate --dry-run               what would be, and how large

    Nothing is fetched; `syncflow specs fetch` does that. New modules are imported and listed before they
    replace the old ones, which stand where that fails. Exits 1 if a service failed.
    """
    services = invocation.services
    with _database(invocation, services, dry_run) as database:
        report = generate_kept(
            services, invocation.settings, only=names, force=force, dry_run=dry_run, database=database
        )
    print_reports(report.services, as_json=as_json)
    if not services.services and not report.services:
        invocation.note(invocation.no_service)
    elif not report.services:
        invocation.note(f"There is nothing to generate: {services.file_name} names no service with components.")
    elif dry_run:
        invocation.note(NOTHING_WRITTEN)
    else:
        from syncflow_pipelines.defs.spec_record import report_generated  # Dagster takes a second to import

        report_generated(invocation.settings, services, report.services)
        invocation.note(f"In {services.settings.generated_dir}")
    return 1 if report.has_failed else 0


@contextmanager
def _database(invocation: Invocation, services: Services, dry_run: bool) -> Iterator[Database | None]:
    """Where it is to be published what was generated; code is generated without it, too."""
    with ExitStack() as stack:
        database: Database | None = None
        if services.services and services.settings.enable_event_bus and not dry_run:
            try:
                database = stack.enter_context(open_database(invocation.settings))
            except DatabaseError as error:
                invocation.note(f"What is generated now will be told by the next generation: {error}")
        yield database


def print_reports(reports: Sequence[ServiceReport], *, as_json: bool) -> None:
    """A table, or a line of JSON each; errors and notes go to stderr."""
    if as_json:
        for report in reports:
            print_json(_record(report))
    elif reports:
        print_table(HEADINGS, [_row(report) for report in reports])
    for report in reports:
        if report.error is not None:
            click.echo(f"Error: {report.service}: {report.error}", err=True)
        for note in report.notes:
            click.echo(f"{report.service}: {note}", err=True)


def _row(report: ServiceReport) -> tuple[Cell, ...]:
    sizes = report.sizes
    seen = (sizes.tools, sizes.mode, sizes.list_bytes, sizes.list_tokens) if sizes else (None,) * 4
    status = Text(report.status, style=_STYLES[report.status])
    size = sum(file.bytes for file in report.files)
    return (report.service, status, *seen, len(report.files), size, len(report.skipped))


def _record(report: ServiceReport) -> dict[str, object]:
    sizes = report.sizes
    return {
        "service": report.service,
        "status": report.status,
        "tools": sizes.tools if sizes else None,
        "mode": sizes.mode if sizes else None,
        "list_bytes": sizes.list_bytes if sizes else None,
        "list_tokens": sizes.list_tokens if sizes else None,
        "files": {file.name: file.bytes for file in report.files},
        "left_out": [{"pointer": pointer, "reason": reason} for pointer, reason in report.skipped],
        "notes": report.notes,
        "error": str(report.error) if report.error else None,
    }
