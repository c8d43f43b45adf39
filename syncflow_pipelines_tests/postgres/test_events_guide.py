"""The examples of docs/events.md do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import Settings, load_events
from syncflow_pipelines.database import Database
from syncflow_pipelines.events.happenings import TYPES
from syncflow_pipelines.events.webhooks import signed_headers
from syncflow_pipelines_tests.postgres.embedded_world import CHECKOUT

GUIDE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
IN_PROCESS, ACROSS, RECEIVER = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def run(program: str, settings: Settings) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "SYNCFLOW_DATABASE_URL": str(settings.database_url),
        "SYNCFLOW_HOME": str(settings.home),
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_example_in_one_process_prints_what_happened(settings: Settings) -> None:
    assert sorted(run(IN_PROCESS, settings)) == ["changed: orders", "event: openapi_spec_changed orders"]


def test_the_example_across_processes_prints_what_happened(settings: Settings, database: Database) -> None:
    assert run(ACROSS, settings) == ["erp/items success"]


def test_the_receiver_of_the_guide_knows_what_is_genuine() -> None:
    place: dict[str, Any] = {}
    exec(RECEIVER, place)
    for secrets in ("s3cret", "whsec_AAEC", "new s3cret"):
        headers = dict(signed_headers(secrets, "a", b"{}"))
        assert place["is_genuine"](secrets.split()[-1], headers, b"{}")
        assert not place["is_genuine"](secrets.split()[-1], headers, b"{ }")


def test_the_webhook_of_the_guide_can_be_used(settings: Settings) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    settings.config_dir.mkdir()
    (settings.config_dir / "events.yaml").write_text(example)
    (webhook,) = load_events(settings).webhooks
    assert set(webhook.types) <= set(TYPES)


def test_every_type_is_in_the_guide_and_no_other() -> None:
    assert re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE) == list(TYPES)
