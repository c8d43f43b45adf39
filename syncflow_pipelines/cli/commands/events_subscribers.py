"""`syncflow events subscribers` and `parked`: who is told of events, and what did not reach them."""

from collections.abc import Callable, Sequence

import click

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import counted, print_json, print_table
from syncflow_pipelines.database import Connection, open_database
from syncflow_pipelines.database.outbox import put_in_order
from syncflow_pipelines.database.subscriptions import (
    drop_parked,
    forget_subscriber,
    parked_events,
    retry_parked,
    subscribers,
)
from syncflow_pipelines.errors import SyncflowError

SUBSCRIBERS = ("subscriber", "types", "at work", "position", "behind", "waiting", "parked", "missed", "last seen")
PARKED = ("subscriber", "place", "type", "subject", "attempts", "parked", "why")

_places = click.argument("places", nargs=-1, type=click.IntRange(min=1), metavar="[PLACE]...")
_all = click.option("--all", "everything", is_flag=True, help="Everything that is parked for the subscriber.")


@click.group("subscribers", cls=DefaultGroup, default="list")
def subscribers_command() -> None:
    """List who is told of events, and how far they are; forget one."""


@subscribers_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a subscriber.")
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> int:
    """List the subscribers, by name."""
    with open_database(invocation.settings) as database, database.dedicated("syncflow events") as connection:
        put_in_order(connection)
        found = subscribers(connection)
    if as_json:
        for one in found:
            print_json(
                {
                    "subscriber": one.name, "types": one.types, "is_active": one.is_active, "position": one.position,
                    "lag": one.lag, "waiting": one.waiting, "parked": one.parked, "missed": one.missed,
                    "created_at": one.created_at, "seen_at": one.seen_at,
                }
            )  # fmt: skip
    elif found:
        rows = [
            (
                one.name, ", ".join(one.types) or "all", "yes" if one.is_active else "no", one.position, one.lag,
                one.waiting, one.parked, one.missed, one.seen_at,
            )
            for one in found
        ]  # fmt: skip
        print_table(SUBSCRIBERS, rows)
    else:
        invocation.note("Nobody is told of events; docs/events.md says how to subscribe.")
    return 0


@subscribers_command.command("forget")
@click.argument("name")
@pass_invocation
def forget_command(invocation: Invocation, name: str) -> int:
    """Forget a subscriber that comes no more, with its position and what is parked for it."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        if name in {one.name for one in subscribers(connection) if one.is_active}:
            raise SyncflowError(f"{name} is at work, and would go on without a position; end it first")
        if not forget_subscriber(connection, name):
            raise _unknown(name)
    invocation.note(f"{name} is forgotten; should it come again, it begins anew.")
    return 0


@click.group("parked", cls=DefaultGroup, default="list")
def parked_command() -> None:
    """List events that a subscriber would not take; have them delivered again, or drop them.

    An event is parked once it was tried as often as the subscription says. Later ones of its subject go on.
    """


@parked_command.command("list")
@click.argument("subscriber", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event.")
@pass_invocation
def parked_list_command(invocation: Invocation, subscriber: str | None, as_json: bool) -> int:
    """List what is parked, by subscriber and in order."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        found = parked_events(connection, subscriber)
    if as_json:
        for one in found:
            print_json(
                {
                    "subscriber": one.subscriber, "place": one.seq, "id": one.event_id, "type": one.type,
                    "subject": one.subject, "attempts": one.attempts, "parked_at": one.parked_at, "error": one.error,
                }
            )  # fmt: skip
    elif found:
        rows = [
            (one.subscriber, one.seq, one.type, one.subject, one.attempts, one.parked_at, one.error) for one in found
        ]
        print_table(PARKED, rows, wrap=("why",))
    else:
        invocation.note("No event is parked.")
    return 0


@parked_command.command("retry")
@click.argument("subscriber")
@_places
@_all
@pass_invocation
def retry_command(invocation: Invocation, subscriber: str, places: tuple[int, ...], everything: bool) -> int:
    """Have parked events delivered again, as soon as their subscriber is at work."""
    return _close(invocation, subscriber, places, everything, retry_parked, "tried again")


@parked_command.command("drop")
@click.argument("subscriber")
@_places
@_all
@pass_invocation
def drop_command(invocation: Invocation, subscriber: str, places: tuple[int, ...], everything: bool) -> int:
    """Give parked events up: their subscriber never has them."""
    return _close(invocation, subscriber, places, everything, drop_parked, "dropped")


def _close(
    invocation: Invocation,
    subscriber: str,
    places: Sequence[int],
    everything: bool,
    close: Callable[[Connection, str, Sequence[int] | None], int],
    done: str,
) -> int:
    if bool(places) == everything:
        raise click.UsageError("Name the places of the events, or all of them by --all.")
    with open_database(invocation.settings) as database, database.connection() as connection:
        if subscriber not in {one.name for one in subscribers(connection)}:
            raise _unknown(subscriber)
        number = close(connection, subscriber, None if everything else places)
    invocation.note(f"{counted(number, 'event is', 'events are')} {done}.")
    return 0 if everything or number == len(set(places)) else 1


def _unknown(name: str) -> SyncflowError:
    return SyncflowError(f"no subscriber is called {name}; `syncflow events subscribers` lists them")
