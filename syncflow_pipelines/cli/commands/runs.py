"""`syncflow runs`: what past syncs did, and the end of those that are under way."""

from dataclasses import asdict

import click

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import EntityName, RunName
from syncflow_pipelines.cli.outcomes import as_status
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.errors import SyncError
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.requests import cancel_run
from syncflow_pipelines.sync.runs import SyncRun, close_dead_runs, dagster_url, find_run, list_runs, run_beginning

HEADINGS = (
    "run", "entity", "started", "status", "strategy", "by", "fetched", "inserted", "updated", "unchanged", "deleted",
    "rejected", "seconds",
)  # fmt: skip


@click.group("runs", cls=DefaultGroup, default="list")
def command() -> None:
    """List past syncs, show one, or end one.

    \b
      syncflow runs                         the newest of all entities
      syncflow runs erp/items               those of one entity
      syncflow runs --status failed         what went wrong lately
      syncflow runs show 0198a6f2           one, with its error and its row versions
      syncflow runs cancel 0198a6f2         end one that is queued or running
    """


@command.command("list")
@click.argument("entity", required=False, type=EntityName())
@click.option(
    "--status", type=click.Choice(["queued", "running", "success", "failed"]), help="Only runs of this status."
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a run.")
@pass_invocation
def list_command(
    invocation: Invocation, entity: tuple[str, str] | None, status: str | None, limit: int, as_json: bool
) -> int:
    """List past syncs, the newest first."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        close_dead_runs(connection)
        key = find_entity(connection, *entity).key if entity else None
        runs = list_runs(connection, entity=key, status=status, limit=limit)
    if as_json:
        for run in runs:
            print_json(_record(run, invocation.settings))
    elif runs:
        print_table(HEADINGS, [_row(run) for run in runs], wrap=("entity",))
        if status == "failed":
            invocation.note("syncflow runs show RUN tells why")
    else:
        invocation.note("No run matches." if status or entity else "Nothing was synced yet; run: syncflow sync --all")
    return 0


@command.command("show")
@click.argument("uid", metavar="RUN", type=RunName())
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def show_command(invocation: Invocation, uid: str, as_json: bool) -> int:
    """Show one sync, with its error, its row versions and what else was noted.

    RUN is the run's uid, or the beginning of it as far as no other run shares it.
    """
    with open_database(invocation.settings) as database, database.connection() as connection:
        close_dead_runs(connection)
        run = find_run(connection, run_beginning(connection, uid))
    if as_json:
        print_json(_record(run, invocation.settings))
    else:
        print_facts(_facts(run, invocation.settings))
    return 0


@command.command("cancel")
@click.argument("uid", metavar="RUN", type=RunName())
@pass_invocation
def cancel_command(invocation: Invocation, uid: str) -> int:
    """End a sync that is queued or running, whichever process runs it.

    Nothing of it is kept. A running one ends within seconds; `syncflow runs show RUN` tells.
    """
    with open_database(invocation.settings) as database, database.connection() as connection:
        close_dead_runs(connection)
        run = run_beginning(connection, uid)
        became = cancel_run(connection, run)
    if became == "ended":
        raise SyncError(f"run {run} has ended already; `syncflow runs show {uid}` tells how")
    if became == "cannot":
        raise SyncError(f"run {run} tries rejected rows again, which ends by itself soon")
    click.echo(f"Run {run} {'is not begun any more.' if became == 'closed' else 'ends within seconds.'}")
    return 0


def _row(run: SyncRun) -> tuple[Cell, ...]:
    return (
        run.uid, run.entity, run.started_at, as_status(run.status), run.strategy, run.trigger,
        run.fetched, run.inserted, run.updated, run.unchanged, run.deleted, run.rejected, run.seconds,
    )  # fmt: skip


def _facts(run: SyncRun, settings: Settings) -> dict[str, Cell]:
    facts: dict[str, Cell] = {
        "run": run.uid,
        "entity": run.entity,
        "status": as_status(run.status),
        "error": run.error_message,
        "strategy": f"{run.strategy}, full refresh" if run.is_full_refresh else run.strategy,
        "started by": run.trigger,
        "Dagster run": run.dagster_run_id,
        "in Dagster's UI": dagster_url(run, settings),
        "its end asked for": run.cancel_requested_at,
        "rows so far": (run.progress or {}).get("rows"),
        "started": run.started_at,
        "ended": run.completed_at,
        "seconds": run.seconds,
        "fetched": run.fetched,
        "inserted": run.inserted,
        "updated": run.updated,
        "unchanged": run.unchanged,
        "deleted": run.deleted,
        "of them missing": run.missing,
        "rejected": run.rejected,
        "row version before": run.rowversion_start,
        "row version after": run.rowversion_end,
    }
    facts |= {name.replace("_", " "): _told(value) for name, value in (run.details or {}).items()}
    return {name: value for name, value in facts.items() if value is not None}


def _told(value: object) -> Cell:
    if isinstance(value, list):
        return "\n".join(str(part) for part in value)
    return value if isinstance(value, int | float | bool) else str(value)


def _record(run: SyncRun, settings: Settings) -> dict[str, object]:
    record = asdict(run)
    return {"run": record.pop("uid"), **record, "seconds": run.seconds, "dagster_url": dagster_url(run, settings)}
