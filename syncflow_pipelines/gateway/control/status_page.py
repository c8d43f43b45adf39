"""What the status page shows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from syncflow_pipelines import __version__
from syncflow_pipelines.gateway.control.describing import endpoints_health, health_summary, route_of
from syncflow_pipelines.gateway.control.documents import EndpointHealth, HealthSummary
from syncflow_pipelines.gateway.gateway import Gateway, Phase
from syncflow_pipelines.gateway.model import Health, Registered, Status

Tone = Literal["good", "warning", "bad", "idle"]

ERRORS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Sign:
    """A word, with a shape and a tone that say the same: the colour is never alone."""

    word: str
    tone: Tone

    @property
    def shape(self) -> str:
        return {"good": "●", "warning": "▲", "bad": "■", "idle": "○"}[self.tone]


@dataclass(frozen=True, slots=True)
class Row:
    """An endpoint of the table."""

    endpoint: Registered
    route: str
    health: Sign
    breaker: Sign | None
    """None: there was no request yet."""
    note: str
    """What is wrong, if anything is."""
    standing: EndpointHealth


@dataclass(frozen=True, slots=True)
class ErrorLine:
    at: datetime
    key: str
    status: int
    error: str


def status_of(gateway: Gateway) -> dict[str, Any]:
    """The values of the page's template."""
    rows = [
        _row(endpoint, one)
        for endpoint, one in zip(gateway.registry.endpoints(), endpoints_health(gateway), strict=True)
    ]
    summary, stats = health_summary(gateway), gateway.registry.stats()
    return {
        "version": __version__,
        "now": datetime.now(UTC),
        "uptime": _duration(gateway.uptime_s),
        "overall": _overall(gateway, summary),
        "summary": summary,
        "watched": sum(summary.endpoints.values()) - summary.endpoints["disabled"],
        "notices": _notices(gateway, stats.error if not stats.is_connected else None),
        "rows": sorted(rows, key=lambda row: (_URGENCY[row.health.tone], row.standing.key)),
        "errors": _errors(rows),
    }


def _row(endpoint: Registered, standing: EndpointHealth) -> Row:
    breaker = standing.circuit_breaker
    return Row(
        endpoint=endpoint,
        route=route_of(endpoint),
        health=_STATUSES.get(endpoint.status) or _HEALTH[standing.health],
        breaker=_BREAKERS[breaker.state] if breaker else None,
        note=standing.last_error or "",
        standing=standing,
    )


def _errors(rows: list[Row]) -> list[ErrorLine]:
    """The newest first."""
    found = [
        ErrorLine(error.at, row.standing.key, error.status, error.error)
        for row in rows
        if row.standing.traffic
        for error in row.standing.traffic.last_errors
    ]
    return sorted(found, key=lambda line: line.at, reverse=True)[:ERRORS_SHOWN]


def _overall(gateway: Gateway, summary: HealthSummary) -> Sign:
    if gateway.phase is not Phase.RUNNING:
        return Sign(gateway.phase.value.capitalize(), "warning")
    if not gateway.switch.is_on:
        return Sign("Switched off", "warning")
    return _OVERALL[summary.status]


def _notices(gateway: Gateway, database_error: str | None) -> list[str]:
    notices = []
    if gateway.phase is Phase.DRAINING:
        notices.append("This process was asked to end: it accepts nothing more, and ends once what it does is done.")
    if not gateway.switch.is_on:
        notices.append("The feature flag gateway is off: nothing is passed on.")
    if database_error:
        notices.append(f"PostgreSQL is away, and what was known stays in force: {database_error}")
    if gateway.last_reload and gateway.last_reload.error:
        notices.append(f"The last reload changed nothing: {gateway.last_reload.error.message}")
    return notices


def _duration(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


_URGENCY: Final = {"bad": 0, "warning": 1, "good": 2, "idle": 3}
_STATUSES: Final = {Status.INACTIVE: Sign("Inactive", "idle"), Status.DISABLED: Sign("Disabled", "idle")}
_HEALTH: Final = {
    Health.HEALTHY: Sign("Healthy", "good"),
    Health.UNHEALTHY: Sign("Unhealthy", "bad"),
    Health.UNKNOWN: Sign("Unknown", "idle"),
    Health.DISABLED: Sign("Not checked", "idle"),
}
_BREAKERS: Final = {
    "closed": Sign("Closed", "good"),
    "half_open": Sign("Half open", "warning"),
    "open": Sign("Open", "bad"),
}
_OVERALL: Final = {
    "healthy": Sign("Healthy", "good"),
    "degraded": Sign("Degraded", "warning"),
    "unhealthy": Sign("Unhealthy", "bad"),
    "unknown": Sign("Nothing known yet", "idle"),
}
