"""Who is told when something is wrong, and from when on it is: the values behind `alerts.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from syncflow_pipelines.config.auth import SecretSource


class Severity(StrEnum):
    """In rising order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Rule(StrEnum):
    """What can be wrong. The subject of an alert is an entity, a connector, a service, an endpoint, a job or
    the database."""

    SYNC_FAILING = "sync_failing"
    """Syncs of an entity failed, so many in a row."""
    SYNC_TOO_LONG = "sync_too_long"
    """A sync of an entity takes longer than its limit, or the last one did."""
    SOURCE_UNREACHABLE = "source_unreachable"
    """The last sync of a connector that reached its source or not, did not."""
    REJECTS_OVER_RATIO = "rejects_over_ratio"
    """Of the rows of an entity, too many do not fit its table."""
    FRESHNESS_MISSED = "freshness_missed"
    """An entity was not synced well for too many of its intervals."""
    SPEC_BREAKING = "spec_breaking"
    """The newest version of a service's spec breaks its callers, and nobody accepted that."""
    POOL_EXHAUSTED = "pool_exhausted"
    """A process had no connection to the database left, or the server hardly has."""
    ENDPOINT_UNHEALTHY = "endpoint_unhealthy"
    """An endpoint of the gateway fails its checks."""
    BREAKER_OPEN = "breaker_open"
    """A process of the gateway does not ask an endpoint, as its requests failed."""
    RUN_FAILED = "run_failed"
    """The newest run of one of Dagster's jobs beside syncs failed."""
    ASSET_STALE = "asset_stale"
    """Dagster says that an asset missed its freshness policy."""


DEFAULT_SEVERITIES: Final[Mapping[Rule, Severity]] = {
    Rule.SYNC_FAILING: Severity.CRITICAL,
    Rule.SYNC_TOO_LONG: Severity.WARNING,
    Rule.SOURCE_UNREACHABLE: Severity.CRITICAL,
    Rule.REJECTS_OVER_RATIO: Severity.WARNING,
    Rule.FRESHNESS_MISSED: Severity.CRITICAL,
    Rule.SPEC_BREAKING: Severity.CRITICAL,
    Rule.POOL_EXHAUSTED: Severity.CRITICAL,
    Rule.ENDPOINT_UNHEALTHY: Severity.CRITICAL,
    Rule.BREAKER_OPEN: Severity.WARNING,
    Rule.RUN_FAILED: Severity.WARNING,
    Rule.ASSET_STALE: Severity.WARNING,
}


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """Where messages go. From `load_alerts`, every setting has been checked."""

    name: str
    url: SecretSource = field(repr=False)
    """Where the URL is, in Apprise's form. It holds credentials: it is read when it is needed, and never shown."""
    rules: tuple[Rule, ...] = ()
    """Of the alerts it is told of; empty: all."""
    subjects: tuple[str, ...] = ()
    """Patterns such as `erp/*`; empty: all."""
    min_severity: Severity = Severity.INFO
    recoveries: bool = True
    """Whether it is told when an alert is over."""
    enabled: bool = True

    def wants(self, rule: str, subject: str, severity: str) -> bool:
        """Whether it is told of such an alert."""
        return (
            self.enabled
            and (not self.rules or rule in self.rules)
            and Severity(severity).rank >= self.min_severity.rank
            and (not self.subjects or any(fnmatchcase(subject, pattern) for pattern in self.subjects))
        )


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """`alerts.yaml`."""

    channels: tuple[ChannelConfig, ...] = ()
    remind_after_s: float = 14_400.0
    """From one message about an alert that stays open to the next."""
    recover_after_s: float = 60.0
    """For so long nothing may be wrong before an alert is over."""
    retention_days: int = 90
    """Alerts that are over are forgotten when they are older."""
    disabled: frozenset[Rule] = frozenset()
    severities: Mapping[Rule, Severity] = field(default_factory=lambda: dict(DEFAULT_SEVERITIES), hash=False)
    failures: int = 3
    """Of `sync_failing`: in a row."""
    limit_s: float = 600.0
    """Of `sync_too_long`."""
    entity_limits_s: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Other limits, by `connector/slug`."""
    ratio: float = 0.05
    """Of `rejects_over_ratio`: open rejects to all rows."""
    intervals: float = 5.0
    """Of `freshness_missed`; as many as Dagster's freshness policy of an entity allows."""
    window_s: float = 300.0
    """Of `pool_exhausted`: how long that is told of after it happened."""
    used: float = 0.95
    """... and the share of the server's connections from which on it is told of."""

    def limit_of(self, entity: str) -> float:
        """How long a sync of the entity may take, in seconds."""
        return self.entity_limits_s.get(entity, self.limit_s)
