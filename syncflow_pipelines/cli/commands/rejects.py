"""`syncflow rejects`: rows of a source that did not fit their table."""

from uuid import UUID

import click

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import EntityName
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.database import open_database
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.rejects import RejectedRow, count_rejects_by_entity, find_reject, list_rejects


@click.group("rejects", cls=DefaultGroup, default="list")
def command() -> None:
    """List rows that could not be stored, or show one.

    A row that does not fit its table is kept whole, with the reason, and stays out of the table
    until the source sends a good one in its place.

    \b
      syncflow rejects                     the newest of all entities
      syncflow rejects erp/items           those of one entity
      syncflow rejects show 0198a6f2-...   one, whole
    """


@command.command("list")
@click.argument("entity", required=False, type=EntityName())
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@pass_invocation
def list_command(invocation: Invocation, entity: tuple[str, str] | None, limit: int, as_json: bool) -> int:
    """List rejected rows, the newest first."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        key = find_entity(connection, *entity).key if entity else None
        rejects = list_rejects(connection, entity=key, limit=limit)
        counts = count_rejects_by_entity(connection)
    if as_json:
        for reject in rejects:
            print_json(_record(reject))
        return 0
    if rejects:
        headings = ("reject", "entity", "seen", "column", "value", "reason")
        print_table(headings, [_row(reject) for reject in rejects], wrap=("reason",))
    known = counts.get(key, 0) if key else sum(counts.values())
    invocation.note(f"{len(rejects)} of {known} rejected rows." if known else "No row is rejected.")
    return 0


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
        "row": reject.raw,
    }
