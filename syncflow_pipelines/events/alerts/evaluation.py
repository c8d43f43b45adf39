"""Looking for what is wrong, and telling every channel what it does not know yet."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from syncflow_pipelines.config.alerts import AlertsConfig, ChannelConfig, Rule
from syncflow_pipelines.database import Connection, Database
from syncflow_pipelines.database.alerts import (
    Found,
    forget_alerts,
    note_failure,
    note_sent,
    record_found,
    sole_evaluation,
    standing_alerts,
)
from syncflow_pipelines.database.gateway_health import breaker_rows, health_rows
from syncflow_pipelines.database.measurements import (
    connection_counts,
    entity_measures,
    limited,
    server_measure,
    spec_measures,
)
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.events.alerts.channels import send
from syncflow_pipelines.events.alerts.conditions import Observed, Standing, conditions
from syncflow_pipelines.events.alerts.messages import Message, message_for

_APPLICATION: Final = "syncflow alerts"
_CHANNELS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one evaluation came to."""

    found: Sequence[Found]
    """All that is wrong."""
    sent: Mapping[str, Message] = field(default_factory=dict)
    """By channel."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Why a message did not reach its channel; the next evaluation tries again."""
    is_busy: bool = False
    """Another process evaluates at this moment; nothing was done here."""


def look(
    database: Database, config: AlertsConfig, observed: Observed | None = None
) -> tuple[list[Found], frozenset[Rule]]:
    """What is wrong now, and the rules that were looked at; nothing is recorded. Raises `DatabaseError`."""
    with database.dedicated(_APPLICATION) as connection:
        return _look(connection, config, observed or {})


def evaluate(database: Database, config: AlertsConfig, observed: Observed | None = None) -> Evaluation:
    """Records what is wrong and what is no more, and tells each channel what it does not know yet.

    However many processes do so at once, one of them does; the others find it busy. A message is on record once it was
    sent: a process that is killed in between has it sent again. Raises `DatabaseError`.
    """
    with database.dedicated(_APPLICATION) as connection, sole_evaluation(connection) as is_sole:
        if not is_sole:
            return Evaluation((), is_busy=True)
        found, looked_at = _look(connection, config, observed or {})
        record_found(connection, found, looked_at, config.recover_after_s)
        forget_alerts(connection, config.retention_days)
        sent, failed = _tell(connection, config)
        return Evaluation(found, sent, failed)


def _look(connection: Connection, config: AlertsConfig, observed: Observed) -> tuple[list[Found], frozenset[Rule]]:
    with limited(connection):
        standing = Standing(
            entities=entity_measures(connection),
            specs=spec_measures(connection),
            connections=sum(number for _, number in connection_counts(connection)),
            server=server_measure(connection),
            endpoints=health_rows(connection),
            breakers=breaker_rows(connection),
        )
    return conditions(standing, config, observed)


def _tell(connection: Connection, config: AlertsConfig) -> tuple[dict[str, Message], dict[str, str]]:
    standing, now = standing_alerts(connection), datetime.now(UTC)
    messages = {one: message_for(one, standing, now, config.remind_after_s) for one in config.channels}
    due = {channel: message for channel, message in messages.items() if message}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(_CHANNELS_AT_ONCE, thread_name_prefix="syncflow-alerts") as threads:
        sending = {channel: threads.submit(_send, channel, message) for channel, message in due.items()}
        for channel, future in sending.items():
            if (error := _note(connection, channel, due[channel], future)) is not None:
                failed[channel.name] = error
    return {channel.name: message for channel, message in due.items() if channel.name not in failed}, failed


def _send(channel: ChannelConfig, message: Message) -> str | None:
    """Why the message was not taken; None where it was."""
    try:
        send(channel, message.title, message.body, message.kind)
    except SyncflowError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - others wrote what sends, and its errors may show the URL
        return f"channel {channel.name} could not be used: {type(error).__name__}"
    return None


def _note(connection: Connection, channel: ChannelConfig, message: Message, sent: "Future[str | None]") -> str | None:
    error = sent.result()
    if error is None:
        note_sent(connection, channel.name, message.told(), message.told_over())
        return None
    note_failure(connection, channel.name, [*message.told(), *message.told_over()], error)
    return error
