"""`syncflow events`: what happened, and who was told of it."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime

import click

from syncflow_pipelines.cli.commands.events_delivering import deliver_command
from syncflow_pipelines.cli.commands.events_subscribers import parked_command, subscribers_command
from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import Moment
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.database import open_database
from syncflow_pipelines.database.outbox import find_event, newest_events, put_in_order
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of
from syncflow_pipelines.events.tailing import follow

HEADINGS = ("place", "time", "type", "subject", "what")
LONGEST = 100

_type = click.option("--type", "types", multiple=True, metavar="TYPE",
                     help="Only events of this type; give it several times for several.")  # fmt: skip
_subject = click.option("--subject", metavar="SUBJECT", help="Only events of this service or CONNECTOR/ENTITY.")
_since = click.option("--since", type=Moment(), metavar="TIME",
                      help="Only events since then: 2026-01-31, or with a UTC time.")  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="One CloudEvent in JSON a line.")


@click.group("events", cls=DefaultGroup, default="list")
def command() -> None:
    """List what happened, follow it, and see who was told of it.

    \b
      syncflow events                                  the newest
      syncflow events show 17                          one, whole
      syncflow events tail --follow --type sync_finished
      syncflow events subscribers                      who is told, and how far they are
      syncflow events parked                           what could not be delivered
      syncflow events deliver                          post events to the webhooks of events.yaml
    """


command.add_command(subscribers_command)
command.add_command(parked_command)
command.add_command(deliver_command)


@command.command("list")
@_type
@_subject
@_since
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@_json
@pass_invocation
def list_command(
    invocation: Invocation,
    types: tuple[str, ...],
    subject: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> int:
    """List events in their order, the newest last."""
    events, _ = _newest(invocation, types, subject, since, limit=limit)
    if as_json:
        for event in events:
            print_json(event.structured())
    elif events:
        print_table(HEADINGS, [_row(event) for event in events], wrap=("what",))
    else:
        invocation.note("No event matches." if types or subject or since else "Nothing happened yet.")
    return 0


@command.command("show")
@click.argument("event", metavar="PLACE|ID")
@_json
@pass_invocation
def show_command(invocation: Invocation, event: str, as_json: bool) -> int:
    """Show one event, whole."""
    with open_database(invocation.settings) as database, database.dedicated("syncflow events") as connection:
        put_in_order(connection)
        recorded = find_event(connection, event)
    if recorded is None:
        raise SyncflowError(f"no event {event} is kept; `syncflow events` lists those that are")
    found = event_of(recorded)
    if as_json:
        print_json(found.structured())
    else:
        print_facts({**{name: value for name, value in found.structured().items() if name != "data"}, **_data(found)})
    return 0


@command.command("tail")
@_type
@_subject
@_since
@click.option("--from", "place", type=click.IntRange(min=1), metavar="PLACE", help="All from this place on.")
@click.option("--follow", "-f", "follows", is_flag=True, help="Wait for more, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True,
              help="How many to begin with at most; --from and --since show all.")  # fmt: skip
@_json
@pass_invocation
def tail_command(
    invocation: Invocation,
    types: tuple[str, ...],
    subject: str | None,
    since: datetime | None,
    place: int | None,
    follows: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Print the newest events, a line each, and those to come."""
    most = None if place or since else limit
    events, last = _newest(invocation, types, subject, since, after=(place or 1) - 1, limit=most)
    for event in events:
        _print(event, as_json)
    if follows:
        for event in follow(invocation.settings, last, types):
            if subject in (None, event.subject) and (since is None or event.time >= since):
                _print(event, as_json)
    return 0


def _newest(
    invocation: Invocation,
    types: Collection[str],
    subject: str | None,
    since: datetime | None,
    *,
    after: int = 0,
    limit: int | None,
) -> tuple[list[Event], int]:
    """The events that fit, in order, and the last place that was taken then."""
    with open_database(invocation.settings) as database, database.dedicated("syncflow events") as connection:
        last = put_in_order(connection)
        found = newest_events(connection, types, subject=subject, since=since, after=after, limit=limit)
    return [event_of(one) for one in found if one.seq <= last], last


def _print(event: Event, as_json: bool) -> None:
    if as_json:
        print_json(event.structured())
    else:
        place, time, *rest = _row(event)
        click.echo(f"{place} {time:%Y-%m-%dT%H:%M:%SZ} {_line(' '.join(map(str, rest)))}")


def _row(event: Event) -> tuple[Cell, ...]:
    return (event.sequence, event.time, event.type, event.subject, _told(event))


def _told(event: Event) -> str:
    """What stands in the data beside the subject, on one line that is not too long."""
    known = {"entity", "connector", "slug", "service", "timestamp"}
    told = ", ".join(
        f"{name}: {_summary(value)}" for name, value in event.data.items() if name not in known and value is not None
    )
    line = _line(told)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _line(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _summary(value: object) -> Cell:
    return _as_cell(value["summary"] if isinstance(value, Mapping) and "summary" in value else value)


def _data(event: Event) -> dict[str, Cell]:
    return {f"data.{name}": _as_cell(value) for name, value in event.data.items()}


def _as_cell(value: object) -> Cell:
    """What is no plain value, as JSON."""
    return value if isinstance(value, Cell) else json.dumps(value, ensure_ascii=False)
