"""What is in force for an entity: its own section of the file, else what was chosen over the API, else the defaults."""

from dataclasses import dataclass
from typing import Final, TypeVar

from syncflow_pipelines.config import ConnectorConfig, EntityOverride
from syncflow_pipelines.sync.model import EntityChoices, EntitySpec, Strategy

T = TypeVar("T")

FILE_NAMES: Final = {"enabled": "enabled", "interval_s": "sync_interval_seconds", "strategy": "strategy"}
"""What each choice is called in an entity's section of `connectors.yaml`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How an entity is synced by itself."""

    enabled: bool
    """False also where the whole connector is not enabled."""
    interval_s: int
    strategy: Strategy


def settled(connector: ConnectorConfig, spec: EntitySpec, choices: EntityChoices) -> Settled:
    """What is in force for the entity."""
    said = connector.entities.get(spec.slug, EntityOverride())
    return Settled(
        enabled=connector.enabled and _first(said.enabled, choices.enabled, True),
        interval_s=_first(said.sync_interval_seconds, choices.interval_s, connector.sync_interval_seconds),
        strategy=_first(said.strategy, choices.strategy, spec.strategy),
    )


def said_by_file(connector: ConnectorConfig, slug: str) -> frozenset[str]:
    """The choices, by their names, that the entity's section of the file leaves nobody to make."""
    said = connector.entities.get(slug, EntityOverride())
    return frozenset(choice for choice, name in FILE_NAMES.items() if getattr(said, name) is not None)


def _first(said: T | None, chosen: T | None, default: T) -> T:
    return said if said is not None else chosen if chosen is not None else default
