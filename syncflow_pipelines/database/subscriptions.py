"""Who is told of events, and how far: positions, and the deliveries that are in trouble.

A position only ever advances. What could not be delivered, and what waits behind it, stands in `event_troubles`.
Every function but `claim` works in the transaction of the connection that it is given.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from syncflow_pipelines.database.outbox import CHANNEL, RecordedEvent

_REGISTER = """
INSERT INTO event_subscribers (name, types, position)
VALUES (%(name)s, %(types)s, CASE WHEN %(from_beginning)s THEN 0 ELSE (SELECT last FROM event_sequence) END)
ON CONFLICT (name) DO UPDATE SET types = excluded.types, seen_at = now() RETURNING position
"""
_CLAIM = "SELECT pg_try_advisory_lock(hashtextextended('syncflow subscriber ' || current_schema() || ' ' || %s, 0))"
_ADVANCE = "UPDATE event_subscribers SET position = %s, seen_at = now() WHERE name = %s"
_HELD = "SELECT DISTINCT subject FROM event_troubles WHERE subscriber = %s AND parked_at IS NULL"
# Of each subject, the earliest comes first; while that waits for its time, so do the others.
_DUE = """
WITH heads AS (
  SELECT DISTINCT ON (subject) subject, next_attempt_at FROM event_troubles
  WHERE subscriber = %(name)s AND parked_at IS NULL ORDER BY subject, seq)
SELECT t.attempts, t.next_attempt_at > now() AS is_early,
  e.seq, e.event_id, e.source, e.type, e.subject, e.time, e.data, e.recorded_at
FROM event_troubles t JOIN heads h ON h.subject = t.subject AND (h.next_attempt_at <= now()) IS NOT FALSE
JOIN events e ON e.seq = t.seq
WHERE t.subscriber = %(name)s AND t.parked_at IS NULL ORDER BY t.seq LIMIT %(limit)s
"""
_NEXT_DUE = """
SELECT extract(epoch FROM min(next_attempt_at) - now()) FROM (
  SELECT DISTINCT ON (subject) next_attempt_at FROM event_troubles
  WHERE subscriber = %s AND parked_at IS NULL ORDER BY subject, seq) AS heads
"""
# Neither holds an event that the retention removed while it was being delivered.
_HOLD = """
INSERT INTO event_troubles (subscriber, seq, subject, attempts)
SELECT %s, seq, subject, 0 FROM events WHERE seq = %s ON CONFLICT DO NOTHING
"""
_FAIL = """
INSERT INTO event_troubles AS t (subscriber, seq, subject, attempts, next_attempt_at, failed_at, parked_at, error)
SELECT %(name)s, seq, subject, %(attempts)s, now() + make_interval(secs => %(wait_s)s), now(),
  CASE WHEN %(wait_s)s::float8 IS NULL THEN now() END, %(error)s
FROM events WHERE seq = %(seq)s
ON CONFLICT (subscriber, seq) DO UPDATE SET attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
  failed_at = excluded.failed_at, parked_at = excluded.parked_at, error = excluded.error
"""
_SETTLE = "DELETE FROM event_troubles WHERE subscriber = %s AND seq = %s"
_LIST = """
SELECT s.name, s.types, s.position, s.created_at, s.seen_at, s.missed,
  (SELECT count(*) FROM events e WHERE e.seq > s.position
    AND (s.types = '[]' OR s.types ? e.type)) AS lag,
  count(t.seq) FILTER (WHERE t.parked_at IS NULL) AS waiting,
  count(t.seq) FILTER (WHERE t.parked_at IS NOT NULL) AS parked,
  EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (
      SELECT oid FROM pg_database WHERE datname = current_database()) AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint
      = hashtextextended('syncflow subscriber ' || current_schema() || ' ' || s.name, 0)) AS is_active
