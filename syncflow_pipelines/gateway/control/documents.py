"""What the control plane answers, as JSON."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.gateway.model import Health, Origin, Status

BreakerState = Literal["closed", "open", "half_open"]
Overall = Literal["healthy", "degraded", "unhealthy", "unknown"]


class Document(BaseModel):
    """Answers are made here, and so need no second look."""

    model_config = ConfigDict(frozen=True)


class BreakerSettings(Document):
    failure_threshold: int = Field(examples=[5])
    reset_timeout: float = Field(description="Seconds.", examples=[60.0])
    half_open_max_calls: int = Field(examples=[3])
    failure_statuses: list[int] = Field(examples=[[502, 503, 504]])
    fallback_strategy: str = Field(examples=["error_response"])


class TimeoutSettings(Document):
    connect_s: float
    read_s: float | None
    total_s: float | None


class LimitSettings(Document):
    max_concurrent: int
    requests_per_second: float | None
    burst: int | None
    max_body_bytes: int | None


class RetrySettings(Document):
    attempts: int
    budget_ratio: float


class EndpointSettings(Document):
    """An endpoint as it is in force, what it does not say itself taken from the file."""

    name: str = Field(examples=["httpbin_get"])
    url: str = Field(examples=["https://httpbin.org/get"])
    version: str = Field(examples=["v1"])
    methods: list[str] = Field(examples=[["GET"]])
    auth_type: str = Field(description="For readers; credentials are passed on as they come.", examples=["none"])
    description: str
    disabled: bool
    health_check_path: str | None = Field(examples=["/get"])
    timeout: float | None = Field(description="Seconds without a byte of the answer; null: no limit.", examples=[30.0])
    preserve_host: bool
    service: str | None
    circuit_breaker: BreakerSettings
    timeouts: TimeoutSettings
    limits: LimitSettings
    retries: RetrySettings


class RegisteredEndpoint(Document):
    key: str = Field(description="name@version", examples=["httpbin_get@v1"])
    name: str = Field(examples=["httpbin_get"])
    version: str = Field(examples=["v1"])
    status: Status
    origin: Origin = Field(description="Who registered it: the file, the API, or a service of its own accord.")
    is_current: bool = Field(description="Whether /orchestrator/{name}/ leads to it.")
    revision: int = Field(description="Grows with every change of it.")
    registered_at: datetime
    updated_at: datetime
    route: str = Field(examples=["/orchestrator/httpbin_get/"])
    config: EndpointSettings


class EndpointPage(Document):
    endpoints: list[RegisteredEndpoint]
    total: int = Field(description="That match, on all pages.", examples=[1])
    limit: int
    offset: int


class EndpointVersions(Document):
    name: str
    current: str | None = Field(examples=["v2"])
    versions: list[RegisteredEndpoint]


class Unregistered(Document):
    unregistered: str = Field(examples=["example_v2@v2"])


class RegistryStatistics(Document):
    total: int = Field(examples=[2])
    names: int = Field(description="Endpoints, each with all its versions.", examples=[2])
    by_status: dict[str, int] = Field(examples=[{"active": 2, "inactive": 0, "disabled": 0}])
    by_origin: dict[str, int] = Field(examples=[{"file": 2, "api": 0, "service": 0}])
    revision: int = Field(description="Of the whole registry; the same in every process that is up to date.")
    database: Literal["up", "away"] = Field(description="away: what was known stays in force.")
    error: str | None = Field(description="Why it is away.")
    synced_at: datetime | None
    is_file_in_force: bool = Field(description="Whether the registry is as this process has read its file.")


class SyncedRegistry(Document):
    """Keys of endpoints of the file, and of services that are endpoints."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: int
    hidden: list[str] = Field(
        description="Registered over the API and said by the file, too: what the file says holds."
    )
    waits_because: str | None = Field(description="Why PostgreSQL does not know of it yet; here it holds already.")
    total: int


class HealthCheckSettings(Document):
    enabled: bool
    interval: float = Field(description="Seconds.", examples=[30.0])
    timeout: float = Field(examples=[10.0])
    unhealthy_threshold: int = Field(examples=[3])
    healthy_threshold: int = Field(examples=[2])


class ReloadDocument(Document):
    at: datetime
    succeeded: bool
    detail: str | None = Field(description="Why everything stayed as it was.")
    mistakes: list[str]


class ConfigStatus(Document):
    path: str = Field(examples=["/srv/syncflow/config/gateway.yaml"])
    exists: bool
    digest: str = Field(description="Of the file as it is in force; empty without one.")
    loaded_at: datetime
    endpoints: int = Field(description="That the file names.")
    log_level: str
    is_stale: bool = Field(description="Whether the file says something else by now; POST /config/reload applies it.")
    last_reload: ReloadDocument | None
    health_check: HealthCheckSettings
    circuit_breaker: BreakerSettings


