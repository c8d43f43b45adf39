"""`syncflow specs`: the OpenAPI documents of services, fetched, compared and watched."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.text import Text

from syncflow_pipelines.cli.account import user_name
from syncflow_pipelines.cli.commands.specs_exporting import export_command, run_command
from syncflow_pipelines.cli.commands.specs_looking import fetch_command
from syncflow_pipelines.cli.commands.specs_watching import watch_command
from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.config import ServiceConfig, choose_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.database.specs import SpecRecord, SpecVersion, recorded_specs
from syncflow_pipelines.openapi.acceptance import Standing, acknowledge, judge
from syncflow_pipelines.openapi.history import UnknownVersion, kept_versions, pick, spec_of

if TYPE_CHECKING:
    from syncflow_pipelines.openapi.diff import SpecDiff

FORMATS = ("text", "json", "markdown")
SHOWN_CHECKSUM = 12
"""Characters; enough to name a version by."""


@click.group("specs", cls=DefaultGroup, default="status")
def command() -> None:
    """Fetch the OpenAPI documents of services, and see what changed.

    \b
      syncflow specs                            how every spec stands
      syncflow specs fetch                      look at all of them now
      syncflow specs status warehouse           one, with the versions that it has had
      syncflow specs diff warehouse             what the last change means for callers
      syncflow specs diff warehouse --from 3 --to 7 --format markdown
      syncflow specs ack warehouse              callers can live with the breaking change
      syncflow specs watch --interval 60        look again and again, and generate what changed
      syncflow specs export main:app            write the document of an app of your own to a file
      syncflow specs run -- uvicorn main:app    start a backend, and write its document as it changes
    """


command.add_command(fetch_command)
command.add_command(watch_command)
command.add_command(export_command)
command.add_command(run_command)


@command.command("status")
@click.argument("name", required=False, metavar="[SERVICE]", type=ServiceName())
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a service, or a version of the one that is named."
)
@pass_invocation
def status_command(invocation: Invocation, name: str | None, as_json: bool) -> int:
    """Tell how every spec stands, or one, with the versions that are kept of it. Nothing is fetched."""
    services = invocation.services
    chosen = choose_services(services, [name]) if name else services.services
    if not chosen:
        invocation.note(invocation.no_service)
        return 0
    with open_database(invocation.settings) as database:
        with database.connection() as connection:
            records = recorded_specs(connection)
        standings = {one.name: _standing(invocation, database, one) for one in chosen}
        versions = kept_versions(database, name) if name and standings[name] else []
        if name:
            _print_one(records.get(name, SpecRecord(name)), standings[name], versions, as_json)
            return 0
    if as_json:
        for one in chosen:
            print_json(_record(one, records.get(one.name, SpecRecord(one.name)), standings[one.name]))
    else:
        _print_all(chosen, records, standings)
    return 0


def _standing(invocation: Invocation, database: Database, service: ServiceConfig) -> Standing | None:
    try:
        return judge(database, service, invocation.services.settings.acknowledged)
    except UnknownVersion:
        return None


def _print_all(
    services: Sequence[ServiceConfig], records: dict[str, SpecRecord], standings: dict[str, Standing | None]
) -> None:
    rows = [_row(one, records.get(one.name, SpecRecord(one.name)), standings[one.name]) for one in services]
    headings = (
        "service",
        "status",
        "written as",
        "operations",
        "left out",
        "checksum",
        "changed",
        "looked at",
        "error",
    )
    print_table(headings, rows, wrap=("error",))


def _row(service: ServiceConfig, record: SpecRecord, standing: Standing | None) -> tuple[Cell, ...]:
    return (
        service.name, _status(service, record, standing), record.written_as, record.operations,
        _left_out(record) if record.checksum else None, (record.checksum or "")[:SHOWN_CHECKSUM] or None,
        record.changed_at, record.fetched_at, record.error,
    )  # fmt: skip


def _status(service: ServiceConfig, record: SpecRecord, standing: Standing | None) -> Text:
    if not service.enabled:
        return Text("disabled", style="dim")
    if record.error is not None:
        return Text("failed", style="bold red")
    if standing is None:
        return Text("not fetched", style="yellow")
    return Text("ok", style="green") if standing.is_accepted else Text("breaking", style="bold red")


def _left_out(record: SpecRecord) -> int:
    return sum(bool(finding["is_fatal"]) for finding in record.findings)


def _print_one(record: SpecRecord, standing: Standing | None, versions: Sequence[SpecVersion], as_json: bool) -> None:
    if as_json:
        for version in versions:
            print_json(_version(version, standing))
        return
    print_facts(
        {
            "service": record.service,
            "checksum": record.checksum,
            "contract": record.contract,
            "written as": record.written_as,
            "operations": record.operations,
            "found at": record.url,
            "kept in": record.spec_file,
            "changed": record.changed_at,
            "looked at": record.fetched_at,
            "failed": record.failed_at,
            "error": record.error,
            "accepted": _acceptance(standing) if standing else None,
        }
    )
    for finding in record.findings:
        what = "left out" if finding["is_fatal"] else "note"
        click.echo(f"{what}: {finding['pointer'] or '/'}: {finding['reason']}")
    if versions:
        rows = [(one.id, one.checksum, one.at, _accepted(one, standing)) for one in versions]
        click.echo()
        print_table(("version", "checksum", "since", "accepted"), rows)


def _acceptance(standing: Standing) -> str:
    """Whether callers can live with the spec as it is now, or what waits to be accepted."""
    if not standing.is_accepted:
        name = standing.service.name
        return f"not yet: {standing.diff.summary()}; `syncflow specs ack {name}` accepts them"
    by, note = standing.verdict.decided_by, standing.verdict.note
    return f"by {by}{f': {note}' if note else ''}" if by else "yes"


def _accepted(version: SpecVersion, standing: Standing | None) -> str:
    if standing is None or version.id > standing.baseline.id:
        return "not yet"
    by = standing.verdict.decided_by
    return f"by {by}" if by and version.id == standing.current.id else "yes"


def _version(version: SpecVersion, standing: Standing | None) -> dict[str, object]:
    accepted = standing is not None and version.id <= standing.baseline.id
    return {
        "version": version.id,
        "service": version.service,
        "checksum": version.checksum,
        "contract": version.contract,
        "at": version.at,
        "accepted": accepted,
    }


def _record(service: ServiceConfig, record: SpecRecord, standing: Standing | None) -> dict[str, object]:
    return {
        "service": service.name,
        "enabled": service.enabled,
        "checksum": record.checksum,
        "contract": record.contract,
        "written_as": record.written_as,
        "operations": record.operations,
        "left_out": _left_out(record),
        "findings": len(record.findings),
        "url": record.url,
        "spec_file": record.spec_file,
        "changed_at": record.changed_at,
        "fetched_at": record.fetched_at,
        "error": record.error,
        "accepted": standing.is_accepted if standing else None,
    }


@command.command("diff")
@click.argument("name", metavar="SERVICE", type=ServiceName())
@click.option(
    "--from", "old", metavar="VERSION", help="A number or a checksum of `specs status`.  [the one before --to]"
)
@click.option("--to", "new", metavar="VERSION", help="The same.  [the newest]")
@click.option("--format", "how", type=click.Choice(FORMATS), default="text", show_default=True, help="How to write it.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--fail-on", type=click.Choice(["breaking", "warning", "any"]),
              help="Exit 1 where there is such a change, or a worse one.")  # fmt: skip
@pass_invocation
def diff_command(
    invocation: Invocation, name: str, old: str | None, new: str | None, how: str, as_json: bool, fail_on: str | None
) -> int:
    """Show what changed in a spec, and what it means for those who call the service.

    \b
      syncflow specs diff warehouse                              the last change
      syncflow specs diff warehouse --from 80ceb8 --format markdown
      syncflow specs diff warehouse --fail-on breaking           for a pipeline: exit 1 where callers break

    What `include` and `exclude` leave out does not count. docs/spec-diff-rules.md lists the rules.
    """
    from syncflow_pipelines.openapi.diff import compare

    (service,) = choose_services(invocation.services, [name])
    with open_database(invocation.settings) as database:
        versions = kept_versions(database, name)
        after = pick(versions, new) if new else versions[0]
        before = pick(versions, old) if old else _before(versions, after)
        diff = compare(spec_of(database, before, service), spec_of(database, after, service))
    _print_diff(diff, "json" if as_json else how)
    if how == "text" and not as_json:
        invocation.note(_compared_versions(before, after))
    return 1 if fail_on and _has(diff, fail_on) else 0


def _compared_versions(before: SpecVersion, after: SpecVersion) -> str:
    if before.id == after.id:
        return f"Version {after.id} ({after.at:%Y-%m-%d %H:%M}Z) was compared with itself: name another by --from."
    return f"From version {before.id} ({before.at:%Y-%m-%d %H:%M}Z) to {after.id} ({after.at:%Y-%m-%d %H:%M}Z)."


def _before(versions: Sequence[SpecVersion], version: SpecVersion) -> SpecVersion:
    """The version before; of the first, that one itself."""
    return next((one for one in versions if one.id < version.id), version)


def _print_diff(diff: "SpecDiff", how: str) -> None:
    from syncflow_pipelines.openapi.diff import as_json, as_markdown, as_text

    if how == "json":
        print_json(as_json(diff))
    else:
        click.echo(as_text(diff) if how == "text" else as_markdown(diff))


def _has(diff: "SpecDiff", fail_on: str) -> bool:
    if fail_on == "any":
        return not diff.is_empty
    return diff.is_breaking or (fail_on == "warning" and bool(diff.of("warning")))


@command.command("ack")
@click.argument("name", metavar="SERVICE", type=ServiceName())
@click.option("--note", help="Why callers can live with it; kept with who said so.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def ack_command(invocation: Invocation, name: str, note: str | None, as_json: bool) -> int:
    """Accept a spec as it is now, though it breaks callers of what it was.

    The check `breaking_changes` in Dagster passes from then on, until the next breaking change. The
    acceptance is kept in the database; `settings.acknowledged` in auto_sync_services.yaml does the
    same by the digest of the contract, for those who want it reviewed and in version control.
    """
    (service,) = choose_services(invocation.services, [name])
    with open_database(invocation.settings) as database:
        before = judge(database, service, invocation.services.settings.acknowledged)
        standing, accepted = acknowledge(database, service, user_name(), note), before.diff.summary()
        if not before.is_accepted:
            from syncflow_pipelines.defs.spec_record import report_standing  # Dagster takes a second to import

            report_standing(name, standing, invocation.settings.home)
    told = {
        "service": name, "version": standing.current.id, "checksum": standing.current.checksum,
        "contract": standing.current.contract, "was_accepted": before.is_accepted, "accepted": accepted,
    }  # fmt: skip
    if as_json:
        print_json(told)
    elif before.is_accepted:
        invocation.note(f"{name}: nothing was left to be accepted.")
    else:
        click.echo(f"{name}: accepted {accepted}.")
    return 0
