"""A process that checks an endpoint until it is killed.

Run as `python -m syncflow_pipelines_tests.postgres.health_child REQUEST`, REQUEST being JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

from syncflow_pipelines.config import Settings
from syncflow_pipelines_tests.server.health_world import checking, registered


async def check_for_ever(request: dict[str, str]) -> None:
    home = Path(request["home"])
    settings = Settings(config_dir=home, home=home, database_url=request["database_url"])
    async with checking(settings, registered(request["url"]), process="child"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(check_for_ever(json.loads(sys.argv[1])))
