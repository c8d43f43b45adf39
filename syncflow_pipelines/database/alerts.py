"""What is wrong, since when, and which channel was told of it: `bridge.alerts` and `bridge.alert_messages`."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('syncflow alerts ' || current_schema(), 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('syncflow alerts ' || current_schema(), 0))"
_OPEN = """
INSERT INTO alerts (rule, subject, severity, message)
SELECT rule, subject, severity, message
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS found (rule, subject, severity, message)
ON CONFLICT (rule, subject) WHERE recovered_at IS NULL
DO UPDATE SET severity = excluded.severity, message = excluded.message, seen_at = now()
"""
_RECOVER = """
UPDATE alerts a SET recovered_at = now()
WHERE recovered_at IS NULL AND rule = ANY (%(looked_at)s::text[])
  AND seen_at < now() - make_interval(secs => %(recover_after_s)s)
  AND NOT EXISTS (SELECT FROM unnest(%(rules)s::text[], %(subjects)s::text[]) AS found (rule, subject)
    WHERE found.rule = a.rule AND found.subject = a.subject)
"""
_FORGET = "DELETE FROM alerts WHERE recovered_at < now() - make_interval(days => %s)"
_COLUMNS = "a.uid, a.rule, a.subject, a.severity, a.message, a.opened_at, a.seen_at, a.recovered_at"
# Nobody wants to hear of a recovery that is a day old.
_STANDING = f"""
SELECT {_COLUMNS} FROM alerts a
WHERE a.recovered_at IS NULL OR (a.recovered_at > now() - interval '1 day' AND EXISTS (
  SELECT FROM alert_messages m WHERE m.alert_uid = a.uid AND m.sent_at IS NOT NULL AND m.recovery_sent_at IS NULL))
ORDER BY a.opened_at, a.rule, a.subject
"""  # noqa: S608 - of constants
_MESSAGES = """
SELECT alert_uid, channel, sent_at, recovery_sent_at, failures, error FROM alert_messages
WHERE alert_uid = ANY (%s)
"""
_SENT = """
INSERT INTO alert_messages (alert_uid, channel, sent_at)
SELECT uid, %(channel)s, now() FROM unnest(%(uids)s::uuid[]) AS told (uid)
ON CONFLICT (alert_uid, channel) DO UPDATE SET sent_at = now(), failures = 0, error = NULL
"""
_RECOVERY_SENT = """
UPDATE alert_messages SET recovery_sent_at = now(), failures = 0, error = NULL
WHERE channel = %(channel)s AND alert_uid = ANY (%(uids)s)
"""
_FAILED = """
INSERT INTO alert_messages AS m (alert_uid, channel, failures, error)
SELECT uid, %(channel)s, 1, %(error)s FROM unnest(%(uids)s::uuid[]) AS told (uid)
ON CONFLICT (alert_uid, channel) DO UPDATE SET failures = m.failures + 1, error = excluded.error
"""
_LIST = f"""
SELECT {_COLUMNS} FROM alerts a WHERE %(closed)s OR a.recovered_at IS NULL
ORDER BY a.recovered_at IS NOT NULL, a.opened_at DESC, a.rule, a.subject LIMIT %(limit)s
"""  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong now."""

    rule: str
    subject: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong, or was."""

    uid: UUID
    rule: str
    subject: str
    severity: str
    message: str
    """As it was seen last."""
    opened_at: datetime
    seen_at: datetime
    recovered_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What one channel was told of one alert."""

    alert_uid: UUID
    channel: str
    sent_at: datetime | None
    """When it was told last that something is wrong; None: never yet."""
    recovery_sent_at: datetime | None
    failures: int
    """Messages in a row that did not reach it."""
    error: str | None


@contextmanager
def sole_evaluation(connection: psycopg.Connection) -> Iterator[bool]:
    """Whether nobody else evaluates alerts; if so, nobody does within the block. The connection is in autocommit."""
    row = connection.execute(_TRY_LOCK).fetchone()
    is_sole = bool(row and row[0])
    try:
        yield is_sole
    finally:
        if is_sole and not connection.closed:
            connection.execute(_UNLOCK)


def record_found(
    connection: psycopg.Connection, found: Sequence[Found], looked_at: Collection[str], recover_after_s: float
) -> None:
    """Opens what is found, and ends what was looked for and not seen for so long; in one transaction."""
    rules, subjects = [one.rule for one in found], [one.subject for one in found]
    with connection.transaction():
        connection.execute(_OPEN, (rules, subjects, [one.severity for one in found], [one.message for one in found]))
        connection.execute(
            _RECOVER,
            {"looked_at": list(looked_at), "rules": rules, "subjects": subjects, "recover_after_s": recover_after_s},
        )


def standing_alerts(connection: psycopg.Connection) -> list[tuple[Alert, dict[str, AlertMessage]]]:
    """What is open, or over while somebody who was told of it has not heard that; with what each channel was told."""
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        alerts = cursor.execute(_STANDING).fetchall()
    told = _messages(connection, [alert.uid for alert in alerts])
    return [(alert, told.get(alert.uid, {})) for alert in alerts]


def list_alerts(
    connection: psycopg.Connection, *, closed: bool = False, limit: int = 1000
) -> list[tuple[Alert, dict[str, AlertMessage]]]:
    """What is open, the newest first; then, if asked for, what is over."""
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        alerts = cursor.execute(_LIST, {"closed": closed, "limit": limit}).fetchall()
    told = _messages(connection, [alert.uid for alert in alerts])
    return [(alert, told.get(alert.uid, {})) for alert in alerts]


def note_sent(connection: psycopg.Connection, channel: str, opened: Sequence[UUID], recovered: Sequence[UUID]) -> None:
    """A message reached the channel: it knows of those alerts, and that those are over."""
    with connection.transaction():
        connection.execute(_SENT, {"channel": channel, "uids": list(opened)})
        connection.execute(_RECOVERY_SENT, {"channel": channel, "uids": list(recovered)})


def note_failure(connection: psycopg.Connection, channel: str, uids: Sequence[UUID], error: str) -> None:
    """A message about those alerts did not reach the channel."""
    connection.execute(_FAILED, {"channel": channel, "uids": list(uids), "error": error})


def forget_alerts(connection: psycopg.Connection, older_than_days: int) -> int:
    """Deletes the alerts that were over longer ago; returns how many."""
    return connection.execute(_FORGET, (older_than_days,)).rowcount


def _messages(connection: psycopg.Connection, uids: Sequence[UUID]) -> dict[UUID, dict[str, AlertMessage]]:
    told: dict[UUID, dict[str, AlertMessage]] = {}
    with connection.cursor(row_factory=class_row(AlertMessage)) as cursor:
        for message in cursor.execute(_MESSAGES, (list(uids),)):
            told.setdefault(message.alert_uid, {})[message.channel] = message
    return told