FROM event_subscribers s LEFT JOIN event_troubles t ON t.subscriber = s.name
GROUP BY s.name ORDER BY s.name
"""
_PARKED = """
SELECT t.subscriber, t.attempts, t.failed_at, t.parked_at, t.error, e.seq, e.event_id, e.type, e.subject
FROM event_troubles t JOIN events e ON e.seq = t.seq
WHERE t.parked_at IS NOT NULL AND (%(name)s::text IS NULL OR t.subscriber = %(name)s) ORDER BY t.subscriber, t.seq
"""
_CHOSEN = "subscriber = %(name)s AND parked_at IS NOT NULL AND (%(seqs)s::bigint[] IS NULL OR seq = ANY (%(seqs)s))"
_RETRY = f"UPDATE event_troubles SET parked_at = NULL, attempts = 0, next_attempt_at = NULL WHERE {_CHOSEN}"  # noqa: S608
_WAKE = f"SELECT pg_notify({CHANNEL}, '')"
_DROP = f"DELETE FROM event_troubles WHERE {_CHOSEN}"  # noqa: S608 - of constants
_FORGET = "DELETE FROM event_subscribers WHERE name = %s"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """How a subscriber stands."""

    name: str
    types: list[str]
    """Empty: all."""
    position: int
    created_at: datetime
    seen_at: datetime
    missed: int
    """Events that were removed for their age before it had them."""
    lag: int
    """Events for it behind its position."""
    waiting: int
    """Events that wait for another attempt, or behind one that does."""
    parked: int
    is_active: bool
    """Whether a process delivers to it just now."""


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event whose delivery is to be tried, again or after it has waited for an earlier one."""

    event: RecordedEvent
    attempts: int
    is_early: bool
    """Whether its own time has not come yet."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that a subscriber would not take; nobody tries any more."""

    subscriber: str
    attempts: int
    failed_at: datetime | None
    parked_at: datetime
    error: str | None
    seq: int
    event_id: str
    type: str
    subject: str


def register(connection: psycopg.Connection, name: str, types: Collection[str], *, from_beginning: bool) -> int:
    """The subscriber's position; a new one begins with what is kept, or behind the last event that is in order."""
    values = {"name": name, "types": Jsonb(sorted(set(types))), "from_beginning": from_beginning}
    row = connection.execute(_REGISTER, values).fetchone()
    assert row is not None
    return int(row[0])


def claim(connection: psycopg.Connection, name: str) -> bool:
    """Makes this session the one that delivers to the subscriber, unless another does."""
    row = connection.execute(_CLAIM, (name,)).fetchone()
    return bool(row and row[0])


def advance(connection: psycopg.Connection, name: str, position: int) -> None:
    """Acknowledges every event up to that place."""
    connection.execute(_ADVANCE, (position, name))


def held_subjects(connection: psycopg.Connection, name: str) -> set[str]:
    """The subjects of which an event waits for another attempt."""
    return {subject for (subject,) in connection.execute(_HELD, (name,))}


def due_events(connection: psycopg.Connection, name: str, limit: int) -> list[DueEvent]:
    """What is to be tried now, and what waits behind it, in order."""
    rows = connection.execute(_DUE, {"name": name, "limit": limit}).fetchall()
    return [DueEvent(RecordedEvent(*event), attempts, bool(is_early)) for attempts, is_early, *event in rows]


def next_due_s(connection: psycopg.Connection, name: str) -> float | None:
    """Seconds until the next attempt; None where nothing waits for one."""
    row = connection.execute(_NEXT_DUE, (name,)).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def hold(connection: psycopg.Connection, name: str, seq: int) -> None:
    """Lets an event wait behind earlier ones of its subject."""
    connection.execute(_HOLD, (name, seq))


def fail(
    connection: psycopg.Connection, name: str, seq: int, *, attempts: int, error: str, wait_s: float | None
) -> None:
    """Notes a failed attempt, and when the next one is due; without one, the event is parked."""
    values = {"name": name, "seq": seq, "attempts": attempts, "error": error, "wait_s": wait_s}
    connection.execute(_FAIL, values)


def settle(connection: psycopg.Connection, name: str, seq: int) -> None:
    """Notes that an event that was in trouble has been delivered."""
    connection.execute(_SETTLE, (name, seq))


def subscribers(connection: psycopg.Connection) -> list[Subscriber]:
    """Every subscriber, by name."""
    with connection.cursor(row_factory=class_row(Subscriber)) as cursor:
        return cursor.execute(_LIST).fetchall()


def parked_events(connection: psycopg.Connection, name: str | None = None) -> list[ParkedEvent]:
    """What is parked, by subscriber and in order."""
    with connection.cursor(row_factory=class_row(ParkedEvent)) as cursor:
        return cursor.execute(_PARKED, {"name": name}).fetchall()


def retry_parked(connection: psycopg.Connection, name: str, seqs: Sequence[int] | None = None) -> int:
    """Has parked events, or all of them, tried anew; returns how many. Later ones of their subjects wait for them."""
    retried = connection.execute(_RETRY, {"name": name, "seqs": _list(seqs)}).rowcount
    connection.execute(_WAKE)
    return retried


def drop_parked(connection: psycopg.Connection, name: str, seqs: Sequence[int] | None = None) -> int:
    """Gives parked events up, or all of them; returns how many."""
    return connection.execute(_DROP, {"name": name, "seqs": _list(seqs)}).rowcount


def forget_subscriber(connection: psycopg.Connection, name: str) -> bool:
    """Removes the subscriber, its position and its troubles; whether there was one."""
    return connection.execute(_FORGET, (name,)).rowcount > 0


def _list(seqs: Sequence[int] | None) -> list[Any] | None:
    return None if seqs is None else list(seqs)
