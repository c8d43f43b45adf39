"""Events are published in the transaction that causes them: both are there, or neither."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from syncflow_pipelines.database import Connection
from syncflow_pipelines.database.outbox import NewEvent, RecordedEvent, append
from syncflow_pipelines.database.texts import storable
from syncflow_pipelines.events.model import Event

LONGEST_SUBJECT: Final = 500
"""Characters: PostgreSQL refuses longer keys of an index, and would do so when a delivery is in trouble."""

_NUL: Final = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")


def publish(connection: Connection, events: Sequence[Event]) -> None:
    """Publishes the events in this order, in the transaction of the connection, which the caller commits.

    What PostgreSQL cannot hold in a text, NUL and halves of characters, becomes `\ufffd` or `?`. Raises `ValueError` or
    `TypeError`, and writes nothing, where the data of one are no JSON, or a subject has more than 500 characters.
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
    if len(event.subject) > LONGEST_SUBJECT:
        raise ValueError(
            f"the subject of an event has {LONGEST_SUBJECT} characters at most, not {len(event.subject):,}"
        )
    return NewEvent(
        event_id=storable(event.id),
        source=storable(event.source),
        type=storable(event.type),
        subject=storable(event.subject),
        time=event.time,
        data=_json(dict(event.data)),
    )


def _json(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return _NUL.sub("\\1\ufffd", text).encode("utf-8", "replace").decode()
