"""Whether what the main job did was published."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.outbox import put_in_order, read_events
from syncflow_pipelines.demo.services.job import ServicesReport
from syncflow_pipelines.events.happenings import (
    CODE_GENERATED,
    ENTITY_DISCOVERED,
    OPENAPI_SPEC_CHANGED,
    SCHEMA_CHANGED,
    SYNC_FINISHED,
)
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of
from syncflow_pipelines.sync.runs import SyncRun
from syncflow_pipelines.sync.schema.schema_changes import list_schema_changes

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class EventsReport:
    """The events of a main job."""

    counts: Mapping[str, int]
    """By type."""
    mistakes: tuple[str, ...]


def last_place(database: Database) -> int:
    """Where the events end that are there by now."""
    with database.dedicated("syncflow demo") as connection:
        return put_in_order(connection)


def look_at_events(
    database: Database, since: datetime, after: int, runs: Sequence[SyncRun], services: ServicesReport | None
) -> EventsReport:
    """The events behind that place, held against what was recorded since then. Others may have published, too."""
    with database.dedicated("syncflow demo") as connection:
        put_in_order(connection)
        events = [event_of(one) for one in read_events(connection, after, limit=_MOST)]
        changes = sum(one.happened_at >= since for one in list_schema_changes(connection, limit=_MOST))
    counts = Counter(event.type for event in events)
    missing = tuple(untold(events, changes, runs, services))
    return EventsReport(dict(sorted(counts.items())), missing)


def untold(
    events: Sequence[Event], changes: int, runs: Sequence[SyncRun], services: ServicesReport | None
) -> Iterator[str]:
    """One sentence for each run, change of an entity (so many there were) and service that no event tells of."""
    finished = {event.data["run"] for event in events if event.type == SYNC_FINISHED}
    yield from (f"no event tells of the run {run.uid} of {run.entity}" for run in runs if str(run.uid) not in finished)
    told = sum(event.type in (ENTITY_DISCOVERED, SCHEMA_CHANGED) for event in events)
    if told < changes:
        yield f"{told} events tell of {changes} changes of entities"
    for name in services.changed if services else ():
        seen = {event.type for event in events if event.subject == name}
        lacking = {OPENAPI_SPEC_CHANGED, CODE_GENERATED} - seen
        yield from (f"no {kind} tells of {name}, whose spec changed" for kind in sorted(lacking))
