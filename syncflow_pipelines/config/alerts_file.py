"""`alerts.yaml`: what it may say, and what comes out of it."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from syncflow_pipelines.config.alerts import DEFAULT_SEVERITIES, AlertsConfig, ChannelConfig, Rule, Severity
from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.config.auth_sections import exactly_one, from_project
from syncflow_pipelines.config.document import EACH, names_once, read_document, select
from syncflow_pipelines.config.explanations import Explanation, one_of
from syncflow_pipelines.config.section import (
    FilePath,
    Section,
    Switch,
    VariableName,
    matching,
    number,
    refused,
    whole,
)
from syncflow_pipelines.config.settings import Settings

FILE_NAME = "alerts.yaml"
LONGEST_S = 31_536_000


def _severity(value: object) -> Severity:
    if not isinstance(value, str) or value not in list(Severity):
        raise refused(one_of(Severity))
    return Severity(value)


def _rule(value: object) -> Rule:
    if not isinstance(value, str) or value not in list(Rule):
        raise refused(one_of(Rule))
    return Rule(value)


Seconds = Annotated[float, number(0, LONGEST_S)]
AnySeverity = Annotated[Severity, BeforeValidator(_severity)]
AnyRule = Annotated[Rule, BeforeValidator(_rule)]
Pattern = Annotated[str, matching(r"[!-~]{1,200}", "a name such as erp/items, or a pattern such as erp/*")]
EntityKey = Annotated[str, matching(r"[^\s/]{1,100}/[^\s/]{1,100}", "an entity such as erp/items")]


class RuleSection(Section):
    enabled: Switch = True
    severity: AnySeverity | None = None


class SyncFailingSection(RuleSection):
    failures: Annotated[int, whole(1, 1000)] = 3


class SyncTooLongSection(RuleSection):
    limit_s: Seconds = 600.0
    entities: dict[EntityKey, Seconds] = Field(default_factory=dict)


class RejectsSection(RuleSection):
    ratio: Annotated[float, number(0, 1)] = 0.05


class FreshnessSection(RuleSection):
    intervals: Annotated[float, number(1, 1000)] = 5.0


class PoolSection(RuleSection):
    window_s: Seconds = 300.0
    used: Annotated[float, number(0.1, 1)] = 0.95


class RulesSection(Section):
    """One key for each `Rule`; a test holds the two against each other."""

    sync_failing: SyncFailingSection = SyncFailingSection()
    sync_too_long: SyncTooLongSection = SyncTooLongSection()
    source_unreachable: RuleSection = RuleSection()
    rejects_over_ratio: RejectsSection = RejectsSection()
    freshness_missed: FreshnessSection = FreshnessSection()
    spec_breaking: RuleSection = RuleSection()
    pool_exhausted: PoolSection = PoolSection()
    endpoint_unhealthy: RuleSection = RuleSection()
    breaker_open: RuleSection = RuleSection()
    run_failed: RuleSection = RuleSection()
    asset_stale: RuleSection = RuleSection()

    def of(self, rule: Rule) -> RuleSection:
        section: RuleSection = getattr(self, rule.value)
        return section


class ChannelSection(Section):
    name: Annotated[
        str, matching(r"[A-Za-z][A-Za-z0-9_-]{0,62}", "a letter, then letters, digits, _ and -, 63 characters or less")
    ] = Field(description="a name")
    url_env: VariableName | None = None
    url_file: FilePath | None = None
    rules: list[AnyRule] = Field(default_factory=list)
    subjects: list[Pattern] = Field(default_factory=list)
    min_severity: AnySeverity = Severity.INFO
    recoveries: Switch = True
    enabled: Switch = True


class AlertsSection(Section):
    remind_after_s: Annotated[float, number(60, LONGEST_S)] = 14_400.0
    recover_after_s: Annotated[float, number(0, 86_400)] = 60.0
    retention_days: Annotated[int, whole(1, 36_500)] = 90
    rules: RulesSection = RulesSection()
    channels: list[ChannelSection] = Field(default_factory=list)


def load_alerts(settings: Settings) -> AlertsConfig:
    """What `alerts.yaml` says; the defaults where there is no such file.

    Relative paths start at `settings.project_dir`. Raises `ConfigurationError` with every mistake of the file; whether
    the URL of a channel is where the file says is seen only when it is needed.
    """
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    if document is None:
        return AlertsConfig()
    said = document.validated(AlertsSection, checks=(names_once("channels"), _one_url))
    rules = said.rules
    return AlertsConfig(
        channels=tuple(_channel(channel, settings) for channel in said.channels),
        remind_after_s=said.remind_after_s,
        recover_after_s=said.recover_after_s,
        retention_days=said.retention_days,
        disabled=frozenset(rule for rule in Rule if not rules.of(rule).enabled),
        severities={rule: rules.of(rule).severity or DEFAULT_SEVERITIES[rule] for rule in Rule},
        failures=rules.sync_failing.failures,
        limit_s=rules.sync_too_long.limit_s,
        entity_limits_s=dict(rules.sync_too_long.entities),
        ratio=rules.rejects_over_ratio.ratio,
        intervals=rules.freshness_missed.intervals,
        window_s=rules.pool_exhausted.window_s,
        used=rules.pool_exhausted.used,
    )


def _channel(said: ChannelSection, settings: Settings) -> ChannelConfig:
    return ChannelConfig(
        name=said.name,
        url=SecretSource(said.url_env, from_project(said.url_file, settings), settings.environment),
        rules=tuple(dict.fromkeys(said.rules)),
        subjects=tuple(dict.fromkeys(said.subjects)),
        min_severity=said.min_severity,
        recoveries=said.recoveries,
        enabled=said.enabled,
    )


def _one_url(data: Any) -> Iterator[Explanation]:
    for location, channel in select(data, "channels", EACH):
        if isinstance(channel, dict):
            yield from exactly_one(location, channel, ("url_env", "url_file"))
