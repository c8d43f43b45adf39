"""Follows the services of a server once in this process: fetched, brought into one form, compared, generated."""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.peak_memory import peak_mib

T = TypeVar("T")


def main(request: dict[str, Any]) -> None:
    from syncflow_pipelines.config import Component, ServiceConfig, Services, ServiceSettings, Settings
    from syncflow_pipelines.openapi.refreshing import refresh
    from syncflow_pipelines.openapi.store import SpecStore

    home = Path(request["home"])
    settings = Settings(home / "config", home)
    service_settings = ServiceSettings(home / "specs", home / "made", home / "checksums.json")
    components: tuple[Component, ...] = ("rest", "mcp") if request["generate"] else ()
    services = Services(
        tuple(
            ServiceConfig(name, f"{request['url']}/{name}", ("/openapi.json",), components) for name in request["names"]
        ),
        service_settings,
    )
    store = SpecStore(service_settings, settings)
    before = {name: store.spec(name) for name in request["names"] if request["generate"] and name in store.kept()}
    clock = Clock()
    looks = clock.timed("refresh", lambda: list(refresh(services, settings)))
    told: dict[str, Any] = {"statuses": sorted({look.status for look in looks})}
    changed = [look for look in looks if look.status == "changed"]
    if request["generate"] and changed:
        told |= _followed(clock, services, changed, before)
    _say({**told, "seconds": clock.seconds})


def _followed(clock: "Clock", services: Any, changed: list[Any], before: dict[str, Any]) -> dict[str, Any]:
    from syncflow_pipelines.codegen.generation import generate
    from syncflow_pipelines.openapi.diff import compare

    specs = clock.timed("load", lambda: {look.service: look.spec for look in changed})
    changes = clock.timed(
        "compare", lambda: sum(len(compare(old, specs[name]).changes) for name, old in before.items() if old)
    )
    report = clock.timed("generate", lambda: generate(services, specs))
    return {"changes": changes, "generated": sorted({one.status for one in report.services})}


class Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, step: str, work: Callable[[], T]) -> T:
        """What the work comes to, its time noted."""
        began = time.perf_counter()
        result = work()
        self.seconds[step] = time.perf_counter() - began
        return result


def _say(told: dict[str, Any]) -> None:
    """With the memory of this process and of the one that tries what was generated, which are there at once."""
    child_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps({**told, "peak_mib": peak_mib() + child_mib}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
