"""`syncflow schemas backup`: what modules were before they were generated anew."""

import click

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import BackupName
from syncflow_pipelines.cli.output import Cell, print_json, print_table
from syncflow_pipelines.schemas.backups.folder import Backup, Backups, backups_of
from syncflow_pipelines.schemas.backups.restoring import restore

HEADINGS = ("backup", "files", "bytes", "made", "reason")


@click.group("backup", cls=DefaultGroup, default="list")
def backup_command() -> None:
    """List, restore and delete what modules were before they were generated anew."""


@backup_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a backup.")
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> int:
    """List the backups, the newest first."""
    kept = _backups(invocation).kept()
    if as_json:
        for backup in kept:
            print_json(_record(backup))
    elif kept:
        print_table(HEADINGS, [_row(backup) for backup in kept], wrap=("reason",))
    for backup in kept:
        if backup.problem is not None:
            click.echo(f"Warning: {backup.problem}", err=True)
    if not kept:
        invocation.note(f"There are no backups in {invocation.schemas.settings.backup_dir}.")
    return 0


@backup_command.command("restore")
@click.argument("argument", required=False, metavar="[NAME]", type=BackupName())
@click.option("--name", type=BackupName(), help="The backup; the same as the argument.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def restore_command(invocation: Invocation, argument: str | None, name: str | None, as_json: bool) -> int:
    """Bring back the files of a backup: just as they were, and gone if they were not there.

    What stands there now is backed up first. What is brought back stays until its source changes, or until
    `syncflow schemas sync --force`.
    """
    restored = restore(invocation.settings, invocation.schemas, _named(argument, name))
    if as_json:
        print_json({"backup": restored.name, "undo": restored.undo, "files": list(map(str, restored.files))})
        return 0
    for file in restored.files:
        click.echo(f"{file}" if file.exists() else f"{file} (removed)")
    invocation.note(f"To undo that: syncflow schemas backup restore --name {restored.undo}")
    return 0


@backup_command.command("delete")
@click.argument("argument", required=False, metavar="[NAME]", type=BackupName())
@click.option("--name", type=BackupName(), help="The backup; the same as the argument.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def delete_command(invocation: Invocation, argument: str | None, name: str | None, as_json: bool) -> int:
    """Delete a backup."""
    named = _named(argument, name)
    _backups(invocation).delete(named)
    if as_json:
        print_json({"backup": named, "deleted": True})
    else:
        click.echo(f"{named} was deleted")
    return 0


def _backups(invocation: Invocation) -> Backups:
    return backups_of(invocation.settings, invocation.schemas.settings)


def _named(argument: str | None, name: str | None) -> str:
    if (argument is None) == (name is None):
        raise click.UsageError("Name one backup; `syncflow schemas backup list` shows those that are there.")
    return argument or name or ""


def _row(backup: Backup) -> tuple[Cell, ...]:
    metadata = backup.metadata
    if metadata is None:
        return backup.name, None, None, None, "cannot be used"
    return backup.name, len(metadata.files), backup.size, metadata.created_at, metadata.reason


def _record(backup: Backup) -> dict[str, object]:
    metadata = backup.metadata
    files = () if metadata is None else metadata.files
    return {
        "backup": backup.name,
        "folder": str(backup.folder),
        "files": [{"path": one.path, "was_there": one.name is not None} for one in files],
        "bytes": backup.size,
        "made_at": metadata.created_at if metadata else None,
        "reason": metadata.reason if metadata else None,
        "problem": backup.problem,
    }