class Reloaded(SyncedRegistry):
    digest: str
    is_other: bool = Field(description="Whether the file says something else than before.")


class ConfiguredEndpoints(Document):
    path: str
    endpoints: list[EndpointSettings]
    total: int


class Validation(Document):
    path: str
    valid: bool
    endpoints: int = Field(description="That it would name.")
    mistakes: list[str] = Field(examples=[["gateway.yaml:3: endpoints[0].url: found 'ftp://x', expected a URL"]])


class CircuitBreaker(Document):
    key: str = Field(examples=["httpbin_get@v1"])
    name: str = Field(examples=["httpbin_get"])
    state: BreakerState
    consecutive_failures: int
    failure_threshold: int
    opened_at: datetime | None
    retry_after_s: float = Field(description="Until a request may be let through; 0 where one would be.")
    probes_out: int
    times_opened: int
    refused: int


class CircuitBreakers(Document):
    circuit_breakers: list[CircuitBreaker]
    total: int


class LastError(Document):
    at: datetime
    status: int
    error: str


class Traffic(Document):
    """Of this process, since it began."""

    requests: int
    in_flight: int
    by_status: dict[str, int] = Field(description="What clients were told; 0: they went before.", examples=[{"200": 9}])
    failed: int = Field(description="Of those, 500 and above, whoever said so.")
    errors: int = Field(description="Requests that got no answer from the endpoint.")
    p50_ms: float | None = Field(description="Of the last minutes.")
    p99_ms: float | None
    last_errors: list[LastError]


class EndpointHealth(Document):
    key: str = Field(examples=["httpbin_get@v1"])
    name: str = Field(examples=["httpbin_get"])
    health: Health
    status: Status
    since: datetime | None = Field(description="When it became so.")
    last_checked_at: datetime | None
    latency_ms: float | None = Field(description="Of the last check.")
    consecutive: int = Field(description="Checks in a row that came out alike.")
    last_error: str | None
    circuit_breaker: CircuitBreaker | None = Field(description="null until there was a request.")
    traffic: Traffic | None = Field(description="null until there was a request.")


class EndpointsHealth(Document):
    endpoints: list[EndpointHealth]
    total: int


class HealthStatus(Document):
    status: Overall = Field(description="degraded: some endpoints are unhealthy, or their breakers open.")
    endpoints: dict[str, int] = Field(examples=[{"healthy": 1, "unhealthy": 0, "unknown": 1, "disabled": 0}])
    circuit_breakers: dict[str, int] = Field(examples=[{"closed": 1, "open": 0, "half_open": 0}])
    checks_enabled: bool
    at: datetime


class HealthSummary(HealthStatus):
    uptime_s: float
    requests: int
    failed: int = Field(description="That were answered with 500 and above, whoever said so.")
    errors: int = Field(description="That got no answer from their endpoint.")
    in_flight: int
    unhealthy: list[str] = Field(description="Keys of the endpoints that are.")
    open_circuit_breakers: list[str]


class Liveness(Document):
    status: Literal["starting", "healthy", "draining"]
    version: str
    uptime_s: float


class Readiness(Document):
    status: Literal["ready"]


class ServiceDocument(Document):
    service: str = Field(examples=["SyncFlow gateway"])
    version: str
    status: Literal["starting", "healthy", "draining"]
    endpoints: int
    passes_on: bool = Field(description="False while the feature flag gateway is off.")
    links: dict[str, str]


class RouteDocument(Document):
    route: str = Field(examples=["/orchestrator/httpbin_get/"])
    key: str = Field(examples=["httpbin_get@v1"])
    url: str = Field(examples=["https://httpbin.org/get"])
    methods: list[str]
    status: Status


class RouteTable(Document):
    routes: list[RouteDocument]
    total: int


class RouteTest(Document):
    key: str
    url: str
    reachable: bool
    latency_ms: float | None
    error: str | None


class Refreshed(Document):
    routes: int = Field(description="That are active.")
    endpoints: int


class RouteDebug(Document):
    request_path: str = Field(examples=["/orchestrator/httpbin_get/some/path"])
    matched: bool
    key: str | None = None
    target_url: str | None = Field(default=None, examples=["https://httpbin.org/get/some/path"])
    methods: list[str] = Field(default_factory=list)
    status: Status | None = None
    circuit_breaker: BreakerState | None = None
    reason: str = Field(description="What would become of a request.", examples=["It is passed on."])
