"""Code from the specs that are kept: what the commands, Dagster's assets and the demo call."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager

from syncflow_pipelines.codegen.generation import generate
from syncflow_pipelines.codegen.reports import GenerationReport, ServiceReport
from syncflow_pipelines.codegen.telling import tell_generated
from syncflow_pipelines.codegen.verification import Verifier, never
from syncflow_pipelines.config import (
    Component,
    ServiceConfig,
    Services,
    ServiceSettings,
    Settings,
    choose_services,
)
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import GenerationFailed, SpecError
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.store import SpecStore


def generate_kept(
    services: Services,
    settings: Settings,
    *,
    only: Collection[str] = (),
    force: bool = False,
    dry_run: bool = False,
    database: Database | None = None,
    cancelled: Callable[[], bool] = never,
    verifier: Callable[[], AbstractContextManager[Verifier]] | None = None,
) -> GenerationReport:
    """As `generate`, from the specs that were fetched; with a database, what was generated is published there.

    A service whose spec cannot be used, or was never fetched, has failed; what was generated of it stands. Raises
    `ConfigurationError` where `only` names an unknown service, and what `generate` raises.
    """
    chosen = choose_services(services, only)
    store = SpecStore(services.settings, settings)
    specs: dict[str, Spec] = {}
    failed: list[ServiceReport] = []
    for service in chosen:
        if not components_of(service, services.settings):
            continue
        try:
            specs[service.name] = store.spec(service.name)
        except SpecError as error:
            failed.append(ServiceReport(service.name, "failed", error=_cause(error)))
    generated: tuple[ServiceReport, ...] = ()
    if specs or services.settings.generated_dir.exists():  # a folder is made only for something that goes into it
        report = generate(
            services, specs, only=only, force=force, dry_run=dry_run, cancelled=cancelled, verifier=verifier
        )
        generated = report.services
    if database is not None and services.settings.enable_event_bus and not dry_run:
        current = {one.service for one in generated if one.status in ("generated", "unchanged")}
        checksums = {name: spec.checksum for name, spec in specs.items() if name in current}
        tell_generated(database, services.settings.generated_dir, checksums)
    together = sorted((*generated, *failed), key=lambda one: one.service)
    return GenerationReport(tuple(together), dry_run)


def components_of(service: ServiceConfig, settings: ServiceSettings) -> tuple[Component, ...]:
    """What is generated of a service, in the order `mcp`, `rest`; nothing of one that is switched off."""
    return tuple(_components(service, settings)) if service.enabled else ()


def _components(service: ServiceConfig, settings: ServiceSettings) -> Iterator[Component]:
    if settings.enable_fastmcp and "mcp" in service.components:
        yield "mcp"
    if settings.enable_connexion and "rest" in service.components:
        yield "rest"


def _cause(error: SpecError) -> GenerationFailed:
    failure = GenerationFailed(str(error))
    failure.__cause__ = error
    return failure
