"""Following sources: whenever models, catalogues, specs or the configuration change, schemas are generated.

A source that fails is given a moment before it is told: people save one file after the other.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from syncflow_pipelines.config import (
    SCHEMA_SYNC_FILE,
    SchemaSourceConfig,
    SchemaSync,
    Settings,
    choose_sources,
    load_schema_sync,
    load_services,
    service_files,
)
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.events.flags import Flag, is_enabled
from syncflow_pipelines.files.watching import Target, Watcher
from syncflow_pipelines.openapi.store import SpecStore
from syncflow_pipelines.schemas.making import Workshop
from syncflow_pipelines.schemas.reports import SourceReport
from syncflow_pipelines.schemas.state import read_state
from syncflow_pipelines.schemas.syncing import SchemaSyncer
from syncflow_pipelines.sync.state import state_path

PATIENCE_S: Final = 3.0
"""How long a source may fail before that is told."""
FLAG_S: Final = 5.0
"""How often it is asked whether a part that was switched off is on again."""

_CONFIGURATION: Final = "the configuration"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that became of a source, or of the configuration, whose `source` is empty."""

    source: str
    what: Literal["generated", "failed", "recovered"]
    report: SourceReport | None = None
    error: str | None = None


class SchemaWatch:
    """Follows the sources of those names, or all that are enabled, until it is stopped.

    `tell` hears what becomes of them: what was generated, what fails and goes on failing for a moment (once, as long
    as it fails for the same reason), and what works again.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[Notice], None],
        *,
        names: Sequence[str] = (),
        workshop: Workshop | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._names = names
        self._workshop = workshop
        self._patience_s = patience_s
        self._troubles = _Troubles(tell, patience_s)
        self._stopped = threading.Event()
        self._watcher: Watcher | None = None

    def stop(self) -> None:
        """Ends it. Any thread may call it, and a signal handler."""
        self._stopped.set()
        if self._watcher is not None:
            self._watcher.stop()

    def run(self) -> None:
        """Follows until it is stopped. Raises `ConfigurationError` where the configuration cannot be used now."""
        schemas = load_schema_sync(self._settings)
        choose_sources(schemas, self._names)
        with SchemaSyncer(self._settings, self._workshop) as syncer:
            while not self._stopped.is_set():
                schemas = self._follow(syncer, schemas)

    def _follow(self, syncer: SchemaSyncer, schemas: SchemaSync) -> SchemaSync:
        """Follows until the configuration changes; what it says then, or what it said where that cannot be used."""
        debounce_ms = round(schemas.settings.watch_debounce_seconds * 1000)
        targets = dict(self._targets(schemas))
        with Watcher(targets, debounce_ms=debounce_ms) as watcher:
            self._watcher = watcher
            due = {source.name for source in self._chosen(schemas)}
            while not self._stopped.is_set():
                if due and is_enabled(Flag.SCHEMA_SYNC, self._settings):
                    self._sync(syncer, schemas, due)
                    before, targets = targets, dict(self._targets(schemas))
                    if targets != before:
                        watcher.follow(targets)
                        continue  # what changed before it was followed is seen now
                    due = set()
                changed = watcher.wait(FLAG_S if due else self._troubles.wait_s())
                if any(key.startswith(_CONFIGURATION) for key in changed):
                    return self._reloaded(schemas)
                due |= {key.partition(" ")[0] for key in changed} | self._troubles.due()
        return schemas

    def _sync(self, syncer: SchemaSyncer, schemas: SchemaSync, names: Iterable[str]) -> None:
        for report in syncer.sync(schemas, only=sorted(names)).sources:
            if report.error is not None:
                self._troubles.add(report.source, str(report.error))
                continue
            self._troubles.over(report.source)
            if report.status == "generated":
                self._tell(Notice(report.source, "generated", report))

    def _reloaded(self, before: SchemaSync) -> SchemaSync:
        try:
            schemas = load_schema_sync(self._settings)
            choose_sources(schemas, self._names)
        except SyncflowError as error:
            self._troubles.tell("", str(error))
            return before
        self._troubles.over("")
        self._troubles.keep(source.name for source in schemas.sources)
        return schemas

    def _chosen(self, schemas: SchemaSync) -> tuple[SchemaSourceConfig, ...]:
        return choose_sources(schemas, self._names)

    def _targets(self, schemas: SchemaSync) -> Iterator[tuple[str, Target]]:
        """What is followed; a key is a source's name and a number, or begins with the configuration's own."""
        files = (self._settings.config_dir / SCHEMA_SYNC_FILE, *service_files(self._settings))
        for file in (*files, *self._settings.environment.dotenv_files):
            yield f"{_CONFIGURATION} {file}", Target(file)
        specs = _spec_store(self._settings)
        for source in self._chosen(schemas):
            for number, target in enumerate(self._targets_of(source, specs)):
                yield f"{source.name} {number}", target

    def _targets_of(self, source: SchemaSourceConfig, specs: SpecStore | None) -> Iterator[Target]:
        yield Target(source.output)
        if source.connector is not None:
            yield Target(state_path(self._settings.home, source.connector))
        if source.service is not None and specs is not None:
            yield Target(specs.spec_file(source.service))
        if source.models_path is not None:
            folder = source.models_path
            yield Target(folder, is_folder=folder.suffix != ".py" and not folder.is_file(), accepts=is_module)
            state = read_state(self._settings.home, source.name)
            files = map(Path, state.files if state else ())
            yield from (Target(file) for file in files if not file.is_relative_to(folder))


def is_module(path: Path) -> bool:
    """Whether a file may be one of models: editors' drafts and copies, and what is no Python, are none."""
    return path.suffix == ".py" and path.stem.isidentifier()


def _spec_store(settings: Settings) -> SpecStore | None:
    try:
        return SpecStore(load_services(settings).settings, settings)
    except SyncflowError:  # which the sync itself tells
        return None


@dataclass(slots=True)
class _Troubles:
    """What does not work, and what was told of it."""

    said: Callable[[Notice], None]
    patience_s: float
    told: dict[str, str] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    """When sources began to fail that are waited for."""

    def add(self, source: str, error: str) -> None:
        """It fails; told at once where it was waited for, and not again for the same reason."""
        if self.told.get(source) == error:
            self.since.pop(source, None)
            return
        began_at = self.since.setdefault(source, time.monotonic())
        if time.monotonic() - began_at >= self.patience_s:
            del self.since[source]
            self.tell(source, error)

    def tell(self, source: str, error: str) -> None:
        if self.told.get(source) != error:
            self.told[source] = error
            self.said(Notice(source, "failed", error=error))

    def over(self, source: str) -> None:
        """It works."""
        self.since.pop(source, None)
        if self.told.pop(source, None) is not None:
            self.said(Notice(source, "recovered"))

    def keep(self, sources: Iterable[str]) -> None:
        """Forgets all other sources."""
        known = {"", *sources}
        for kept in (self.told, self.since):
            for source in kept.keys() - known:
                del kept[source]

    def wait_s(self) -> float | None:
        """Until the first of them is to be looked at once more."""
        if not self.since:
            return None
        return max(0.0, min(self.since.values()) + self.patience_s - time.monotonic())

    def due(self) -> set[str]:
        """Those that were waited for long enough."""
        return {source for source, began_at in self.since.items() if time.monotonic() - began_at >= self.patience_s}
