"""Gateways' registries in processes of their own, which the test kills (-9).

Run as `python -m syncflow_pipelines_tests.postgres.gateway_child ROLE REQUEST`, REQUEST being JSON.
"""

import asyncio
import json
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import GatewayConfig, Settings
from syncflow_pipelines.config.gateway_endpoint import RegistrationSection
from syncflow_pipelines.gateway.registry import Registry

ROOT = Path(__file__).parents[2]


def start_child(role: str, settings: Settings) -> "subprocess.Popen[str]":
    """Starts such a process."""
    said = {"home": str(settings.home), "database_url": settings.database_url}
    command = [sys.executable, "-m", "syncflow_pipelines_tests.postgres.gateway_child", role, json.dumps(said)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


async def follow(registry: Registry) -> None:
    """Prints the keys of all endpoints, and again whenever they are others; ends with the input."""
    print(" ".join(_keys(registry)), flush=True)
    registry.subscribe(lambda _: print(" ".join(_keys(registry)), flush=True))
    await asyncio.to_thread(sys.stdin.read)


async def register(registry: Registry) -> None:
    """Registers one endpoint after the other, and prints the name of each once that is done."""
    for n in count():
        said = RegistrationSection(name=f"e{n}", url="https://x.example.com")
        print((await registry.register(said)).config.name, flush=True)


def _keys(registry: Registry) -> list[str]:
    return [endpoint.config.key for endpoint in registry.endpoints()]


async def main(role: str, request: dict[str, Any]) -> None:
    home = Path(request["home"])
    settings = Settings(config_dir=home / "config", home=home, database_url=request["database_url"])
    async with Registry(settings, GatewayConfig()) as registry:
        await {"follow": follow, "register": register}[role](registry)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
