"""`syncflow specs fetch`, and how a look at specs is told."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copyfile

import click
from rich.text import Text

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import Cell, print_json, print_table
from syncflow_pipelines.config import Services, choose_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.history import selected
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh

_STYLES = {
    "changed": "green", "unchanged": "", "failed": "bold red", "unhealthy": "bold red", "unsettled": "yellow"
}  # fmt: skip


@click.command("fetch")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", type=ServiceName())
@click.option("--force", is_flag=True, help="Fetch and write anew what has not changed, too.")
@click.option("--dry-run", is_flag=True, help="Look, and tell what changed; keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service.")
@pass_invocation
def fetch_command(invocation: Invocation, names: tuple[str, ...], force: bool, dry_run: bool, as_json: bool) -> int:
    """Look at the specs of all enabled services, or of some, and keep those that changed.

    \b
      syncflow specs fetch                      all of them
      syncflow specs fetch warehouse --force    one, whatever the server says of it
      syncflow specs fetch --dry-run --json     what is new, for a program

    An unchanged spec is recognised before it is sent. One service that fails does not stop the others;
    what is kept of it stands. Exits 1 if any failed. `syncflow generate` makes code of what was fetched.
    """
    services = invocation.services
    chosen = choose_services(services, names)
    if not chosen:
        told = "no service of auto_sync_services.yaml is enabled" if services.services else invocation.no_service
        invocation.note(told)
        return 0
    looked = _looked_dry(invocation, services, names, force) if dry_run else _looked(invocation, services, names, force)
    if as_json:
        for record in looked.records:
            print_json(record)
    else:
        print_table(("service", "status", "operations", "left out", "checksum", "seconds"), looked.rows)
        for error in looked.errors:
            click.echo(f"Error: {error}", err=True)
    return 1 if looked.errors else 0


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at specs came to, as it is shown."""

    records: list[dict[str, object]] = field(default_factory=list)
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def _looked(invocation: Invocation, services: Services, names: Sequence[str], force: bool) -> Looked:
    with open_database(invocation.settings) as database:
        refreshed = refresh(services, invocation.settings, only=names, database=database, force=force)
        report_to_dagster(database, invocation, services, refreshed)
        return _shown(services, refreshed)


def _looked_dry(invocation: Invocation, services: Services, names: Sequence[str], force: bool) -> Looked:
    """The same look, with folders that are thrown away for those that are kept."""
    with tempfile.TemporaryDirectory(prefix="syncflow-") as folder:
        specs, checksums = Path(folder, "specs"), Path(folder, "checksums.json")
        if services.settings.checksum_file.exists():
            copyfile(services.settings.checksum_file, checksums)
        elsewhere = replace(services, settings=replace(services.settings, output_dir=specs, checksum_file=checksums))
        settings = replace(invocation.settings, home=Path(folder))
        return _shown(services, refresh(elsewhere, settings, only=names, force=force))


def _shown(services: Services, refreshed: Sequence[Refreshed]) -> Looked:
    looked = Looked()
    for one in refreshed:
        operations, left_out = spec_counts(services, one)
        looked.records.append(looked_record(one, operations, left_out))
        status = Text(one.status, style=_STYLES[one.status])
        checksum = one.checksum[:12] if one.checksum else None
        looked.rows.append((one.service, status, operations, left_out, checksum, one.seconds))
        if one.error is not None:
            looked.errors.append(named(one.service, one.error))
    return looked


def spec_counts(services: Services, refreshed: Refreshed) -> tuple[int | None, int | None]:
    """Operations, and parts that cannot be used; nothing where no spec can be read."""
    if refreshed.checksum is None:
        return None, None
    (service,) = choose_services(services, [refreshed.service])
    try:
        spec = selected(refreshed.spec, service)
    except SpecError:
        return None, None
    return len(spec.operations), sum(finding.is_fatal for finding in spec.findings)


def looked_record(one: Refreshed, operations: int | None, left_out: int | None) -> dict[str, object]:
    return {
        "service": one.service,
        "status": one.status,
        "checksum": one.checksum,
        "previous_checksum": one.previous_checksum,
        "contract": one.contract,
        "operations": operations,
        "left_out": left_out,
        "url": one.url,
        "spec_file": one.spec_file,
        "seconds": round(one.seconds, 3),
        "error": one.error,
    }


def named(service: str, error: str) -> str:
    return error if not service or error.startswith(service) else f"{service}: {error}"


def report_to_dagster(
    database: Database, invocation: Invocation, services: Services, refreshed: Sequence[Refreshed]
) -> None:
    if any(one.status == "changed" for one in refreshed):
        from syncflow_pipelines.defs.spec_record import report_specs  # Dagster takes a second to import

        report_specs(database, invocation.settings, services, refreshed)
