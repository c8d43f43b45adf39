"""`syncflow rejects`: rows of a source that did not fit their table."""

from uuid import UUID

import click

from syncflow_pipelines.cli.commands.rejects_closing import drop_command, retry_command
from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import EntityName
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.database import open_database
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.rejects.record import (
    STATUSES,
    RejectedRow,
    Status,
    count_rejects_by_entity,
    find_reject,
    list_rejects,
)


@click.group("rejects", cls=DefaultGroup, default="list")
def command() -> None:
    """List rows that could not be stored; try them again, or drop them.

    A row that does not fit its table is kept whole, with the reason, and stays out of the table
    until the source sends a good one in its place, or a retry finds that it fits by now.

    \b
      syncflow rejects                         the newest of all entities
      syncflow rejects erp/items               those of one entity
      syncflow rejects show 0198a6f2-...       one, whole
      syncflow rejects retry erp/items         after its column was widened, say
      syncflow rejects drop erp/items --reason "test data, see ticket 17"
    """


command.add_command(retry_command)
command.add_command(drop_command)


@command.command("list")
@click.argument("entity", required=False, type=EntityName())
@click.option("--status", type=click.Choice([*STATUSES, "all"]), default="open", show_default=True,
              help="Those still to be dealt with, or those that a retry resolved or somebody dropped.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@pass_invocation
def list_command(invocation: Invocation, entity: tuple[str, str] | None, status: str, limit: int, as_json: bool) -> int:
    """List rejected rows, the newest first."""
    chosen: Status | None = next((one for one in STATUSES if one == status), None)
    with open_database(invocation.settings) as database, database.connection() as connection:
        key = find_entity(connection, *entity).key if entity else None
        rejects = list_rejects(connection, entity=key, status=chosen, limit=limit)
        counts = count_rejects_by_entity(connection, chosen)
    if as_json:
        for reject in rejects:
            print_json(_record(reject))
        return 0
    if rejects:
        headings = ("reject", "entity", "seen", "column", "value", "reason")
        print_table(headings, [_row(reject) for reject in rejects], wrap=("reason",))
    known = counts.get(key, 0) if key else sum(counts.values())
    invocation.note(_told(len(rejects), known, chosen))
    return 0


def _told(shown: int, known: int, status: Status | None) -> str:
    which = {"open": "rejected", "resolved": "resolved", "dropped": "dropped", None: "kept"}[status]
    return f"{shown} of {known} {which} rows." if known else f"No row is {which}."


@command.command("show")
@click.argument("uid", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def show_command(invocation: Invocation, uid: UUID, as_json: bool) -> int:
    """Show one rejected row, whole, as the source sent it."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        reject = find_reject(connection, uid)
    if as_json:
        print_json(_record(reject))
        return 0
    print_facts(
        {
            "reject": reject.uid,
            "entity": reject.entity,
            "run": reject.run_uid,
            "first seen": reject.first_seen_at,
            "last seen": reject.last_seen_at,
            "page": reject.page,
            "column": reject.column_name,
            "value": reject.value,
            "reason": reject.reason,
            "status": reject.status,
            "closed": reject.closed_at,
            "closed by": reject.closed_by,
            "note": reject.note,
            "row": reject.raw,
        }
    )
    return 0


def _row(reject: RejectedRow) -> tuple[Cell, ...]:
    value = reject.value if reject.value is None or len(reject.value) <= 40 else reject.value[:39] + "…"
    return (reject.uid, reject.entity, reject.last_seen_at, reject.column_name, value, reject.reason)


def _record(reject: RejectedRow) -> dict[str, object]:
    return {
        "reject": reject.uid,
        "entity": reject.entity,
        "run": reject.run_uid,
        "first_seen_at": reject.first_seen_at,
        "last_seen_at": reject.last_seen_at,
        "page": reject.page,
        "column": reject.column_name,
        "value": reject.value,
        "reason": reject.reason,
        "status": reject.status,
        "closed_at": reject.closed_at,
        "closed_by": reject.closed_by,
        "note": reject.note,
        "row": reject.raw,
    }
