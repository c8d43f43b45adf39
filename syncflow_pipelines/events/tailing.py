"""Reading along: events as they are put in order, for somebody whose position is kept nowhere."""

import logging
from collections.abc import Collection, Iterator

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, database_url
from syncflow_pipelines.database.outbox import put_in_order, read_events
from syncflow_pipelines.database.wakeups import Alarm, Listener
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of
from syncflow_pipelines.events.subscribing import POLL_S

_RECONNECT_S = 1.0
_LOG = logging.getLogger(__name__)


def follow(settings: Settings, after: int, types: Collection[str] = ()) -> Iterator[Event]:
    """The events of the types (all with none) behind that place, and those to come, for ever.

    Where the connection is lost, it is made again, and no event is left out.
    """
    with Alarm() as alarm:
        while True:
            try:
                for event in _connected(settings, alarm, after, types):
                    after = event.sequence or after
                    yield event
            except DatabaseError as error:
                _LOG.warning("waiting for PostgreSQL: %s", error)
                alarm.wait(_RECONNECT_S)


def _connected(settings: Settings, alarm: Alarm, after: int, types: Collection[str]) -> Iterator[Event]:
    database = Database(database_url(settings), settings.schema)
    with database.dedicated("syncflow events tail") as connection:
        listener = Listener(connection)
        while True:
            listener.clear()
            put_in_order(connection)
            while events := read_events(connection, after, types):
                yield from map(event_of, events)
                after = events[-1].seq
            listener.wait(alarm, POLL_S)
