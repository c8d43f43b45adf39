"""Sources → modules of schemas, brought in step: noticed, generated, tried, backed up and written.

A source that fails is told, and the others go on; what was generated of it before stands. A module that people have
edited is not overwritten unless that is asked for.
"""

import difflib
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from syncflow_pipelines.config import SchemaSourceConfig, SchemaSync, SchemaSyncSettings, Settings, choose_sources
from syncflow_pipelines.errors import SchemasNotGenerated, SyncflowError
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.files.replacing import replace_file, unwritable
from syncflow_pipelines.files.sealing import is_sealed, seal
from syncflow_pipelines.schemas.backups.folder import backups_of
from syncflow_pipelines.schemas.backups.metadata import digest_of
from syncflow_pipelines.schemas.comparison.manual import ManualComparison
from syncflow_pipelines.schemas.comparison.versions import SchemaVersion, keep_version
from syncflow_pipelines.schemas.making import Made, Workshop
from syncflow_pipelines.schemas.reports import SourceReport, Status, SyncReport
from syncflow_pipelines.schemas.state import SourceState, lock_path, read_state, write_state
from syncflow_pipelines.schemas.workshop import WarmWorkshop

PATIENCE_S: Final = 600.0
"""How long another process may take with a source: models may take long to import."""

_EDITED: Final = "was edited by hand and stays so; --force generates it anew"


