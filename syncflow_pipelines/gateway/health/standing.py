"""How an endpoint stands, and what a check makes of that."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from syncflow_pipelines.config.gateway import HealthConfig
from syncflow_pipelines.gateway.model import Health, Registered, Status

CheckedBy = Literal["this process", "another process", "nobody"]
"""Who checks endpoints, as one process sees it; `nobody` before it knows, and after its end."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How one check ended."""

    is_good: bool
    at: datetime
    latency_ms: float
    """Until the head of the answer, or until it failed."""
    error: str | None = None
    """Why it is not good: the end of a sentence, without any secret."""


@dataclass(frozen=True, slots=True)
class EndpointStanding:
    """How an endpoint stands."""

    health: Health
    since: datetime
    is_good: bool | None = None
    """How the last check ended; None where there was none."""
    consecutive: int = 0
    """Checks in a row that ended so."""
    last_error: str | None = None
    """Of the last check; None where it ended well."""
    last_checked_at: datetime | None = None
    latency_ms: float | None = None
    """Of the last check."""


def is_watched(endpoint: Registered, config: HealthConfig) -> bool:
    """Whether it is checked by itself."""
    return config.enabled and endpoint.status is Status.ACTIVE and endpoint.config.health_check_path is not None


def begun(endpoint: Registered, now: datetime) -> EndpointStanding:
    """How an endpoint stands before it was checked."""
    is_active = endpoint.status is Status.ACTIVE
    return EndpointStanding(Health.UNKNOWN if is_active else Health.DISABLED, now)


def renewed(before: EndpointStanding, endpoint: Registered, config: HealthConfig, now: datetime) -> EndpointStanding:
    """How it stands once its registration or the configuration has changed.

    What was found out is forgotten where it is not looked at any more, and where it is looked at again.
    """
    fresh = begun(endpoint, now)
    was_disabled, is_disabled = (one.health is Health.DISABLED for one in (before, fresh))
    if was_disabled != is_disabled:
        return fresh
    is_kept = is_disabled or before.health is Health.UNKNOWN or is_watched(endpoint, config)
    return before if is_kept else fresh


def settled(
    before: EndpointStanding, endpoint: Registered, outcome: CheckOutcome, config: HealthConfig
) -> EndpointStanding:
    """How an endpoint stands after a check, whoever asked for it."""
    if endpoint.status is not Status.ACTIVE or before.health is Health.DISABLED:
        return before  # a check that was under way
    return judged(before, outcome, config) if is_watched(endpoint, config) else observed(before, outcome)


def judged(before: EndpointStanding, outcome: CheckOutcome, config: HealthConfig) -> EndpointStanding:
    """How it stands after a check. Where nothing was known, one good check makes it healthy."""
    noted = observed(before, outcome)
    is_settled = noted.consecutive >= (config.healthy_threshold if outcome.is_good else config.unhealthy_threshold)
    if not is_settled and not (outcome.is_good and before.health is Health.UNKNOWN):
        return noted
    health = Health.HEALTHY if outcome.is_good else Health.UNHEALTHY
    return noted if health is before.health else replace(noted, health=health, since=outcome.at)


def observed(before: EndpointStanding, outcome: CheckOutcome) -> EndpointStanding:
    """The same, without a judgement: for endpoints that are looked at only when somebody asks."""
    return replace(
        before,
        is_good=outcome.is_good,
        consecutive=before.consecutive + 1 if before.is_good is outcome.is_good else 1,
        last_error=outcome.error,
        last_checked_at=outcome.at,
        latency_ms=outcome.latency_ms,
    )
