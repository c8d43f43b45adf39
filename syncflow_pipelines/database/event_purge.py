"""Removes old events: those that every subscriber has had, and in the end those that somebody has not had either."""

from typing import Final

import psycopg

REMOVED_AT_ONCE: Final = 10_000

_TO_FORGET = """
SELECT e.seq FROM events e
WHERE e.seq <= coalesce((SELECT min(position) FROM event_subscribers), (SELECT last FROM event_sequence))
  AND e.recorded_at < now() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT FROM event_troubles t WHERE t.seq = e.seq)
"""
_FORGET = f"DELETE FROM events WHERE seq IN ({_TO_FORGET} LIMIT %(most)s)"  # noqa: S608 - of constants
# Of a place whose event is too old: whoever has it before them, or in trouble, misses it. Troubles go with it.
_GIVE_UP = """
WITH old AS (
  SELECT seq, type FROM events WHERE seq IS NOT NULL AND recorded_at < now() - make_interval(days => %(days)s)
  ORDER BY seq LIMIT %(most)s),
lost AS (
  SELECT s.name, old.seq FROM event_subscribers s JOIN old ON old.seq > s.position
    AND (s.types = '[]' OR s.types ? old.type)
  UNION SELECT t.subscriber, t.seq FROM event_troubles t JOIN old USING (seq)),
counted AS (SELECT name, count(*) AS number FROM lost GROUP BY name),
noted AS (UPDATE event_subscribers s SET missed = missed + counted.number FROM counted WHERE counted.name = s.name),
removed AS (DELETE FROM events e USING old WHERE e.seq = old.seq RETURNING e.seq)
SELECT (SELECT count(*) FROM removed), (SELECT coalesce(json_object_agg(name, number), '{}') FROM counted)
"""


def forget_delivered(connection: psycopg.Connection, older_than_days: int) -> int:
    """Removes the events of so long ago that every subscriber has had; returns how many. In autocommit."""
    removed = 0
    while True:
        values = {"days": older_than_days, "most": REMOVED_AT_ONCE}
        now = connection.execute(_FORGET, values).rowcount
        removed += now
        if now < REMOVED_AT_ONCE:
            return removed


def give_up_undelivered(connection: psycopg.Connection, older_than_days: int) -> tuple[int, dict[str, int]]:
    """Removes every event of so long ago; how many, and how many of them each subscriber misses. In autocommit."""
    removed, missed = 0, dict[str, int]()
    while True:
        row = connection.execute(_GIVE_UP, {"days": older_than_days, "most": REMOVED_AT_ONCE}).fetchone()
        assert row is not None
        removed += row[0]
        for name, number in row[1].items():
            missed[name] = missed.get(name, 0) + number
        if row[0] < REMOVED_AT_ONCE:
            return removed, missed
