"""What the gateway knows, as the documents that the control plane answers."""

from collections import Counter
from datetime import UTC, datetime

from syncflow_pipelines.config.gateway import BreakerConfig, EndpointConfig
from syncflow_pipelines.gateway.breaker import BreakerSnapshot
from syncflow_pipelines.gateway.control.documents import (
    BreakerSettings,
    CircuitBreaker,
    EndpointHealth,
    EndpointSettings,
    HealthStatus,
    HealthSummary,
    LastError,
    LimitSettings,
    Overall,
    RegisteredEndpoint,
    RetrySettings,
    RouteDocument,
    TimeoutSettings,
    Traffic,
)
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.health import EndpointStanding
from syncflow_pipelines.gateway.model import Health, Registered
from syncflow_pipelines.gateway.statistics import StatisticsSnapshot

PREFIX = "/orchestrator"


def breaker_settings(config: BreakerConfig) -> BreakerSettings:
    return BreakerSettings(
        failure_threshold=config.failure_threshold,
        reset_timeout=config.reset_timeout_s,
        half_open_max_calls=config.half_open_max_calls,
        failure_statuses=sorted(config.failure_statuses),
        fallback_strategy=config.fallback.strategy,
    )


def endpoint_settings(config: EndpointConfig) -> EndpointSettings:
    limits, timeouts, retries = config.limits, config.timeouts, config.retries
    return EndpointSettings(
        name=config.name,
        url=config.url,
        version=config.version,
        methods=list(config.methods),
        auth_type=config.auth_type,
        description=config.description,
        disabled=config.disabled,
        health_check_path=config.health_check_path,
        timeout=timeouts.read_s,
        preserve_host=config.preserve_host,
        service=config.service,
        circuit_breaker=breaker_settings(config.breaker),
        timeouts=TimeoutSettings(connect_s=timeouts.connect_s, read_s=timeouts.read_s, total_s=timeouts.total_s),
        limits=LimitSettings(
            max_concurrent=limits.max_concurrent,
            requests_per_second=limits.requests_per_second,
            burst=limits.burst,
            max_body_bytes=limits.max_body_bytes,
        ),
        retries=RetrySettings(attempts=retries.attempts, budget_ratio=retries.budget_ratio),
    )


def route_of(endpoint: Registered) -> str:
    """The shortest path that leads to the endpoint."""
    config = endpoint.config
    return f"{PREFIX}/{config.name if endpoint.is_current else config.key}/"


def registered_endpoint(endpoint: Registered) -> RegisteredEndpoint:
    return RegisteredEndpoint(
        key=endpoint.config.key,
        name=endpoint.config.name,
        version=endpoint.config.version,
        status=endpoint.status,
        origin=endpoint.origin,
        is_current=endpoint.is_current,
        revision=endpoint.revision,
        registered_at=endpoint.registered_at,
        updated_at=endpoint.updated_at,
        route=route_of(endpoint),
        config=endpoint_settings(endpoint.config),
    )


def route_document(endpoint: Registered) -> RouteDocument:
    return RouteDocument(
        route=route_of(endpoint),
        key=endpoint.config.key,
        url=endpoint.config.url,
        methods=list(endpoint.config.methods),
        status=endpoint.status,
    )


def circuit_breaker(endpoint: Registered, snapshot: BreakerSnapshot) -> CircuitBreaker:
    return CircuitBreaker(
        key=endpoint.config.key,
        name=endpoint.config.name,
        state=snapshot.state,
        consecutive_failures=snapshot.consecutive_failures,
        failure_threshold=endpoint.config.breaker.failure_threshold,
        opened_at=snapshot.opened_at,
        retry_after_s=round(snapshot.retry_after_s, 3),
        probes_out=snapshot.probes_out,
        times_opened=snapshot.times_opened,
        refused=snapshot.refused,
    )


