"""A project whose specs are followed in a thread, and what was told of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.codegen.following import SpecFollower
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Services, Settings, load_services
from syncflow_pipelines.database import Database
from syncflow_pipelines.openapi.refreshing import Refreshed

LIMIT_S = 90.0
SERVICES = """
services:
  - {{name: crm, path: backend, base_url: 'http://127.0.0.1:9', openapi_path: openapi.json, components: [{components}]}}
{more}
settings:
  {{output_dir: specs, generated_dir: generated, watch_interval: 3600, debounce_ms: {debounce_ms},
    enable_connexion: false}}
"""


@dataclass
class Told:
    """What an onlooker was told, in that order."""

    looks: list[Refreshed] = field(default_factory=list)
    reports: list[ServiceReport] = field(default_factory=list)
    troubles: list[str | None] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def looked(self, services: Services, refreshed: Sequence[Refreshed]) -> None:
        self.looks += refreshed

    def generated(self, services: Services, reports: Sequence[ServiceReport]) -> None:
        self.reports += reports

    def done(self, services: Services, refreshed: Sequence[Refreshed], reports: Sequence[ServiceReport]) -> None:
        pass

    def trouble(self, error: str | None) -> None:
        self.troubles.append(error)

    def told(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def statuses(self, service: str = "crm") -> list[str]:
        return [one.status for one in self.looks if one.service == service]

    @property
    def operations(self) -> list[str]:
        """Of the spec that was seen to change last."""
        changed = [one for one in self.looks if one.status == "changed"]
        return [operation.id for operation in changed[-1].spec.operations] if changed else []


def configure(folder: Path, *, components: str = "", debounce_ms: int = 50, more: str = "") -> Settings:
    """Writes the configuration; the spec of its service `crm` is `backend/openapi.json`."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "auto_sync_services.yaml").write_text(
        SERVICES.format(components=components, debounce_ms=debounce_ms, more=more)
    )
    return Settings(config_dir=folder / "config", home=folder / "home")


@contextmanager
def following(settings: Settings, database: Database | None = None) -> Iterator[Told]:
    """Follows the services of the configuration for the block."""
    told = Told()
    with (
        SpecFollower(load_services(settings), settings, database, told) as follower,
        ThreadPoolExecutor(1) as threads,
    ):
        running = threads.submit(follower.run)
        try:
            yield told
        finally:
            follower.stop()
            running.result()


def wait_for(holds: Callable[[], bool], told: Told) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends_at, told
        time.sleep(0.02)
