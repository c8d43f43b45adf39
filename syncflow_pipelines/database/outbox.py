"""The outbox: events in `bridge.events`, written with what they tell of, and put in order once they are committed.

Nothing here knows what an event means. The number that a row gets as it is written says nothing about the order of
commits: a reader that had seen number 7 could never tell whether 6 is still to come. So readers go by `seq`, which is
given to committed rows only, by one process at a time and without gaps. See docs/decisions/0021.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

SEQUENCED_AT_ONCE: Final = 10_000
_PLACE: Final = re.compile(r"[0-9]{1,18}")

CHANNEL: Final = "'syncflow_events_' || md5(current_schema())"
"""Of NOTIFY, as SQL: names of schemas may be as long as those of channels."""

_APPEND = f"""
WITH added AS (
  INSERT INTO events (event_id, source, type, subject, time, data)
  SELECT event_id, source, type, subject, time, data::jsonb
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[]) WITH ORDINALITY
    AS given (event_id, source, type, subject, time, data, nth)
  ORDER BY nth RETURNING 1)
SELECT pg_notify({CHANNEL}, '') FROM (SELECT count(*) FROM added) AS done
"""  # noqa: S608 - of constants
_ARE_UNORDERED = "SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"
_TAKE_TURN = "SELECT last FROM event_sequence FOR UPDATE"
# A statement of its own: it has to see what was committed while its turn was waited for.
_ORDER = """
WITH waiting AS (SELECT id FROM events WHERE seq IS NULL ORDER BY id LIMIT %(most)s),
  numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM waiting),
  ordered AS (UPDATE events SET seq = %(last)s + nth FROM numbered WHERE events.id = numbered.id RETURNING 1)
UPDATE event_sequence SET last = last + (SELECT count(*) FROM ordered) RETURNING last
"""
_LAST = "SELECT last FROM event_sequence"
_COLUMNS = "seq, event_id, source, type, subject, time, data, recorded_at"
_READ = f"""
SELECT {_COLUMNS} FROM events
WHERE seq > %(after)s AND (%(types)s::text[] = '{{}}' OR type = ANY (%(types)s::text[])) ORDER BY seq LIMIT %(limit)s
"""  # noqa: S608 - of constants
_LIST = f"""
SELECT {_COLUMNS} FROM events
WHERE (%(types)s::text[] = '{{}}' OR type = ANY (%(types)s::text[]))
  AND (%(subject)s::text IS NULL OR subject = %(subject)s)
  AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
  AND seq > %(after)s
ORDER BY seq DESC LIMIT %(limit)s
"""  # noqa: S608 - of constants
_FIND_PLACE = f"SELECT {_COLUMNS} FROM events WHERE seq = %s"  # noqa: S608 - of constants
_FIND_ID = f"SELECT {_COLUMNS} FROM events WHERE event_id = %s AND seq IS NOT NULL ORDER BY seq LIMIT 1"  # noqa: S608
_COUNTS = "SELECT type, count(*) FROM events WHERE seq > %s GROUP BY type ORDER BY type"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it is written."""

    event_id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: str
    """JSON, without NUL."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it is read."""

    seq: int
    event_id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    recorded_at: datetime
    """When the transaction began that wrote it."""


def append(connection: psycopg.Connection, events: Sequence[NewEvent]) -> None:
    """Writes the events in this order, in the caller's transaction; whoever listens is woken up as it commits."""
    if events:
        rows = ((each.event_id, each.source, each.type, each.subject, each.time, each.data) for each in events)
        connection.execute(_APPEND, [list(column) for column in zip(*rows, strict=True)])


def put_in_order(connection: psycopg.Connection, most: int = SEQUENCED_AT_ONCE) -> int:
    """Gives every committed event its place, those without one by their number; returns the last place that is taken.

    The connection is in autocommit. Whoever comes second waits for the first, which is soon done: `most` at a time.
    """
    while connection.execute(_ARE_UNORDERED).fetchone():
        with connection.transaction():
            before = _number(connection.execute(_TAKE_TURN))
            connection.execute(_ORDER, {"last": before, "most": most})
    return _number(connection.execute(_LAST))


def read_events(
    connection: psycopg.Connection, after: int, types: Collection[str] = (), limit: int = 500
) -> list[RecordedEvent]:
    """The events behind that place, in order; of the types alone, if there are any."""
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        return cursor.execute(_READ, {"after": after, "types": list(types), "limit": limit}).fetchall()


def newest_events(
    connection: psycopg.Connection,
    types: Collection[str] = (),
    *,
    subject: str | None = None,
    since: datetime | None = None,
    after: int = 0,
    limit: int | None = 50,
) -> list[RecordedEvent]:
    """The newest events that fit, or all of them with no limit, in order."""
    values = {"types": list(types), "subject": subject, "since": since, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        return cursor.execute(_LIST, values).fetchall()[::-1]


def find_event(connection: psycopg.Connection, named: str) -> RecordedEvent | None:
    """The event at that place, or else of that id, for which every event is looked at."""
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        place = int(named) if _PLACE.fullmatch(named) else 0
        return cursor.execute(_FIND_PLACE, (place,)).fetchone() or cursor.execute(_FIND_ID, (named,)).fetchone()


def counted_by_type(connection: psycopg.Connection, after: int = 0) -> dict[str, int]:
    """How many events there are of each type behind that place."""
    return dict(connection.execute(_COUNTS, (after,)).fetchall())


def _number(cursor: psycopg.Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])
