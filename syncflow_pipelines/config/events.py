"""Where events go and how long they are kept: the values behind `events.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.config.auth import SecretSource


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """A URL that events are posted to. From `load_events`, every setting has been checked."""

    name: str
    url: str
    """http or https, as it was written."""
    secret: SecretSource = field(repr=False)
    """With which its messages are signed; several, separated by blanks, while one takes the place of another."""
    types: tuple[str, ...] = ()
    """Of the events; empty: all."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    timeout_s: float = 10.0
    """For one message."""
    max_attempts: int = 16
    """Then an event is parked."""
    ca_file: Path | None = None
    enabled: bool = True

    @property
    def subscriber(self) -> str:
        """The name under which it is told of events."""
        return f"webhook {self.name}"


@dataclass(frozen=True, slots=True)
class EventsConfig:
    """`events.yaml`."""

    webhooks: tuple[WebhookConfig, ...] = ()
    retention_days: int = 30
    """Older events are removed, once every subscriber has had them."""
    undelivered_retention_days: int = 90
    """Older events are removed, whoever has not had them."""
