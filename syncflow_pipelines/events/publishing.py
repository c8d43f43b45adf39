"""Events are published in the transaction that causes them: both are there, or neither."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from syncflow_pipelines.database import Connection
from syncflow_pipelines.database.outbox import NewEvent, RecordedEvent, append
from syncflow_pipelines.events.model import Event

_NUL: Final = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


def publish(connection: Connection, events: Sequence[Event]) -> None:
    """Publishes the events in this order, in the transaction of the connection, which the caller commits.

    What PostgreSQL cannot hold in a text, NUL and halves of characters, becomes `\ufffd` or `?`. Raises `ValueError` or
    `TypeError`, and writes nothing, where the data of one are no JSON.
    """
    append(connection, [_written(event) for event in events])


def event_of(recorded: RecordedEvent) -> Event:
    """The event as it was published."""
    return Event(
        type=recorded.type,
        subject=recorded.subject,
        data=recorded.data,
        id=recorded.event_id,
        source=recorded.source,
        time=recorded.time,
        sequence=recorded.seq,
    )


def _written(event: Event) -> NewEvent:
    return NewEvent(
        event_id=_text(event.id),
        source=_text(event.source),
        type=_text(event.type),
        subject=_text(event.subject),
        time=event.time,
        data=_json(dict(event.data)),
    )


def _json(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return _NUL.sub("\\1\ufffd", text).encode("utf-8", "replace").decode()


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
