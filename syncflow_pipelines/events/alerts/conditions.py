"""What is wrong, by each rule, judged from how everything stands. Nothing here asks or writes anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.config.alerts import AlertsConfig, Rule
from syncflow_pipelines.database.alerts import Found
from syncflow_pipelines.database.gateway_health import BreakerRow, HealthRow
from syncflow_pipelines.database.measurements import EntityMeasure, ServerMeasure, SpecMeasure, reachability
from syncflow_pipelines.logs.redaction import LogRedaction

SHORTEST_WINDOW_S: Final = 150.0
"""Nothing counts as old before; Dagster accepts no freshness window below a minute, and a late one is no stale one."""
DATABASE: Final = "database"
LONGEST_MESSAGE: Final = 500
_REDACTION: Final = LogRedaction()


@dataclass(frozen=True, slots=True)
class Standing:
    """What alerts are decided by."""

    entities: Sequence[EntityMeasure]
    specs: Sequence[SpecMeasure]
    connections: int
    """To the whole server."""
    server: ServerMeasure
    endpoints: Sequence[HealthRow] = ()
    breakers: Sequence[BreakerRow] = ()


Told = tuple[str, str]
"""A subject, and one sentence on what is wrong with it."""
Observed = Mapping[Rule, Sequence[Told]]
"""What somebody else saw, by rule; a rule that is not there was not looked at."""


def conditions(standing: Standing, config: AlertsConfig, observed: Observed) -> tuple[list[Found], frozenset[Rule]]:
    """Everything that is wrong, and the rules that were looked at. A rule that is disabled finds nothing."""
    told: dict[Rule, Iterable[Told]] = {rule: look(standing, config) for rule, look in _LOOKS.items()}
    told.update(observed)
    found = [
        Found(rule, subject, config.severities[rule], _shortened(message))
        for rule, all_of in told.items()
        if rule not in config.disabled
        for subject, message in dict(all_of).items()
    ]
    return found, frozenset(told) | config.disabled


def _failing(standing: Standing, config: AlertsConfig) -> Iterator[Told]:
    for one in _followed(standing):
        if one.consecutive_failures >= config.failures:
            yield one.key, f"{one.consecutive_failures} syncs failed in a row: {one.last_error or one.last_error_type}"


def _too_long(standing: Standing, config: AlertsConfig) -> Iterator[Told]:
    for one in _followed(standing):
        limit_s = config.limit_of(one.key)
        if one.running_s > limit_s:
            yield one.key, f"a sync is under way for longer than {_span(limit_s)}, since {one.running_since:%H:%M:%S}Z"
        elif (one.last_seconds or 0) > limit_s:
            yield one.key, f"the last sync took {_span(one.last_seconds or 0)}, and {_span(limit_s)} is the limit"


def _unreachable(standing: Standing, _: AlertsConfig) -> Iterator[Told]:
    entities = list(_followed(standing))
    last = {one.connector: one for one in sorted(entities, key=_last_end) if one.last_error_type == "SourceUnreachable"}
    for connector, is_up in reachability(entities).items():
        if not is_up:
            yield connector, f"the source does not answer: {last[connector].last_error}"


def _rejecting(standing: Standing, config: AlertsConfig) -> Iterator[Told]:
    for one in _followed(standing):
        rows = (one.live_rows or 0) + one.open_rejects
        if one.last_error_type == "TooManyRejects":
            yield one.key, one.last_error or "the sync failed, as too many rows were rejected"
        elif one.open_rejects and one.open_rejects / rows > config.ratio:
            yield one.key, f"{one.open_rejects:,} of {rows:,} rows do not fit the table; {config.ratio:.1%} may"


def _stale(standing: Standing, config: AlertsConfig) -> Iterator[Told]:
    for one in _followed(standing):
        if one.age_s > max(config.intervals * one.interval_s, SHORTEST_WINDOW_S):
            last = (
                f"the last good sync ended {one.last_sync_at:%Y-%m-%d %H:%M:%S}Z"
                if one.last_sync_at
                else "never synced"
            )
            yield one.key, f"{last}, and every {_span(one.interval_s)} one is due"


def _breaking(standing: Standing, _: AlertsConfig) -> Iterator[Told]:
    for one in standing.specs:
        if one.is_accepted is False:
            yield (
                one.service,
                "the newest spec breaks callers; `syncflow specs diff` shows how, `specs accept` accepts it",
            )


def _exhausted(standing: Standing, config: AlertsConfig) -> Iterator[Told]:
    server = standing.server
    at = server.pool_exhausted_at
    if at is not None and (server.now - at).total_seconds() <= config.window_s:
        limit = f"all {server.pool_limit} connections of a process were in use"
        yield DATABASE, f"{limit} at {at:%H:%M:%S}Z, and somebody waited in vain"
    elif standing.connections >= config.used * server.connections_limit:
        yield DATABASE, f"{standing.connections} of the server's {server.connections_limit} connections are in use"


def _unhealthy(standing: Standing, _: AlertsConfig) -> Iterator[Told]:
    for one in standing.endpoints:
        if one.health == "unhealthy":
            yield f"{one.name}@{one.version}", f"its checks fail since {one.since:%H:%M:%S}Z: {one.last_error}"


def _open(standing: Standing, _: AlertsConfig) -> Iterator[Told]:
    for one in standing.breakers:
        if one.state == "open":
            at = f", since {one.opened_at:%H:%M:%S}Z" if one.opened_at else ""
            yield (
                f"{one.name}@{one.version}",
                f"the gateway does not ask it, as {one.consecutive_failures} requests failed{at}",
            )


_LOOKS: Final[Mapping[Rule, Callable[[Standing, AlertsConfig], Iterator[Told]]]] = {
    Rule.SYNC_FAILING: _failing,
    Rule.SYNC_TOO_LONG: _too_long,
    Rule.SOURCE_UNREACHABLE: _unreachable,
    Rule.REJECTS_OVER_RATIO: _rejecting,
    Rule.FRESHNESS_MISSED: _stale,
    Rule.SPEC_BREAKING: _breaking,
    Rule.POOL_EXHAUSTED: _exhausted,
    Rule.ENDPOINT_UNHEALTHY: _unhealthy,
    Rule.BREAKER_OPEN: _open,
}


def _followed(standing: Standing) -> Iterator[EntityMeasure]:
    return (one for one in standing.entities if one.is_followed)


def _last_end(entity: EntityMeasure) -> float:
    return entity.last_ended_at.timestamp() if entity.last_ended_at else 0.0


def _span(seconds: float) -> str:
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def _shortened(message: str) -> str:
    # Sources have a say in some of it, and it goes to places that neither escape nor redact.
    text = "".join(char if char.isprintable() else " " for char in _REDACTION.mask(message))
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"
