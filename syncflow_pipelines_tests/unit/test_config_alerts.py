"""`alerts.yaml` becomes channels and thresholds; a wrong one is refused whole, with lines."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import AlertsConfig, ChannelConfig, Rule, Settings, Severity, load_alerts
from syncflow_pipelines.config.alerts_file import RulesSection
from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.events.alerts.conditions import SHORTEST_WINDOW_S
from syncflow_pipelines.sync.inspection.freshness import stale_after_s

SHIPPED = Path(__file__).parents[2] / "config" / "alerts.yaml"


def alerts(folder: Path, text: str) -> AlertsConfig:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "alerts.yaml").write_text(text)
    return load_alerts(Settings(config_dir=folder / "config", home=folder / "home"))


def refusals(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        alerts(folder, text)
    return caught.value.mistakes


def test_without_a_file_the_defaults_hold_and_the_shipped_file_says_them_all(tmp_path: Path) -> None:
    default = load_alerts(Settings(config_dir=tmp_path, home=tmp_path))
    assert default == AlertsConfig() == alerts(tmp_path, SHIPPED.read_text())
    assert all(f"  {rule}:" in SHIPPED.read_text() for rule in Rule)
    assert list(RulesSection.model_fields) == list(Rule)


def test_everything_that_can_be_said_is_taken(tmp_path: Path) -> None:
    said = alerts(
        tmp_path,
        """
remind_after_s: 600
recover_after_s: 0
rules:
  sync_failing: {failures: 5, severity: info}
  sync_too_long: {limit_s: 30, entities: {erp/items: 60}}
  spec_breaking: {enabled: false}
channels:
  - name: ops
    url_file: secrets/ops
    rules: [sync_failing]
    subjects: [erp/*]
    min_severity: warning
    recoveries: false
    enabled: false
""",
    )
    assert (said.remind_after_s, said.recover_after_s, said.failures) == (600, 0, 5)
    assert (said.limit_of("erp/items"), said.limit_of("erp/orders")) == (60, 30)
    assert said.disabled == {Rule.SPEC_BREAKING}
    assert said.severities[Rule.SYNC_FAILING] == Severity.INFO
    url = SecretSource(None, tmp_path / "secrets" / "ops")
    wanted = ChannelConfig("ops", url, (Rule.SYNC_FAILING,), ("erp/*",), Severity.WARNING, False, False)
    assert said.channels == (wanted,)


def test_every_mistake_is_told_at_once_and_no_url_is_shown(tmp_path: Path) -> None:
    found = refusals(
        tmp_path,
        """
rules:
  sync_failing: {failures: 0}
  sync_too_long: {entities: {items: 60}}
  sync_faling: {}
channels:
  - {name: ops, url_env: slack://s3cret/token, min_severity: urgent}
  - {name: ops, rules: [nothing]}
""",
    )
    told = "\n".join(found)
    assert "s3cret" not in told
    for part in (
        "failures",
        "rules.sync_too_long",
        "sync_faling",
        "url_env",
        "min_severity",
        "rules[0]",
        "a name unlike",
    ):
        assert part in told
    assert "exactly one of url_env and url_file" in told


def test_an_entity_is_told_of_when_its_freshness_policy_fails() -> None:
    for interval_s in (10, 30, 60, 300, 86_400):
        assert max(AlertsConfig().intervals * interval_s, SHORTEST_WINDOW_S) == stale_after_s(interval_s)
