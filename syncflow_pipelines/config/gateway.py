"""What the gateway passes on, to where and how: the values behind `gateway.yaml`."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, Literal

FallbackStrategy = Literal["error_response", "static", "cached", "alternate"]
AuthType = Literal["none", "bearer", "api_key", "basic", "oauth2", "other"]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What an endpoint passes on where nothing else is said. TRACE and CONNECT are never passed on."""


@dataclass(frozen=True, slots=True)
class FallbackConfig:
    """What is answered while an endpoint is not asked."""

    strategy: FallbackStrategy = "error_response"
    """`error_response`: 503 with `Retry-After`; `static`: what is below; `cached`: the last good answer to that GET;
    `alternate`: what another endpoint answers; both fall back to 503 where there is nothing of the kind."""
    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    max_age_s: float = 3600.0
    """A cached answer that is older is not given."""
    alternate: str | None = None
    """The name of another endpoint."""


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """When an endpoint is not asked for a while, and how it is tried again."""

    failure_threshold: int = 5
    """Consecutive failures that open the breaker."""
    reset_timeout_s: float = 60.0
    """From opening to the first probe."""
    half_open_max_calls: int = 3
    """Requests let through while half open; as many successes close the breaker, one failure opens it again."""
    failure_statuses: frozenset[int] = frozenset({502, 503, 504})
    """Answers that count as failures, as time-outs and connections that fail always do; never one below 500."""
    fallback: FallbackConfig = FallbackConfig()


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """How endpoints are looked at without being asked."""

    enabled: bool = True
    interval_s: float = 30.0
    """Between the ends and beginnings of two checks, a tenth more or less."""
    timeout_s: float = 10.0
    unhealthy_threshold: int = 3
    """Consecutive failed checks that make an endpoint unhealthy."""
    healthy_threshold: int = 2
    """Consecutive checks that make an unhealthy one healthy."""


@dataclass(frozen=True, slots=True)
class TimeoutConfig:
    """How long an endpoint may take, in seconds. None: as long as it likes."""

    connect_s: float = 5.0
    """For the connection, with TLS."""
    read_s: float | None = 30.0
    """Without a byte of the answer; `timeout` in the file. Streams of events and WebSockets may be silent longer."""
    total_s: float | None = None
    """From the first byte of the request to the last of the answer."""


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """How much is passed on to an endpoint by one process; what is beyond is refused at once, never queued."""

    max_concurrent: int = 1000
    """Requests in flight; more are answered with 503."""
    requests_per_second: float | None = None
    """More are answered with 429."""
    burst: int | None = None
    """Requests that may come at once; None: as many as in a second."""
    max_body_bytes: int | None = None
    """Of a request; a larger one is answered with 413."""


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """When a request that failed is sent again: only where it may be, and its body still can be."""

    attempts: int = 1
    """Sendings in all. Only idempotent methods are sent twice, and only what got no answer, 502, 503 or 504."""
    budget_ratio: float = 0.2
    """Of the requests of the last ten seconds, how many may be sent again."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One API behind the gateway. From `load_gateway`, every setting has been checked."""

    name: str
    """As it stands in `/orchestrator/{name}/`: letters, digits, `_`, `-` and `.`, not first a `.`."""
    url: str
    """http or https, without a trailing slash; what follows the name is appended to its path."""
    version: str = "v1"
    methods: tuple[str, ...] = METHODS
    """In upper case. HEAD goes with GET."""
    auth_type: AuthType = "none"
    """For readers alone: credentials are the caller's, and passed on."""
    description: str = ""
    disabled: bool = False
    """Neither passed on to nor looked at."""
    health_check_path: str | None = None
    """Appended to `url`, unless that ends with it already; None: no check is made."""
    timeouts: TimeoutConfig = TimeoutConfig()
    breaker: BreakerConfig = BreakerConfig()
    limits: LimitConfig = LimitConfig()
    retries: RetryConfig = RetryConfig()
    preserve_host: bool = False
    """Whether the upstream is told the caller's `Host` rather than its own name."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    service: str | None = None
    """The OpenAPI service of the same system."""

    @property
    def key(self) -> str:
        """`name@version`: what tells it from other versions of itself."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class TargetRules:
    """Where the gateway may connect to, beside public addresses."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private, link-local and loopback addresses that may be connected to all the same."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that may lead anywhere, in lower case; `*.internal.example.com` names those below."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """`gateway.yaml`."""

    endpoints: tuple[EndpointConfig, ...] = ()
    breaker: BreakerConfig = BreakerConfig()
    """For endpoints registered over the API, and such of the file as say nothing else; so are the next four."""
    health: HealthConfig = HealthConfig()
    timeouts: TimeoutConfig = TimeoutConfig()
    limits: LimitConfig = LimitConfig()
    retries: RetryConfig = RetryConfig()
    targets: TargetRules = TargetRules()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed and continued."""
    register_services: bool = False
    """Whether the services of `auto_sync_services.yaml` are endpoints by themselves."""
    max_header_bytes: int = 65_536
    grace_period_s: float = 30.0
    """How long requests in flight may take to end once the gateway was asked to."""
    log_level: str | None = None
    digest: str = ""
    """Of the file; empty without one."""
