"""The services' part of the main job: fetch, generate, call; the warehouse changes; the same again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from syncflow_pipelines.codegen.manifest import Entry, read_manifest
from syncflow_pipelines.config import Services, Settings, load_services
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines.defs.names import spec_key
from syncflow_pipelines.defs.specs import generated_keys
from syncflow_pipelines.defs.world import World, load_world
from syncflow_pipelines.demo.services.calling import Answer, call_operation, call_tool
from syncflow_pipelines.demo.services.following import seconds_to_code
from syncflow_pipelines.demo.services.revisions import FIRST, SERVICES, Service, evolve
from syncflow_pipelines.demo.services.world import DemoServices
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.history import kept_versions, spec_of
from syncflow_pipelines.openapi.refreshing import refresh
from syncflow_pipelines.openapi.store import SpecStore

CHANGED: Service = "warehouse"
NEW_TOOL = "get_site_capacity"

Materialise = Callable[[Sequence[dg.AssetKey], str], str | None]
"""Runs the assets under a name; why that failed, or None."""


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """What was made of one service."""

    service: str
    written_as: str
    operations: int
    tools: int
    list_bytes: int
    list_tokens: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class ServicesReport:
    """What the services' part did."""

    figures: tuple[ServiceFigures, ...]
    """After the first look."""
    answers: tuple[Answer, ...]
    """Before and after the change."""
    diff: SpecDiff
    changed: tuple[str, ...]
    """Services whose spec was another one at the second look."""
    generated: tuple[str, ...]
    """Services that were generated because of it."""
    followed_s: float | None
    """From the change of a spec that is a file to the new code, the debounce included; None where it did not come."""
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServicesJob:
    """Follows the demo services, which run."""

    settings: Settings
    database: Database
    running: DemoServices
    materialise: Materialise
    tell: Callable[[str], None]

    def run(self) -> ServicesReport:
        """All steps; what is not as it must be stands in the report. Raises `SyncflowError`."""
        names = [service.name for service in self.running.configured.values()]
        failed = [self._materialise(names, "services")]
        before = self._entries()
        figures = tuple(self._figures(before))
        self.tell(
            f"{len(figures)} services were fetched and generated: {sum(one.tools for one in figures)} tools, "
            f"{sum(one.file_bytes for one in figures):,} bytes of code and specs"
        )
        answers = [self._tool("list_stock", {"low_only": True, "limit": 1}), self._operation("/sites")]
        self.tell("A tool was called by an MCP client, and an operation through the resolver")
        evolve(self.settings.home, CHANGED)
        changed = self._look()
        failed.append(self._materialise(changed, "changed services"))
        answers.append(self._tool(NEW_TOOL, {"site": "AMS"}))
        after = self._entries()
        generated = tuple(name for name, entry in after.items() if before.get(name) != entry)
        self.tell(f"{CHANGED} gained an operation and was generated again, and the new tool was called")
        followed_s = self._follow_a_file(failed)
        wrong = tuple(_mistakes(answers, changed, generated, self._name))
        return ServicesReport(
            figures, tuple(answers), self._diff(), changed, generated, followed_s, (*filter(None, failed), *wrong)
        )

    def _follow_a_file(self, failed: list[str | None]) -> float | None:
        """The warehouse's spec, written to a file by somebody who then changes it."""
        try:
            document = SpecStore(self._services.settings, self.settings).document(self._name)
            seconds = seconds_to_code(document, self.settings)
        except SyncflowError as error:
            failed.append(str(error))
            return None
        self.tell(f"A spec that is a file was followed: {seconds:.1f} s after it had changed, it was in the code")
        return seconds

    @property
    def _name(self) -> str:
        return self.running.configured[CHANGED].name

    @property
    def _services(self) -> Services:
        return load_services(self.settings)

    def _materialise(self, names: Sequence[str], run: str) -> str | None:
        keys = list(_keys(load_world(self.settings), names))
        return self.materialise(keys, run) if keys else None

    def _look(self) -> tuple[str, ...]:
        """Whose spec has changed, as Dagster's sensor finds it."""
        names = [service.name for service in self.running.configured.values()]
        looked = refresh(self._services, self.settings, only=names, database=self.database)
        return tuple(one.service for one in looked if one.status == "changed")

    def _entries(self) -> dict[str, Entry]:
        return read_manifest(self._services.settings.generated_dir).services

    def _figures(self, entries: dict[str, Entry]) -> Iterator[ServiceFigures]:
        with self.database.connection() as connection:
            records = recorded_specs(connection)
        for service in self.running.configured.values():
            entry, record = entries.get(service.name), records.get(service.name)
            if entry is None or record is None:
                continue
            size, sizes = sum(file.bytes for file in entry.files), entry.sizes
            seen = (sizes.tools, sizes.list_bytes, sizes.list_tokens) if sizes else (0, 0, 0)
            yield ServiceFigures(service.name, record.written_as or "-", record.operations or 0, *seen, size)

    def _tool(self, tool: str, arguments: dict[str, object]) -> Answer:
        module = f"{self.running.configured[CHANGED].module_name}_mcp.py"
        log = self.settings.home / "demo" / "mcp.log"
        return call_tool(self._services.settings.generated_dir / module, tool, arguments, log)

    def _operation(self, path: str) -> Answer:
        service = self.running.configured[CHANGED]
        return call_operation(self._services.settings.generated_dir / f"{service.module_name}_resolver.py", path)

    def _diff(self) -> SpecDiff:
        new, *older = kept_versions(self.database, self._name)
        return compare(spec_of(self.database, older[0]), spec_of(self.database, new)) if older else SpecDiff()


def begin_anew(settings: Settings) -> None:
    """Both services offer what they offered in the beginning."""
    for service in SERVICES:
        evolve(settings.home, service, FIRST)


def _keys(world: World, names: Sequence[str]) -> Iterator[dg.AssetKey]:
    for service in world.followed:
        if service.name in names:
            yield spec_key(service.name)
            yield from generated_keys(world, service)


def _mistakes(
    answers: Sequence[Answer], changed: Sequence[str], generated: Sequence[str], expected: str
) -> Iterator[str]:
    for answer in answers:
        if not answer.is_right:
            yield f"{answer.asked} was answered: {answer.text}"
    if tuple(changed) != (expected,):
        yield f"the spec of {expected} alone was to change, and these did: {', '.join(changed) or 'none'}"
    if tuple(generated) != (expected,):
        yield f"{expected} alone was to be generated again, and these were: {', '.join(generated) or 'none'}"
