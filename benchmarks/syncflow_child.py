"""Discovers or syncs once in this process, as the command line does, and prints what it came to as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(request: dict[str, Any]) -> int:
    began = time.perf_counter()
    from syncflow_pipelines.config import ConnectorConfig, Settings
    from syncflow_pipelines.database import open_database
    from syncflow_pipelines.sync.engine import SyncRequest, sync_entities
    from syncflow_pipelines.sync.schema.discovery import discover

    home = Path(request["home"])
    settings = Settings(home / "config", home, database_url=request["database_url"])
    connector = ConnectorConfig(name="bench", base_url=request["base_url"], **request.get("connector", {}))
    with open_database(settings) as database:
        if request["do"] == "discover":
            report = discover(database, connector, settings)
            _say({"findings": [finding.message for finding in report.findings], "refused": dict(report.refused)})
            return 0
        opened = time.perf_counter()
        requests = [SyncRequest(connector, slug, strategy=request["strategy"]) for slug in request["slugs"]]
        outcomes = list(sync_entities(database, settings, requests, workers=request["workers"]))
        ended = time.perf_counter()
    from benchmarks.peak_memory import peak_mib

    _say(
        {
            "opened_s": opened - began,
            "engine_s": ended - opened if len(outcomes) > 1 else outcomes[0].seconds,
            "peak_mib": peak_mib(),
            "outcomes": [{**outcome.as_json(), "pages": outcome.pages} for outcome in outcomes],
        }
    )
    return 0 if all(outcome.status == "success" for outcome in outcomes) else 1


def _say(report: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
