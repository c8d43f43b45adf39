"""Specs → the package of generated modules.

A service is generated where its spec, its settings or the generator changed. Its new modules are imported and listed in
a child process before they replace the old ones; where that fails the old ones stand, and the other services go on.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.codegen import package
from syncflow_pipelines.codegen.building import ServiceBuild, with_measured
from syncflow_pipelines.codegen.manifest import Entry, Manifest, OwnedFile, ToolSizes, read_manifest
from syncflow_pipelines.codegen.reports import GenerationReport, ServiceReport
from syncflow_pipelines.codegen.verification import Verifier, never
from syncflow_pipelines.config.services import Component, ServiceConfig, Services, ServiceSettings
from syncflow_pipelines.errors import GenerationFailed, SpecError
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.selection import select

_STAGE = "syncflow_stage"


def generate(
    services: Services,
    specs: Mapping[str, Spec],
    *,
    only: Collection[str] = (),
    force: bool = False,
    dry_run: bool = False,
    cancelled: Callable[[], bool] = never,
    verifier: Callable[[], AbstractContextManager[Verifier]] | None = None,
) -> GenerationReport:
    """Brings the generated package in step with the specs, which are named by their services.

    What a service's `include` and `exclude` leave of its spec is generated. `only` names the services that are looked
    at; with none, all are, and what belongs to no service any more is removed. A service without a spec stays as it is.
    `force` generates what has not changed and overwrites what people have edited. A dry run writes nothing, and reports
    what would be.

    Raises `GenerationFailed` where the folder cannot be written to, or its `__init__.py` or manifest is not ours, and
    `SyncCancelled` once `cancelled()` says so.
    """
    folder = services.settings.generated_dir
    with (
        nullcontext() if dry_run else package.locked(folder, cancelled),
        verifier() if verifier else Verifier(cancelled=cancelled) as examining,
    ):
        manifest = read_manifest(folder)
        if not force and package.touched(folder, [package.INIT]):
            raise GenerationFailed(f"{folder / package.INIT} is not what was generated; move it away, or use --force")
        run = _Run(services.settings, manifest, examining, force, dry_run)
        if not dry_run:
            package.tidy(folder, manifest)
        reports = [run.service(service, specs[service.name]) for service in _wanted(services, specs, only)]
        if not only:
            reports += run.removals({service.name for service in services.services if run.components(service)})
        if not dry_run and (run.entries != manifest.services or not (folder / package.INIT).exists()):
            package.write_package(folder, Manifest(services=run.entries))
    return GenerationReport(tuple(sorted(reports, key=lambda report: report.service)), dry_run)


def _wanted(services: Services, specs: Mapping[str, Spec], only: Collection[str]) -> Iterator[ServiceConfig]:
    for service in services.services:
        is_meant = service.name in only if only else True
        if is_meant and service.name in specs and _components(service, services.settings):
            yield service


def _components(service: ServiceConfig, settings: ServiceSettings) -> frozenset[Component]:
    """What is generated of the service; nothing of one that is switched off."""
    wanted: dict[Component, bool] = {"mcp": settings.enable_fastmcp, "rest": settings.enable_connexion}
    return frozenset(each for each in service.components if wanted[each] and service.enabled)


@dataclass
class _Run:
    """One generation: what is there, and what becomes of it."""

    settings: ServiceSettings
    manifest: Manifest
    verifier: Verifier
    is_forced: bool
    is_dry: bool
    entries: dict[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = dict(self.manifest.services)

    @property
    def folder(self) -> Path:
        return self.settings.generated_dir

    def components(self, service: ServiceConfig) -> frozenset[Component]:
        return _components(service, self.settings)

    def service(self, service: ServiceConfig, spec: Spec) -> ServiceReport:
        """Generates one service, if need be."""
        known = self.manifest.services.get(service.name)
        try:
            selected = select(spec, service.include, service.exclude)
            build = ServiceBuild(service, selected, self.folder, self.components(service))
            if known is not None and self._is_current(known, build):
                edited = package.touched(self.folder, [file.name for file in known.files])
                notes = tuple(f"{name} was edited by hand and stays so; --force generates it anew" for name in edited)
                return ServiceReport(service.name, "unchanged", known.files, known.sizes, known.skipped, notes=notes)
            entry = self._generate(build, known)
        except (SpecError, OSError) as error:
            files = known.files if known is not None else ()
            return ServiceReport(service.name, "failed", files, skipped=_skipped(spec), error=_told(error))
        self.entries[service.name] = entry
        return ServiceReport(service.name, "generated", entry.files, entry.sizes, entry.skipped)

    def removals(self, kept: Collection[str]) -> list[ServiceReport]:
        """Removes the files of services that are no longer there, but for those that people have edited."""
        return [self._remove(name) for name in sorted(self.entries.keys() - kept)]

    def _is_current(self, known: Entry, build: ServiceBuild) -> bool:
        is_new = self.is_forced or not self.settings.on_change_only
        return not is_new and known.inputs == build.inputs and package.is_complete(self.folder, known)

    def _generate(self, build: ServiceBuild, known: Entry | None) -> Entry:
        contents = build.contents()
        before = [file.name for file in known.files] if known is not None else []
        self._spare_edited({*contents, *before})
        found = self._examine(build, contents)
        entry = Entry(
            build.inputs,
            build.stored.digest,
            tuple(OwnedFile(name, len(content)) for name, content in contents.items()),
            build.exports(),
            found,
            _skipped(build.spec),
        )
        if not self.is_dry:
            package.replace_files(self.folder, contents)
            package.remove_files(self.folder, [name for name in before if name not in contents and _is_module(name)])
        return entry

    def _examine(self, build: ServiceBuild, contents: Mapping[str, bytes]) -> ToolSizes | None:
        with tempfile.TemporaryDirectory(prefix="syncflow-") as parent:
            stage = Path(parent, _STAGE)
            stage.mkdir()
            for name, content in {**contents, package.INIT: b""}.items():
                (stage / name).write_bytes(content)
            found = self.verifier.examine(Path(parent), _STAGE, build.mcp_module, build.resolver_module)
        return with_measured(build.sizes, found)

    def _spare_edited(self, names: Collection[str]) -> None:
        edited = [] if self.is_forced else package.touched(self.folder, sorted(names))
        if edited:
            file = self.folder / edited[0]
            raise GenerationFailed(f"{file} is not what was generated; it stays as it is: move it away, or use --force")

    def _remove(self, name: str) -> ServiceReport:
        entry = self.entries.pop(name)
        # `user_service` has the files that were those of `user-service`
        others = {file.name for other in self.entries.values() for file in other.files}
        names = [file.name for file in entry.files if file.name not in others]
        edited = [] if self.is_forced else package.touched(self.folder, names)
        if not self.is_dry:
            package.remove_files(self.folder, [name for name in names if name not in edited])
        notes = tuple(f"{each} was edited by hand and stays; remove it yourself" for each in edited)
        return ServiceReport(name, "removed", entry.files, notes=notes)


def _told(error: SpecError | OSError) -> SpecError:
    if isinstance(error, SpecError):
        return error
    told = GenerationFailed(f"the generated files cannot be written ({error.strerror}); mend that, and try again")
    told.__cause__ = error
    return told


def _is_module(name: str) -> bool:
    """The spec that a module stood on stays a while; see `package.tidy`."""
    return name.endswith(".py")


def _skipped(spec: Spec) -> tuple[tuple[str, str], ...]:
    return tuple((finding.pointer, finding.reason) for finding in spec.findings if finding.is_fatal)
