"""What is said to a channel: one message for all that is new to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from syncflow_pipelines.config.alerts import ChannelConfig, Severity
from syncflow_pipelines.database.alerts import Alert, AlertMessage

MOST_LINES: Final = 20
"""Of each kind; a source that is down may bring a thousand alerts."""

Kind = Literal["info", "warning", "failure", "success"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel, and the alerts that it is about."""

    opened: Sequence[Alert] = ()
    reminders: Sequence[Alert] = ()
    recovered: Sequence[Alert] = ()

    def __bool__(self) -> bool:
        return bool(self.opened or self.reminders or self.recovered)

    @property
    def kind(self) -> Kind:
        """As Apprise sorts messages: how bad the worst of it is."""
        ranks = [Severity(alert.severity).rank for alert in (*self.opened, *self.reminders)]
        return ("info", "warning", "failure")[max(ranks)] if ranks else "success"

    @property
    def title(self) -> str:
        parts = [(len(self.opened), "new"), (len(self.reminders), "still open"), (len(self.recovered), "recovered")]
        return f"SyncFlow alerts: {', '.join(f'{number} {what}' for number, what in parts if number)}"

    @property
    def body(self) -> str:
        """A line for each alert, the worst first."""
        return "\n".join(
            (
                *_lines("NEW", self.opened),
                *_lines("STILL OPEN", self.reminders),
                *_lines("RECOVERED", self.recovered),
            )
        )

    def told(self) -> list[UUID]:
        """Of the alerts that the channel knows of once it has the message."""
        return [alert.uid for alert in (*self.opened, *self.reminders)]

    def told_over(self) -> list[UUID]:
        return [alert.uid for alert in self.recovered]


def message_for(
    channel: ChannelConfig,
    standing: Sequence[tuple[Alert, Mapping[str, AlertMessage]]],
    now: datetime,
    remind_after_s: float,
) -> Message:
    """What the channel has not been told yet, or long ago; a message about nothing is False."""
    opened: list[Alert] = []
    reminders: list[Alert] = []
    recovered: list[Alert] = []
    for alert, told in standing:
        before = told.get(channel.name)
        sent_at = before.sent_at if before else None
        if alert.recovered_at is not None:
            if channel.recoveries and channel.enabled and sent_at and before and not before.recovery_sent_at:
                recovered.append(alert)
        elif not channel.wants(alert.rule, alert.subject, alert.severity):
            continue
        elif sent_at is None:
            opened.append(alert)
        elif now - sent_at >= timedelta(seconds=remind_after_s):
            reminders.append(alert)
    return Message(opened, reminders, recovered)


def _lines(heading: str, alerts: Sequence[Alert]) -> Iterator[str]:
    by_rank = sorted(alerts, key=lambda alert: -Severity(alert.severity).rank)
    for alert in by_rank[:MOST_LINES]:
        yield f"{heading} [{alert.severity}] {alert.rule} {alert.subject}: {_said(alert)}"
    if len(alerts) > MOST_LINES:
        yield f"{heading} and {len(alerts) - MOST_LINES:,} more; `syncflow alerts` lists them"


def _said(alert: Alert) -> str:
    since = f"since {alert.opened_at:%Y-%m-%d %H:%M:%S}Z"
    if alert.recovered_at is None:
        return f"{alert.message} ({since})"
    return f"it was wrong {since} until {alert.recovered_at:%H:%M:%S}Z"
