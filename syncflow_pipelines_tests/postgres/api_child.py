"""The admin API in a process that kills itself (-9) while it is asked for a sync.

Run as `python -m syncflow_pipelines_tests.postgres.api_child REQUEST`, REQUEST being JSON. It prints its address.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import pytest
from fastapi import FastAPI

from syncflow_pipelines.api.application import OPEN, AdminApi
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens
from syncflow_pipelines.database import Connection
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.gateway.control.access import Access, Guard
from syncflow_pipelines.gateway.control.problems import add_problem_handlers
from syncflow_pipelines_tests.postgres.world import World

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
Moment = Literal["before", "during", "after"]
"""Of the transaction: before it begins, before it is committed, after that."""


def killed_while_asked(world: World, entity_uid: str, key: str, moment: Moment) -> None:
    """Asks such a process for a sync, which it does not live to answer."""
    request = {"home": str(world.settings.home), "database_url": world.settings.database_url, "moment": moment}
    command = [sys.executable, "-m", "syncflow_pipelines_tests.postgres.api_child", json.dumps(request)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().strip()
            with pytest.raises(httpx.TransportError):
                httpx.post(
                    f"{url}/api/v1/entities/{entity_uid}/sync",
                    headers={"Idempotency-Key": key},
                    timeout=60,
                    trust_env=False,
                )
            assert child.wait(60) == -signal.SIGKILL
        finally:
            child.kill()


class KillingDatabase(ApiDatabase):
    """The API's database, until that moment of the first change."""

    def __init__(self, settings: Settings, moment: Moment) -> None:
        super().__init__(settings)
        self._moment = moment

    async def change(self, change: Callable[[Connection], T]) -> T:
        def killed(connection: Connection) -> T:
            self._die("before")
            found = change(connection)
            self._die("during")
            return found

        found = await super().change(killed)
        self._die("after")
        return found

    def _die(self, moment: Moment) -> None:
        if moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main(request: dict[str, Any]) -> None:
    settings = Settings(Path("config"), Path(request["home"]), database_url=request["database_url"])
    api = AdminApi(settings)
    api.database = KillingDatabase(settings, request["moment"])
    application = FastAPI()
    add_problem_handlers(application)
    application.add_middleware(Guard, access=Access(ApiTokens(), OPEN))
    api.join(application)
    with serve_in_thread(application) as url:
        print(url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
