"""A project folder that follows the demo services, which the test changes."""

import json
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg

from syncflow_pipelines.config import Services, Settings, load_services
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.demo.services.revisions import FIRST, SECOND, Service, evolve
from syncflow_pipelines.files.replacing import replace_file
from syncflow_pipelines_tests.dagster.project import QUIET

SERVICES = """
services:
  - name: warehouse
    base_url: {url}/warehouse
    openapi_path: /openapi.json
    components: [rest, mcp]
    auth: {{type: bearer, token_file: .syncflow/demo/warehouse.token}}
  - name: parcels
    base_url: {url}/parcels
    openapi_path: /swagger.yaml
    components: [rest, mcp]
settings:
  output_dir: specs
  generated_dir: generated
  watch_interval: 5
"""
LONG_AGO = "2026-01-01T00:00:00Z"
GENERATE_NOTHING = "  enable_connexion: false\n  enable_fastmcp: false\n"
"""Settings for tests that are about something else: every generation takes seconds."""


@dataclass(frozen=True)
class ServicesProject:
    """The folder, and what a test does in it."""

    path: Path
    url: str
    settings: Settings
    database: Database

    @property
    def file(self) -> Path:
        return self.path / "config" / "auto_sync_services.yaml"

    def say(self, more: str) -> None:
        """Adds lines to the settings, which stand last."""
        self.file.write_text(self.file.read_text() + more)

    def reword(self, old: str, new: str) -> None:
        """Replaces a text of the configuration that is there."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def evolve(self, service: Service) -> None:
        """The warehouse gains an operation; the parcels break their callers."""
        evolve(self.settings.home, service, SECOND)

    def devolve(self, service: Service) -> None:
        """The service is as it was in the beginning."""
        evolve(self.settings.home, service, FIRST)

    def let_time_pass(self) -> None:
        """What was fetched before was fetched long ago: whoever fetched it has recorded it, or never will."""
        file = self.services().settings.checksum_file
        if file.exists():
            entries = json.loads(file.read_text())
            replace_file(
                file, json.dumps({name: {**said, "timestamp": LONG_AGO} for name, said in entries.items()}).encode()
            )

    def services(self) -> Services:
        return load_services(self.settings)

    def definitions(self) -> dg.Definitions:
        """What a process that starts now would load."""
        return build_definitions(load_world())

    def run(
        self, instance: dg.DagsterInstance, keys: Collection[Sequence[str]] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Runs the job of all specs, or a part of it with its checks; never raises for a failed run."""
        job = self.definitions().resolve_job_def("openapi_specs")
        if keys is not None:
            job = job.get_subset(asset_selection={dg.AssetKey(list(key)) for key in keys})
        return job.execute_in_process(QUIET, instance, raise_on_error=False)


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, *values: object) -> None:
        pass


@contextmanager
def served_folder(folder: Path) -> Iterator[str]:
    """The URL at which the files of the folder are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
