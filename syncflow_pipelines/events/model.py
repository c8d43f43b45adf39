"""What an event is: the attributes of CloudEvents 1.0, and data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

SOURCE: Final = "/syncflow"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Its attributes are those of CloudEvents 1.0 (https://github.com/cloudevents/spec)."""

    type: str
    """What happened, such as `openapi_spec_changed`."""
    subject: str
    """What it happened to, such as the name of a service, or `connector/slug`. Order holds within one subject."""
    data: Mapping[str, Any]
    """JSON values."""
    id: str = field(default_factory=lambda: str(uuid4()))
    """With `source` unique."""
    source: str = SOURCE
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    sequence: int | None = field(default=None, compare=False)
    """Its place among all events; None as long as it was not read from the outbox."""

    def structured(self) -> dict[str, Any]:
        """The event in the structured form of CloudEvents' JSON format."""
        envelope = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
        }
        ordered = {} if self.sequence is None else {"sequence": str(self.sequence)}
        return {**envelope, **ordered, "data": dict(self.data)}
