"""`syncflow alerts` on a real database."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.config import AlertsConfig, Rule, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.events.alerts.evaluation import evaluate
from syncflow_pipelines_tests.postgres.alert_receiver import Receiver, http_receiver
from syncflow_pipelines_tests.postgres.test_cli_commands import Syncflow, syncflow  # noqa: F401 - a fixture


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as served:
        yield served


@pytest.fixture
def channels(settings: Settings, receiver: Receiver, tmp_path: Path) -> Path:
    """An alerts.yaml with a channel `ops` that works, and one `off` that is disabled."""
    settings.config_dir.mkdir(exist_ok=True)
    (tmp_path / "ops-url").write_text(receiver.url)
    file = settings.config_dir / "alerts.yaml"
    off = "- {name: off, url_env: NOT_SET, enabled: false}"
    file.write_text(f"channels:\n- {{name: ops, url_file: {tmp_path}/ops-url}}\n{off}\n")
    return file


def break_job(database: Database) -> None:
    evaluate(database, AlertsConfig(), {Rule.RUN_FAILED: [("retention", "it \x1b[31mfailed")]})


def test_what_is_wrong_is_listed_as_a_table_or_as_json(database: Database, syncflow: Syncflow) -> None:
    assert "Nothing is known to be wrong" in syncflow("alerts").err
    break_job(database)
    heading, line = syncflow("alerts").out.splitlines()
    assert heading.split() == ["severity", "rule", "subject", "since", "until", "told", "what"]
    assert line.split()[:3] == ["warning", "run_failed", "retention"]
    assert "\x1b" not in line
    (record,) = syncflow("alerts", "list", "--json").records
    assert (record["rule"], record["recovered_at"], record["channels"]) == ("run_failed", None, [])
    evaluate(database, AlertsConfig(recover_after_s=0), {Rule.RUN_FAILED: []})
    assert syncflow("alerts", "--json").records == []
    assert syncflow("alerts", "--all", "--json").records[0]["recovered_at"]


def test_a_look_sends_what_is_new_and_a_dry_one_nothing(
    database: Database, syncflow: Syncflow, channels: Path, receiver: Receiver
) -> None:
    break_job(database)
    assert syncflow("alerts", "check", "--dry-run").err.endswith("nothing was written.\n")
    assert receiver.messages == []
    assert "ops: SyncFlow alerts: 1 new" in syncflow("alerts", "check").err
    assert syncflow("alerts", "--json").records[0]["channels"][0]["channel"] == "ops"
    receiver.status = 500
    evaluate(database, AlertsConfig(), {Rule.RUN_FAILED: [("retention", ""), ("discovery", "it failed")]})
    failed = syncflow("alerts", "check")
    assert failed.code == 1
    assert failed.err.count("did not take the message") == failed.err.count("Warning: ops: channel ops did not") == 1


def test_a_test_message_says_which_channel_works(syncflow: Syncflow, channels: Path, receiver: Receiver) -> None:
    assert (syncflow("alerts", "test").code, receiver.titles()) == (0, ["SyncFlow alerts: a test"])
    off = syncflow("alerts", "test", "--channel", "off", "--json")
    assert off.code == 1
    assert "NOT_SET is not set" in json.loads(off.out)["error"]
    unknown = syncflow("alerts", "test", "--channel", "nobody")
    assert (unknown.code, "no channel is called nobody" in unknown.err) == (2, True)
    channels.write_text("channels: []")
    assert syncflow("alerts", "test").code == 2
