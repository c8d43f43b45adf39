"""A project folder of an application of one's own, and the life of that application without a server."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from syncflow_pipelines.config import Settings, load_settings

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long anything waits for what a test makes happen; only a failing test waits so long."""


@dataclass
class AsgiProject:
    """The folder, with a configuration that the test writes."""

    folder: Path
    services: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "config").mkdir(parents=True)
        self.write()

    def add(self, name: str, base_url: str, *more: str, components: str = "[]") -> None:
        """Adds a service; without components, since every generation takes seconds."""
        lines = (f"  - name: {name}", f"base_url: {base_url}", f"components: {components}", *more)
        if not any(line.startswith("openapi_path") for line in more):
            lines = (*lines, "openapi_path: /openapi.json")
        self.services.append("\n    ".join(lines))
        self.write()

    def write(self, *settings: str) -> None:
        """Writes the configuration with those settings."""
        said = ("output_dir: specs", "generated_dir: generated", *settings)
        text = "services:\n" + "\n".join(self.services) if self.services else "services: []"
        draft = self.folder / "config" / "draft"
        draft.write_text(f"{text}\nsettings:\n  " + "\n  ".join(said) + "\n")
        draft.replace(self.folder / "config" / "auto_sync_services.yaml")

    def flags(self, text: str) -> None:
        (self.folder / "config" / "flags.yaml").write_text(f"flags: {text}")

    @property
    def settings(self) -> Settings:
        return load_settings({}, self.folder)

    @property
    def spec_files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "specs").glob("*"))


class Bus:
    """An event bus that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    async def emit(self, kind: str, data: Mapping[str, Any]) -> None:
        await asyncio.sleep(0)
        self.events.append((kind, data))

    @property
    def services(self) -> list[Any]:
        return [data["service"] for _, data in self.events]


class Life:
    """Speaks the lifespan protocol with an application, as a server does."""

    def __init__(self, app: Any) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Life":
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._task = asyncio.create_task(self._app(scope, self._to_app.get, self._from_app.put))
        await self._exchange("startup")
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._exchange("shutdown")
        assert self._task is not None
        await asyncio.wait_for(self._task, PATIENCE_S)

    async def _exchange(self, what: str) -> None:
        await self._to_app.put({"type": f"lifespan.{what}"})
        answer = await asyncio.wait_for(self._from_app.get(), PATIENCE_S)
        if answer["type"] != f"lifespan.{what}.complete":
            raise RuntimeError(answer)


async def until(holds: Callable[[], object]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in files and threads
            await asyncio.sleep(0.01)


def lived(app: Any, work: Callable[[Life], Awaitable[T]]) -> T:
    """What the work comes to while the application lives."""

    async def run() -> T:
        async with Life(app) as life:
            return await work(life)

    return asyncio.run(run())
