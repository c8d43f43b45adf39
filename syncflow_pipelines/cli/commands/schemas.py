"""`syncflow schemas`: Pydantic schemas that follow models, entities and components of OpenAPI documents."""

from dataclasses import fields

import click
from rich.text import Text

from syncflow_pipelines.cli.commands.schemas_backups import backup_command
from syncflow_pipelines.cli.commands.schemas_comparing import diff_command
from syncflow_pipelines.cli.commands.schemas_syncing import no_source, sync_command, validate_command
from syncflow_pipelines.cli.commands.schemas_watching import watch_command
from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import SchemaSourceName
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.config import choose_sources
from syncflow_pipelines.schemas.standing import Standing, standing
from syncflow_pipelines.schemas.workshop import WarmWorkshop

_STYLES = {"in step": "green", "changed": "yellow", "edited": "yellow", "missing": "yellow", "failed": "bold red"}
HEADINGS = ("source", "type", "status", "schemas", "generated", "module", "error")


@click.group("schemas", cls=DefaultGroup, default="status")
def command() -> None:
    """Generate Pydantic schemas from models, entities and OpenAPI components.

    \b
      syncflow schemas                          how every source stands
      syncflow schemas sync                     generate what changed
      syncflow schemas sync shop --dry-run      what would change, as a diff
      syncflow schemas validate                 do the modules work as they are?
      syncflow schemas diff                     what the last change means to readers and writers
      syncflow schemas watch                    generate whenever models change
      syncflow schemas backup list              what modules were before
      syncflow schemas backup restore --name schema_backup_20250121_120000
    """


command.add_command(sync_command)
command.add_command(validate_command)
command.add_command(diff_command)
command.add_command(watch_command)
command.add_command(backup_command)


@command.command("status")
@click.argument("names", nargs=-1, metavar="[SOURCE]...", type=SchemaSourceName())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a source.")
@pass_invocation
def status_command(invocation: Invocation, names: tuple[str, ...], as_json: bool) -> int:
    """Tell how every source and its module stand, and the settings in force. Nothing is generated."""
    schemas = invocation.schemas
    chosen = choose_sources(schemas, names) if names else schemas.sources
    with WarmWorkshop(invocation.settings) as workshop:
        found = [standing(invocation.settings, source, workshop) for source in chosen]
    if as_json:
        for one in found:
            print_json(_record(one))
        return 0
    if found:
        print_table(HEADINGS, [_row(one) for one in found], wrap=("module", "error"))
        click.echo()
    facts: dict[str, Cell] = {one.name: getattr(schemas.settings, one.name) for one in fields(schemas.settings)}
    print_facts({name: value if isinstance(value, bool | int | float) else str(value) for name, value in facts.items()})
    if not found:
        invocation.note(no_source(invocation))
    return 0


def _row(one: Standing) -> tuple[Cell, ...]:
    word = one.word if one.source.enabled else f"{one.word} (disabled)"
    error = str(one.error) if one.error else None
    style = _STYLES[one.word] if one.source.enabled else "dim"
    return (
        one.source.name, one.source.type, Text(word, style=style), one.schemas, one.generated_at,
        str(one.source.output), error,
    )  # fmt: skip


def _record(one: Standing) -> dict[str, object]:
    return {
        "source": one.source.name,
        "type": one.source.type,
        "enabled": one.source.enabled,
        "status": one.word,
        "schemas": one.schemas,
        "digest": one.digest,
        "generated_at": one.generated_at,
        "output": str(one.source.output),
        "error": str(one.error) if one.error else None,
    }