def circuit_breakers(gateway: Gateway) -> list[CircuitBreaker]:
    """Of the endpoints that had requests, by key."""
    snapshots = gateway.breakers()
    endpoints = (one for one in gateway.registry.endpoints() if one.config.key in snapshots)
    return [circuit_breaker(one, snapshots[one.config.key]) for one in endpoints]


def traffic(snapshot: StatisticsSnapshot) -> Traffic:
    return Traffic(
        requests=snapshot.requests,
        in_flight=snapshot.in_flight,
        by_status={str(status): count for status, count in sorted(snapshot.by_status.items())},
        failed=sum(count for status, count in snapshot.by_status.items() if status >= 500),
        errors=snapshot.errors,
        p50_ms=_ms(snapshot.recent.quantile_s(0.5)),
        p99_ms=_ms(snapshot.recent.quantile_s(0.99)),
        last_errors=[LastError(at=one.at, status=one.status, error=one.error) for one in snapshot.last_errors],
    )


def endpoint_health(gateway: Gateway, endpoint: Registered) -> EndpointHealth:
    """How an endpoint stands; what its breaker and its traffic tell is of this process."""
    config = endpoint.config
    standing = gateway.health.standing(config.key) or EndpointStanding(Health.UNKNOWN, endpoint.updated_at)
    route = gateway.route(config.key)
    statistics = route.statistics.snapshot() if route else None
    had_requests = statistics is not None and statistics.requests > 0
    return EndpointHealth(
        key=config.key,
        name=config.name,
        health=standing.health,
        status=endpoint.status,
        since=standing.since,
        last_checked_at=standing.last_checked_at,
        latency_ms=None if standing.latency_ms is None else round(standing.latency_ms, 2),
        consecutive=standing.consecutive,
        last_error=standing.last_error,
        circuit_breaker=circuit_breaker(endpoint, route.breaker.snapshot()) if route and had_requests else None,
        traffic=traffic(statistics) if statistics is not None and had_requests else None,
    )


def endpoints_health(gateway: Gateway) -> list[EndpointHealth]:
    return [endpoint_health(gateway, endpoint) for endpoint in gateway.registry.endpoints()]


def health_status(gateway: Gateway) -> HealthStatus:
    return _status(gateway, endpoints_health(gateway))


def health_summary(gateway: Gateway) -> HealthSummary:
    endpoints = endpoints_health(gateway)
    with_traffic = [one.traffic for one in endpoints if one.traffic is not None]
    return HealthSummary(
        **_status(gateway, endpoints).model_dump(),
        uptime_s=round(gateway.uptime_s, 1),
        requests=sum(one.requests for one in with_traffic),
        failed=sum(one.failed for one in with_traffic),
        errors=sum(one.errors for one in with_traffic),
        in_flight=sum(one.in_flight for one in with_traffic),
        unhealthy=[one.key for one in endpoints if one.health is Health.UNHEALTHY],
        open_circuit_breakers=[one.key for one in endpoints if _is_open(one)],
    )


def _status(gateway: Gateway, endpoints: list[EndpointHealth]) -> HealthStatus:
    health = Counter(one.health for one in endpoints)
    states = Counter(one.circuit_breaker.state for one in endpoints if one.circuit_breaker)
    return HealthStatus(
        status=_overall(endpoints),
        endpoints={one.value: health[one] for one in Health},
        circuit_breakers={"closed": states["closed"], "open": states["open"], "half_open": states["half_open"]},
        checks_enabled=gateway.config.health.enabled,
        at=datetime.now(UTC),
    )


def _overall(endpoints: list[EndpointHealth]) -> Overall:
    """What is inactive or disabled counts for nothing."""
    watched = [one for one in endpoints if one.health is not Health.DISABLED]
    failing = [one for one in watched if one.health is Health.UNHEALTHY or _is_open(one)]
    if failing:
        return "unhealthy" if len(failing) == len(watched) else "degraded"
    return "healthy" if any(one.health is Health.HEALTHY for one in watched) else "unknown"


def _is_open(one: EndpointHealth) -> bool:
    return one.circuit_breaker is not None and one.circuit_breaker.state == "open"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
