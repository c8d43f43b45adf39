"""`syncflow rejects retry` and `drop`: what a person does about rejected rows."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import click

from syncflow_pipelines.cli.account import user_name
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import EntityOrReject
from syncflow_pipelines.cli.outcomes import as_status, named_error
from syncflow_pipelines.cli.output import Cell, counted, print_json, print_table
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.rejects.dropping import DropOutcome, DropRequest, drop_rejects
from syncflow_pipelines.sync.rejects.record import count_rejects_by_entity, find_reject
from syncflow_pipelines.sync.rejects.restaging import find_tried
from syncflow_pipelines.sync.rejects.retry import RetryOutcome, RetryRequest, retry_rejects

RETRIED = (
    "entity", "status", "tried", "resolved", "superseded", "inserted", "updated", "unchanged", "deleted", "open",
)  # fmt: skip
Decorated = Callable[..., int]


@dataclass(frozen=True)
class Chosen:
    """Rejected rows of one entity."""

    connector: str
    slug: str
    uids: tuple[UUID, ...] | None
    """None: every open one."""
    count: int
    """How many are open."""


def _choosing(what: str) -> Callable[[Decorated], Decorated]:
    """The arguments and options that both commands have."""

    def add(function: Decorated) -> Decorated:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="One JSON object an entity."),
            click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
                         help="Wait so long for an entity that a sync holds.  [0: fail at once]"),
            click.option("--all", "everything", is_flag=True, help=f"{what} every open one of every entity."),
            click.argument("words", nargs=-1, metavar="[CONNECTOR/ENTITY | REJECT]...", type=EntityOrReject()),
        ):  # fmt: skip
            function = option(function)
        return function

    return add


@click.command("retry")
@_choosing("Retry")
@click.option("--dry-run", is_flag=True, help="Show what would come of it; write nothing.")
@pass_invocation
def retry_command(
    invocation: Invocation, words: Sequence[tuple[str, str] | UUID], everything: bool, wait_s: float, as_json: bool,
    dry_run: bool,
) -> int:  # fmt: skip
    """Try open rejected rows again, by the columns of today; the source is not asked.

    \b
      syncflow rejects retry erp/items         every open one of an entity
      syncflow rejects retry 0198a6f2-...      one
      syncflow rejects retry --all --dry-run   what would come of it?

    Those that fit their table by now are stored and resolved; one of which the table holds a later
    state is resolved, too, and left out. The others stay open, with the reason of today. Exits 1 if
    an entity failed, and 0 where rows are still bad.
    """
    configured = {connector.name: connector for connector in invocation.connectors}
    outcomes: list[RetryOutcome] = []
    with open_database(invocation.settings) as database:
        for chosen in _choose(database, words, everything):
            connector = configured.get(chosen.connector)
            history = connector is not None and connector.entity(chosen.slug).history
            request = RetryRequest(
                chosen.connector, chosen.slug, user_name(), chosen.uids, history, wait_s=wait_s, dry_run=dry_run
            )
            outcomes.append(retry_rejects(database, request))
            if as_json:
                print_json(outcomes[-1].as_json())
    if outcomes and not as_json:
        print_table(RETRIED, [_row(outcome) for outcome in outcomes], wrap=("entity",))
    _tell(invocation, outcomes, dry_run)
    if not dry_run:
        _report(invocation, outcomes)
    return _tell_failures((outcome.sync.entity, outcome.sync.error) for outcome in outcomes)


@click.command("drop")
@_choosing("Drop")
@click.option("--reason", metavar="TEXT", help="Why; kept with each row.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show how many would be dropped; write nothing.")
@pass_invocation
def drop_command(
    invocation: Invocation, words: Sequence[tuple[str, str] | UUID], everything: bool, wait_s: float, as_json: bool,
    reason: str | None, yes: bool, dry_run: bool,
) -> int:  # fmt: skip
    """Mark open rejected rows as dealt with, without storing them.

    \b
      syncflow rejects drop erp/items --reason "test data"   every open one of an entity
      syncflow rejects drop 0198a6f2-... --yes               one, without a question

    They stay on record, with who dropped them, when and why: syncflow rejects list --status dropped.
    One that the source sends again is open again.
    """
    outcomes: list[DropOutcome] = []
    with open_database(invocation.settings) as database:
        choice = _pinned(database, _choose(database, words, everything))
        if dry_run:
            return _plan(choice, as_json)
        if choice and not yes:
            _ask(choice)
        for chosen in choice:
            request = DropRequest(chosen.connector, chosen.slug, user_name(), reason, chosen.uids, wait_s)
            outcomes.append(drop_rejects(database, request))
            if as_json:
                print_json(outcomes[-1].as_json())
    if outcomes and not as_json:
        rows = [(one.entity, one.dropped, one.open_rejects) for one in outcomes if one.error is None]
        print_table(("entity", "dropped", "open"), rows, wrap=("entity",))
    if not outcomes:
        invocation.note("No row is rejected.")
    _report_open(invocation, outcomes)
    return _tell_failures((outcome.entity, outcome.error) for outcome in outcomes)


def _choose(database: Database, words: Sequence[tuple[str, str] | UUID], everything: bool) -> list[Chosen]:
    """The open rejects that the command line names, by entity. Raises `UsageError` and `UnknownEntity`."""
    if bool(words) == everything:
        if words:
            raise click.UsageError("Say which: either --all or some of them, not both.")
        raise click.UsageError("Say which: entities (erp/items), rejects by their uid, or --all.")
    with database.connection() as connection:
        counts = count_rejects_by_entity(connection)
        if everything:
            return [Chosen(*_parts(key), None, count) for key, count in counts.items()]
        keys = [find_entity(connection, *word).key for word in words if not isinstance(word, UUID)]
        rejects = [find_reject(connection, word) for word in dict.fromkeys(words) if isinstance(word, UUID)]
    for reject in rejects:
        if reject.status != "open":
            raise UnknownEntity(f"rejected row {reject.uid} of {reject.entity} was {reject.status} already")
    single: dict[str, list[UUID]] = {}
    for reject in rejects:
        if reject.entity not in keys:
            single.setdefault(reject.entity, []).append(reject.uid)
    whole = [Chosen(*_parts(key), None, counts.get(key, 0)) for key in dict.fromkeys(keys)]
    return whole + [Chosen(*_parts(key), tuple(uids), len(uids)) for key, uids in single.items()]


def _pinned(database: Database, choice: Iterable[Chosen]) -> list[Chosen]:
    """The same rows by their uids, so that none is dropped that came after somebody was asked."""
    pinned = []
    with database.connection() as connection:
        for chosen in choice:
            entity = find_entity(connection, chosen.connector, chosen.slug)
            uids = tuple(one.uid for one in find_tried(connection, entity.uid, chosen.uids))
            pinned.append(replace(chosen, uids=uids, count=len(uids)))
    return pinned


def _parts(key: str) -> tuple[str, str]:
    connector, _, slug = key.partition("/")
    return connector, slug


def _ask(choice: Sequence[Chosen]) -> None:
    """Raises `ClickException` where the person says no, and `UsageError` where there is nobody to ask."""
    number = sum(chosen.count for chosen in choice)
    entities = ", ".join(f"{chosen.connector}/{chosen.slug}" for chosen in choice)
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to be asked; say --yes.")
    rows = counted(number, "rejected row", "rejected rows")
    if not click.confirm(f"Drop {rows} of {entities}?", err=True):
        raise click.ClickException("Nothing was dropped.")


def _plan(choice: Iterable[Chosen], as_json: bool) -> int:
    rows = [(f"{chosen.connector}/{chosen.slug}", chosen.count) for chosen in choice]
    if as_json:
        for entity, number in rows:
            print_json({"entity": entity, "would_drop": number})
    else:
        print_table(("entity", "would drop"), rows, wrap=("entity",))
    return 0


def _row(outcome: RetryOutcome) -> tuple[Cell, ...]:
    counts = outcome.sync.counts
    return (
        outcome.sync.entity, as_status(outcome.sync.status), outcome.tried, outcome.resolved, outcome.superseded,
        counts.inserted, counts.updated, counts.unchanged, counts.deleted, outcome.sync.open_rejects,
    )  # fmt: skip


def _tell(invocation: Invocation, outcomes: Sequence[RetryOutcome], dry_run: bool) -> None:
    if not outcomes:
        invocation.note("No row is rejected.")
    elif dry_run:
        invocation.note("Nothing of this was kept: --dry-run.")
    elif any(outcome.sync.counts.rejected for outcome in outcomes):
        invocation.note("Some do not fit yet; why: syncflow rejects list")


def _tell_failures(errors: Iterable[tuple[str, str | None]]) -> int:
    code = 0
    for entity, error in errors:
        if error is not None:
            click.echo(f"Error: {named_error(entity, error)}", err=True)
            code = 1
    return code


def _report(invocation: Invocation, outcomes: Sequence[RetryOutcome]) -> None:
    tried = [outcome.sync for outcome in outcomes if outcome.tried]
    if tried:
        from syncflow_pipelines.defs.record import report_outcomes  # Dagster takes a second to import

        report_outcomes(tried, invocation.settings.home)


def _report_open(invocation: Invocation, outcomes: Sequence[DropOutcome]) -> None:
    dropped = {outcome.entity: outcome.open_rejects for outcome in outcomes if outcome.dropped}
    if dropped:
        from syncflow_pipelines.defs.record import report_open_rejects  # Dagster takes a second to import

        report_open_rejects(dropped, invocation.settings.home)