class SchemaSyncer:
    """Syncs again and again, while it is entered; the processes that read models and try modules stay warm.

    One thread at a time; other processes may sync the same sources.
    """

    def __init__(self, settings: Settings, workshop: Workshop | None = None) -> None:
        self._settings = settings
        self._workshop = workshop or WarmWorkshop(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workshop.close()

    def sync(
        self, schemas: SchemaSync, *, only: Collection[str] = (), force: bool = False, dry_run: bool = False
    ) -> SyncReport:
        """Brings the modules of the sources in step: those of that names, or all that are enabled.

        `force` generates what has not changed, and overwrites what people have edited. A dry run writes nothing, and
        reports what would be. Raises `ConfigurationError` where `only` names an unknown source.
        """
        chosen = choose_sources(schemas, only)
        run = _Run(self._settings, schemas.settings, self._workshop, force, dry_run)
        with ExitStack() as held:
            # in one order everywhere, so that two that sync the same sources cannot wait for each other
            drafts = {one.name: run.draft(one, held) for one in sorted(chosen, key=lambda one: one.name)}
            run.back_up(drafts.values())
            reports = {name: run.finish(draft) for name, draft in drafts.items()}
        return SyncReport(tuple(reports[one.name] for one in chosen), dry_run)


@dataclass(slots=True)
class _Draft:
    """A source on its way."""

    source: SchemaSourceConfig
    began_at: float = field(default_factory=time.monotonic)
    report: SourceReport | None = None
    """What is settled already."""
    before: bytes | None = None
    """The module as it is; None where there is none."""
    content: bytes = b""
    """As it is to be."""
    state: SourceState | None = None
    """As it will be."""
    made: Made | None = None
    comparison: ManualComparison | None = None
    backup: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_pending(self) -> bool:
        """Whether something is to be written."""
        return self.report is None and self.content != self.before

    def reported(self, status: Status, diff: str = "") -> SourceReport:
        """What became of it, once it is known what it was made from."""
        assert self.state is not None
        return SourceReport(
            self.source.name,
            status,
            self.source.output,
            digest=self.state.digest,
            schemas=self.state.schemas,
            form=self.made.form if self.made else None,
            findings=self.state.findings,
            diff=diff,
            before=self.before,
            comparison=self.comparison,
            backup=self.backup,
            notes=self.notes,
            seconds=time.monotonic() - self.began_at,
        )

    def failed(self, error: SyncflowError) -> SourceReport:
        seconds = time.monotonic() - self.began_at
        self.report = SourceReport(self.source.name, "failed", self.source.output, error=error, seconds=seconds)
        return self.report


@dataclass(frozen=True, slots=True)
class _Run:
    """One sync."""

    settings: Settings
    rules: SchemaSyncSettings
    workshop: Workshop
    is_forced: bool
    is_dry: bool

    def draft(self, source: SchemaSourceConfig, held: ExitStack) -> _Draft:
        """The source as far as it can be brought without writing; `held` holds it from now on."""
        draft = _Draft(source)
        try:
            if not self.is_dry:
                held.enter_context(locked(lock_path(self.settings.home, source.name), patience_s=PATIENCE_S))
            self._prepare(draft)
        except SyncflowError as error:
            draft.failed(error)
        return draft

    def back_up(self, drafts: Iterable[_Draft]) -> None:
        """Keeps what is about to be overwritten, all of it in one backup."""
        pending = [draft for draft in drafts if draft.is_pending]
        files = [draft.source.output for draft in pending]
        manual = [draft.source.manual_schema_path for draft in pending]
        files += [path for path in dict.fromkeys(manual) if path is not None and path.exists()]
        if self.is_dry or not self.rules.backup_enabled or not any(map(Path.exists, files)):
            return
        names = ", ".join(draft.source.name for draft in pending)
        backups = backups_of(self.settings, self.rules)
        try:
            name = backups.make(files, f"before {names} was generated")
        except SyncflowError as error:
            for draft in pending:
                draft.failed(error)
            return
        for draft in pending:
            draft.backup = name

    def finish(self, draft: _Draft) -> SourceReport:
        """Writes the module, if need be, and says what became of the source."""
        if draft.report is not None:
            return draft.report
        if self.is_dry:
            is_same = draft.content == draft.before and not self.is_forced
            return draft.reported("unchanged" if is_same else "generated", diff=self._diff(draft))
        try:
            if draft.is_pending:
                self._write(draft)
        except SyncflowError as error:
            return draft.failed(error)
        self._remember(draft)
        was_needed = draft.content != draft.before or self.is_forced
        return draft.reported("generated" if was_needed else "unchanged")

    def _prepare(self, draft: _Draft) -> None:
        source = draft.source
        known = read_state(self.settings.home, source.name)
        draft.before = _content(source.output)
        inputs = self.workshop.inputs(source, known.files if known else ())
        before = draft.before
        is_ours = before is None or not before.strip() or is_sealed(before)
        is_known = known is not None and known.inputs == inputs and not self.is_forced
        if known is not None and is_known and before is not None and (not is_ours or known.sha256 == digest_of(before)):
            draft.state = known
            draft.notes = () if is_ours else (f"{source.output} {_EDITED}",)
            draft.report = draft.reported("unchanged")
            return
        if not is_ours and not self.is_forced:
            raise SchemasNotGenerated(
                f"{source.output} is not what was generated; it stays as it is: move it away, or use --force"
            )
        self._make(draft, known, inputs)

    def _make(self, draft: _Draft, known: SourceState | None, inputs: str) -> None:
        source = draft.source
        made = self.workshop.make(source)
        if not made.rendered.exports and known is not None and known.schemas and not self.is_forced:
            raise SchemasNotGenerated(
                f"{source.name} has no models any more; the old schemas stand: take the source out, or use --force"
            )
        draft.made = made
        draft.content = seal(made.rendered.text)
        files = known.files if known else ()
        if made.files != files:
            inputs = self._inputs_afterwards(source, files, made, inputs)
        sha256 = digest_of(draft.content)
        was_so = known is not None and known.sha256 == sha256
        draft.state = SourceState(
            inputs=inputs,
            digest=made.digest,
            sha256=sha256,
            schemas=len(made.rendered.exports),
            generated_at=known.generated_at if known is not None and was_so else datetime.now(UTC),
            files=made.files,
            findings=made.rendered.findings,
        )
        if draft.content != draft.before or self.is_forced:
            self._examine(draft)
        self._compare(draft)

    def _inputs_afterwards(self, source: SchemaSourceConfig, files: tuple[str, ...], made: Made, before: str) -> str:
        """The digest with the files that are known by now; none where something may have changed in the meantime."""
        afterwards = self.workshop.inputs(source, made.files)
        return afterwards if self.workshop.inputs(source, files) == before else ""

    def _examine(self, draft: _Draft) -> None:
        if self.rules.validation_enabled:
            self.workshop.examine(draft.source, draft.content)
            return
        try:
            compile(draft.content, str(draft.source.output), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise SchemasNotGenerated(
                f"what was generated of {draft.source.name} is no Python ({error}); the old schemas stand"
            ) from error

    def _compare(self, draft: _Draft) -> None:
        try:
            draft.comparison = self.workshop.compare(draft.source, draft.content)
        except SyncflowError as error:  # of the schemas that people keep; what was generated is all right
            draft.notes = (*draft.notes, f"they were not compared: {error}")

    def _write(self, draft: _Draft) -> None:
        output = draft.source.output
        if _content(output) != draft.before:
            raise SchemasNotGenerated(f"{output} was changed while it was generated; it stays as it is: sync again")
        replace_file(output, draft.content)

    def _remember(self, draft: _Draft) -> None:
        assert draft.state is not None
        try:
            self._keep_version(draft)
            write_state(self.settings.home, draft.source.name, draft.state)
        except SyncflowError as error:
            draft.notes = (*draft.notes, f"{error}; they are generated once more the next time")

    def _keep_version(self, draft: _Draft) -> None:
        """Before the state is written: a process that is killed between the two does all of it again."""
        state, made = draft.state, draft.made
        assert state is not None
        assert made is not None
        version = SchemaVersion(state.digest, state.generated_at, made.rendered.exports, made.form, made.components)
        keep_version(self.settings.home, draft.source.name, version)

    def _diff(self, draft: _Draft) -> str:
        output, project = draft.source.output, self.settings.project_dir
        name = str(output.relative_to(project) if output.is_relative_to(project) else output)
        old = (draft.before or b"").decode("utf-8", "replace").splitlines(keepends=True)
        new = draft.content.decode().splitlines(keepends=True)
        before = "/dev/null" if draft.before is None else f"a/{name}"
        return "".join(difflib.unified_diff(old, new, before, f"b/{name}"))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unwritable(path, error) from error


def sync_schemas(
    settings: Settings, schemas: SchemaSync, *, only: Collection[str] = (), force: bool = False, dry_run: bool = False
) -> SyncReport:
    """One sync, as `SchemaSyncer.sync`; every process that it needs has ended when it returns."""
    with SchemaSyncer(settings) as syncer:
        return syncer.sync(schemas, only=only, force=force, dry_run=dry_run)
