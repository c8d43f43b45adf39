"""How long events are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from syncflow_pipelines.config import EventsConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.event_purge import forget_delivered, give_up_undelivered
from syncflow_pipelines.database.outbox import put_in_order


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed."""

    events: int
    missed: Mapping[str, int]
    """By subscriber, events among them that it has not had, and never will."""

    def __str__(self) -> str:
        told = [f"{name} misses {number:,} that it never had" for name, number in self.missed.items()]
        return "; ".join([f"Removed {self.events:,} old events", *told])


def forget_old_events(database: Database, config: EventsConfig) -> Forgotten:
    """Removes events that are older than `retention_days` and that every subscriber has had, and those that are older
    than `undelivered_retention_days`, whoever waits for them."""
    with database.dedicated("syncflow retention") as connection:
        put_in_order(connection)
        delivered = forget_delivered(connection, config.retention_days)
        given_up, missed = give_up_undelivered(connection, config.undelivered_retention_days)
    return Forgotten(delivered + given_up, missed)
