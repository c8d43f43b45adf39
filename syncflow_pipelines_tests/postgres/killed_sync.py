"""A sync in a process of its own that kills itself (-9) around one of its exchanges with PostgreSQL.

Run as `python -m syncflow_pipelines_tests.postgres.killed_sync REQUEST`, REQUEST being JSON. It prints the number
of exchanges that the sync took, where it was not killed.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.loading import batch_copy
from syncflow_pipelines_tests.postgres.world import World

ROOT = Path(__file__).parents[2]


def run_child(
    world: World, kill_at: int | None, when: str = "before", *, history: bool = False
) -> dict[str, Any] | None:
    """Syncs `items` in such a process. What it printed; None where it was killed, as it had to be."""
    request = {
        "home": str(world.settings.home),
        "database_url": world.settings.database_url,
        "base_url": world.connector.base_url,
        "token_file": str(world.connector.auth.token_file),  # type: ignore[union-attr]
        "slug": "items",
        "history": history,
        "kill_at": kill_at,
        "when": when,
    }
    command = [sys.executable, "-m", "syncflow_pipelines_tests.postgres.killed_sync", json.dumps(request)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120)
    if kill_at is None:
        assert ended.returncode == 0, ended.stderr.decode()
        return dict(json.loads(ended.stdout))
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    return None


def main(request: dict[str, Any]) -> None:
    settings = Settings(Path("config"), Path(request["home"]), database_url=request["database_url"])
    auth = BearerAuth(token_file=Path(request["token_file"]))
    connector = ConnectorConfig(name="erp", base_url=request["base_url"], auth=auth, history=request["history"])
    batch_copy.SLOW_SOURCE_S = -1.0  # every page is a COPY of its own, whatever its time, so that all counts are equal
    with open_database(settings) as database:
        exchanges = _count_exchanges(kill_at=request["kill_at"], when=request["when"])
        outcome = sync_entity(database, settings, SyncRequest(connector, request["slug"], wait_s=10))
    sys.stdout.write(json.dumps({"exchanges": exchanges[0], "status": outcome.status}))


def _count_exchanges(kill_at: int | None, when: str) -> list[int]:
    """From now on, every wait for PostgreSQL's answer is counted, and one of them is the last thing that happens."""
    count = [0]
    wait = psycopg.Connection.wait

    def counted(self: Any, generator: Any, *more: Any, **options: Any) -> Any:
        count[0] += 1
        if count[0] == kill_at and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = wait(self, generator, *more, **options)
        if count[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    psycopg.Connection.wait = counted  # type: ignore[method-assign,assignment]
    return count


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
