"""What docs/metrics.md and docs/alerts.md say is so."""

import json
import logging
import re
from contextlib import closing
from pathlib import Path

from syncflow_pipelines.api.metrics import Metrics
from syncflow_pipelines.config import Rule, Settings, load_alerts
from syncflow_pipelines.config.alerts import DEFAULT_SEVERITIES
from syncflow_pipelines.logs.formats import JsonLines
from syncflow_pipelines.logs.redaction import LogRedaction
from syncflow_pipelines_tests.postgres.scraping import scrape
from syncflow_pipelines_tests.postgres.test_deployment import break_everything
from syncflow_pipelines_tests.postgres.world import World

DOCS = Path(__file__).parents[2] / "docs"
METRICS = (DOCS / "metrics.md").read_text()
ALERTS = (DOCS / "alerts.md").read_text()


def test_every_metric_is_in_the_guide_and_no_other(world: World) -> None:
    break_everything(world)
    with closing(Metrics(world.settings)) as metrics:
        found = scrape(metrics).names()
    shown = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in found if name.startswith("syncflow_")}
    table = METRICS.partition("| name | labels | |")[2].partition("\n## ")[0]
    told = {name for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == shown


def test_every_rule_is_in_the_guide_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| (\w+) \|", ALERTS, re.MULTILINE)
    assert dict(rows) == {rule.value: severity.value for rule, severity in DEFAULT_SEVERITIES.items()}
    assert [name for name, _ in rows] == list(Rule)


def test_the_channels_of_the_guide_can_be_used(settings: Settings) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", ALERTS, re.DOTALL)
    settings.config_dir.mkdir()
    (settings.config_dir / "alerts.yaml").write_text(example)
    ops, night, erp = load_alerts(settings).channels
    assert ops.wants("sync_failing", "erp/items", "info")
    assert not night.wants("source_unreachable", "erp", "warning")
    assert erp.wants("source_unreachable", "erp", "critical")
    assert not erp.wants("sync_failing", "crm/leads", "critical")


def test_a_log_line_of_json_has_the_keys_of_the_guide() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", METRICS, re.DOTALL)
    shown = json.loads(example)
    record = logging.LogRecord(
        "syncflow_pipelines.sync.engine", logging.INFO, "", 0, "%s: synced", ("erp/items",), None
    )
    record.event = "sync_finished"
    told = json.loads(JsonLines(LogRedaction()).format(record))
    assert list(told) == list(shown)[: len(told)]
    assert {name: told[name] for name in ("level", "event", "logger", "message")} == {
        name: shown[name] for name in ("level", "event", "logger", "message")
    }
