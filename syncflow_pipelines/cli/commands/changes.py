"""`syncflow changes`: what syncs changed in the rows of an entity."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import EntityName, KeyValue, Moment, RunName
from syncflow_pipelines.cli.output import Cell, print_json_text, print_table
from syncflow_pipelines.database import open_database
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.history.changes import ChangeFilter, RecordChange, has_changes, list_changes
from syncflow_pipelines.sync.history.recording import OPERATIONS, Operation
from syncflow_pipelines.sync.runs import run_beginning

HEADINGS = ("changed", "run", "operation", "key", "columns")
LONGEST_VALUE = 60

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


@click.command("changes")
@click.argument("entity", type=EntityName())
@click.option("--key", "key", type=KeyValue(), multiple=True, metavar="COLUMN=VALUE",
              help="Only rows with this value in a column of their key; give it once for each column.")  # fmt: skip
@click.option("--run", "run", type=RunName(), metavar="RUN", help="Only changes of this run; the beginning will do.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only changes since then: 2026-01-31, or with a UTC time.")
@click.option("--operation", type=click.Choice(OPERATIONS), help="Only changes of this kind.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a change, with whole values.")
@pass_invocation
def command(
    invocation: Invocation,
    entity: tuple[str, str],
    key: tuple[tuple[str, str], ...],
    run: str | None,
    since: datetime | None,
    operation: Operation | None,
    limit: int,
    as_json: bool,
) -> int:
    """List what syncs changed in the rows of an entity with `history: true`.

    The newest change comes first. An update shows the columns that changed, any other the whole row.

    \b
      syncflow changes erp/items                          the newest
      syncflow changes erp/items --key item_number=AK-001000      those of one row
      syncflow changes erp/items --run 0198a6f2           those of one sync
      syncflow changes erp/items --operation delete --since 2026-01-31
    """
    with open_database(invocation.settings) as database, database.connection() as connection:
        found = find_entity(connection, *entity)
        run_uid = None if run is None else _whole_uid(run) or run_beginning(connection, run)
        wanted = ChangeFilter(_once(key), run_uid, since, operation)
        changes = list_changes(connection, found, wanted, limit=limit)
        is_empty = not changes and not has_changes(connection, found)
    if as_json:
        for change in changes:
            print_json_text(_record(found.key, change))
    elif changes:
        print_table(HEADINGS, [_row(change) for change in changes], wrap=("columns",))
    else:
        invocation.note(_nothing(found.key) if is_empty else "No change matches.")
    return 0


def _whole_uid(run: str) -> UUID | None:
    """The uid, where all of it was given: changes stay longer than the record of their run."""
    with suppress(ValueError):
        return UUID(run)
    return None


def _nothing(entity: str) -> str:
    return f"No change of {entity} is on record; they are kept from the sync on that finds `history: true` for it."


def _once(key: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The columns and values asked for. Raises `UsageError` where a column is named twice."""
    if len(dict(key)) < len(key):
        raise click.UsageError("--key names a column twice; give it once for each column of the key.")
    return dict(key)


def _row(change: RecordChange) -> tuple[Cell, ...]:
    return (
        change.changed_at,
        str(change.run_uid)[:8],
        change.operation,
        _columns(_values(change.business_key)),
        _told(change),
    )


def _told(change: RecordChange) -> str:
    key, old, new = map(_values, (change.business_key, change.old_values, change.new_values))
    if change.operation == "update":
        return ", ".join(f"{name}: {_short(old[name])} → {_short(new[name])}" for name in new)
    return _columns({name: value for name, value in (new or old).items() if name not in key})


def _columns(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {_short(value)}" for name, value in values.items())


def _values(text: str | None) -> dict[str, str]:
    """The JSON of each column, as PostgreSQL wrote it."""
    return {name: bytes(value).decode() for name, value in _OBJECT.decode(text or "{}").items()}


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _record(entity: str, change: RecordChange) -> str:
    """The change as JSON; what PostgreSQL wrote is taken over as it is, so no number is rounded."""
    record = {
        "id": change.id,
        "entity": entity,
        "run": change.run_uid,
        "changed_at": change.changed_at.astimezone(UTC),
        "operation": change.operation,
        "key": msgspec.Raw(change.business_key.encode()),
        "old": msgspec.Raw((change.old_values or "null").encode()),
        "new": msgspec.Raw((change.new_values or "null").encode()),
    }
    return msgspec.json.encode(record).decode()
