"""`syncflow sync`: fetch entities now."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import click

from syncflow_pipelines.cli.interrupts import cancel_on_signal
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ConnectorName, EntityName
from syncflow_pipelines.cli.outcomes import named_error, print_outcomes
from syncflow_pipelines.cli.output import counted, print_json, print_table
from syncflow_pipelines.cli.progress import sync_progress
from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entities
from syncflow_pipelines.sync.model import STRATEGIES, Entity, Strategy, SyncOutcome
from syncflow_pipelines.sync.selection import is_ready, select_entities


@dataclass(frozen=True)
class Choice:
    """Which entities, as the command line says it."""

    named: tuple[tuple[str, str], ...]
    connectors: tuple[str, ...]
    everything: bool

    def __post_init__(self) -> None:
        if sum(map(bool, (self.named, self.connectors, self.everything))) != 1:
            raise click.UsageError("Say what to sync: entities (erp/items erp/orders), --connector NAME, or --all.")


@click.command("sync")
@click.argument("entities", nargs=-1, metavar="[CONNECTOR/ENTITY]...", type=EntityName())
@click.option("--connector", "connectors", multiple=True, type=ConnectorName(), metavar="NAME",
              help="Every enabled entity of a connector; may be repeated.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every enabled entity of every enabled connector.")
@click.option("--full-refresh", is_flag=True, help="Read the whole entity anew, whatever was read before.")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="Sync by this strategy, this once.")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long for an entity that another sync holds.  [0: fail at once]")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Entities at the same time.  [SYNC_WORKER_THREADS, else 4]")
@click.option("--dry-run", is_flag=True, help="Show what would be synced; fetch and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an entity, as each ends.")
@pass_invocation
def command(
    invocation: Invocation, entities: tuple[tuple[str, str], ...], connectors: tuple[str, ...], everything: bool,
    full_refresh: bool, strategy: Strategy | None, wait_s: float, workers: int | None, dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Sync entities now, each by its strategy.

    \b
      syncflow sync erp/items                       what changed since the last sync
      syncflow sync erp/items erp/orders --wait 60  two entities, whoever else is at them
      syncflow sync --all --json | jq .entity       everything, for a program
      syncflow sync erp/items --full-refresh        read it all again
      syncflow sync erp/items --strategy hash       compare every row, finding deletes too

    One entity that fails does not stop the others. Exits 1 if any failed. The outcomes
    show up in Dagster too, as those of its own runs do.
    """
    choice = Choice(entities, connectors, everything)
    if full_refresh and strategy:
        raise click.UsageError("--full-refresh reads everything whatever the strategy; leave --strategy out.")
    with open_database(invocation.settings) as database:
        chosen = _choose(database, invocation, choice, dry_run)
        if dry_run:
            return _plan([entity for _, entity in chosen], strategy, full_refresh, as_json)
        requests = [
            SyncRequest(connector, entity.spec.slug, strategy, full_refresh, wait_s=wait_s)
            for connector, entity in chosen
        ]
        at_once = workers or invocation.settings.sync_worker_threads
        outcomes = _sync(database, requests, at_once, invocation, as_json)
    if not as_json and outcomes:
        print_outcomes(outcomes)
    if invocation.verbosity > 0 and not as_json:
        _tell_notes(outcomes)
    _tell_failures(outcomes)
    _report(outcomes, invocation)
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def _choose(
    database: Database, invocation: Invocation, choice: Choice, dry_run: bool
) -> list[tuple[ConnectorConfig, Entity]]:
    with database.connection() as connection:
        found = select_entities(connection, invocation.connectors, named=choice.named, connectors=choice.connectors)
        if dry_run:
            connection.rollback()
    return found if choice.named else _ready(found, invocation)


def _ready(found: list[tuple[ConnectorConfig, Entity]], invocation: Invocation) -> list[tuple[ConnectorConfig, Entity]]:
    ready = [(one, entity) for one, entity in found if is_ready(entity)]
    if not found:
        invocation.note("Nothing was discovered yet; run: syncflow discover")
    elif len(ready) < len(found):
        left_out = counted(len(found) - len(ready), "entity that is", "entities that are")
        invocation.note(f"Left out: {left_out} disabled or gone from the source.")
    return ready


def _plan(entities: Sequence[Entity], strategy: Strategy | None, full_refresh: bool, as_json: bool) -> int:
    headings = ("entity", "strategy", "reads", "table", "live rows")
    rows = []
    for entity in entities:
        how: Strategy = strategy or entity.strategy
        after = entity.last_rowversion if how == "rowversion" and not full_refresh else None
        reads = f"changes after {after}" if after else "everything"
        rows.append((entity.key, how, reads, str(entity.table), entity.live_rows))
    if as_json:
        for row in rows:
            print_json(dict(zip(("entity", "strategy", "reads", "table", "live_rows"), row, strict=True)))
    else:
        print_table(headings, rows)
    return 0


def _sync(
    database: Database, requests: Sequence[SyncRequest], workers: int, invocation: Invocation, as_json: bool
) -> list[SyncOutcome]:
    outcomes: list[SyncOutcome] = []
    shown = not invocation.quiet
    with cancel_on_signal() as cancelled, sync_progress(len(requests), shown=shown) as progress:
        ended = sync_entities(
            database, invocation.settings, requests, workers=workers, cancelled=cancelled, progress=progress
        )
        # Closed at once when whoever reads our output goes away: that cancels what has not ended.
        with closing(_generated(ended)) as stream:
            for outcome in stream:
                outcomes.append(outcome)
                if as_json:
                    print_json(outcome.as_json())
    return outcomes


def _generated(outcomes: Iterator[SyncOutcome]) -> Generator[SyncOutcome, None, None]:
    yield from outcomes


def _report(outcomes: Sequence[SyncOutcome], invocation: Invocation) -> None:
    if outcomes:
        from syncflow_pipelines.defs.record import report_outcomes  # Dagster takes a second to import

        report_outcomes(outcomes, invocation.settings.home)


def _tell_notes(outcomes: Sequence[SyncOutcome]) -> None:
    for outcome in outcomes:
        for note in outcome.notes:
            click.echo(f"{outcome.entity}: {note}", err=True)


def _tell_failures(outcomes: Sequence[SyncOutcome]) -> None:
    for outcome in outcomes:
        if outcome.status == "failed":
            click.echo(f"Error: {named_error(outcome.entity, outcome.error)}", err=True)
