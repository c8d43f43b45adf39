"""A spec that is a file, followed while somebody changes it: how soon the new one is in the code."""

import queue
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from syncflow_pipelines.codegen.following import SpecFollower
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import ServiceConfig, Services, ServiceSettings, Settings
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.files.replacing import replace_file
from syncflow_pipelines.openapi.refreshing import Refreshed

LIMIT_S: Final = 60.0
_NEW: Final = {"/demo": {"get": {"operationId": "demo", "responses": {"200": {"description": "it was seen"}}}}}


def seconds_to_code(document: dict[str, Any], settings: Settings) -> float:
    """From the renaming of a changed spec file to the new MCP server, in a folder that is thrown away.

    The time for which the file has to be quiet is part of it. Raises `SyncflowError` where it does not come.
    """
    with tempfile.TemporaryDirectory(prefix="syncflow-") as name:
        folder, seen = Path(name), _Generations()
        service = ServiceConfig("followed", "http://127.0.0.1:9", ("openapi.json",), ("mcp",), folder)
        places = ServiceSettings(folder / "specs", folder / "generated", folder / ".openapi_checksums.json")
        own = replace(settings, config_dir=folder / "config", home=folder / "home")
        replace_file(folder / "openapi.json", orjson.dumps(document))
        with SpecFollower(Services((service,), places), own, None, seen) as follower, ThreadPoolExecutor(1) as threads:
            running = threads.submit(follower.run)
            try:
                seen.wait()
                replace_file(
                    folder / "openapi.json", orjson.dumps({**document, "paths": {**document["paths"], **_NEW}})
                )
                began = time.perf_counter()
                seen.wait()
                return time.perf_counter() - began
            finally:
                follower.stop()
                running.result()


class _Generations:
    """Passes on when something was generated."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[ServiceReport] = queue.SimpleQueue()

    def wait(self) -> None:
        """Returns when the next one has come."""
        try:
            report = self._reports.get(timeout=LIMIT_S)
        except queue.Empty:
            raise SyncflowError(f"a spec file that changed was not in the code within {LIMIT_S:g} s") from None
        if report.error is not None:
            raise report.error

    def looked(self, services: Services, refreshed: Sequence[Refreshed]) -> None:
        """What counts is the code."""

    def generated(self, services: Services, reports: Sequence[ServiceReport]) -> None:
        for report in reports:
            if report.status != "unchanged":
                self._reports.put(report)

    def done(self, services: Services, refreshed: Sequence[Refreshed], reports: Sequence[ServiceReport]) -> None:
        """Nobody else waits for it."""

    def trouble(self, error: str | None) -> None:
        """It shows in that nothing comes."""

    def told(self, sentence: str) -> None:
        """Nobody listens."""
