"""Tells Dagster of specs and modules that it did not fetch and generate itself, so that its assets show them too."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import dagster as dg
from dagster import AssetCheckEvaluation

from syncflow_pipelines.codegen.kept import components_of
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Services, Settings, choose_services
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.names import spec_key
from syncflow_pipelines.defs.record import instance_folder
from syncflow_pipelines.defs.spec_checks import breaking_changes, breaking_result, quarantined
from syncflow_pipelines.defs.spec_results import component_result, data_version_of, spec_result
from syncflow_pipelines.defs.specs import component_key
from syncflow_pipelines.openapi.acceptance import Standing
from syncflow_pipelines.openapi.refreshing import Refreshed
from syncflow_pipelines.openapi.store import SpecStore


def report_specs(database: Database, settings: Settings, services: Services, refreshed: Iterable[Refreshed]) -> int:
    """Records the specs that changed, and their checks; returns how many. Without an instance, nothing happens."""
    with SpecRecord(settings) as record:
        return record.specs(database, services, refreshed)


def report_generated(settings: Settings, services: Services, reports: Sequence[ServiceReport]) -> int:
    """Records the modules that were generated; returns of how many services. Without an instance, nothing happens."""
    with SpecRecord(settings) as record:
        return record.generated(services, reports)


class SpecRecord:
    """Dagster's event log, opened when something is recorded, and then kept open until the block is left."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance: dg.DagsterInstance | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.__exit__(kind, error, trace)

    def open(self) -> dg.DagsterInstance | None:
        """The instance; None as long as there is none."""
        folder = instance_folder(self._settings.home) if self._instance is None else None
        if folder is not None:
            self._instance = self._resources.enter_context(dg.DagsterInstance.from_config(str(folder)))
        return self._instance

    def specs(self, database: Database, services: Services, refreshed: Iterable[Refreshed]) -> int:
        """As `report_specs`."""
        changed = [one for one in refreshed if one.status == "changed"]
        instance = self.open() if changed else None
        if instance is None:
            return 0
        for one in changed:
            (service,) = choose_services(services, [one.service])
            result = spec_result(database, service, one, data_version_of(instance, spec_key(one.service)))
            materialised(instance, result)
            checked(instance, breaking_changes(database, self._settings, one.service))
            checked(instance, quarantined(database, one.service))
        return len(changed)

    def generated(self, services: Services, reports: Sequence[ServiceReport]) -> int:
        """As `report_generated`."""
        generated = [report for report in reports if report.status == "generated"]
        instance = self.open() if generated else None
        if instance is None:
            return 0
        kept = SpecStore(services.settings, self._settings).kept()
        for report in generated:
            (service,) = choose_services(services, [report.service])
            for component in components_of(service, services.settings):
                key, spec = component_key(report.service, component), kept.get(report.service)
                folder, checksum = services.settings.generated_dir, spec.checksum if spec else None
                materialised(instance, component_result(key, component, service, folder, report, checksum))
        return len(generated)


def report_standing(name: str, standing: Standing, home: Path) -> None:
    """Records what became of the check for breaking changes; nothing happens without an instance."""
    with open_recording(home) as instance:
        if instance is not None:
            checked(instance, breaking_result(name, standing))


@contextmanager
def open_recording(home: Path | None) -> Iterator[dg.DagsterInstance | None]:
    """The instance to record in; None where there is none, or no `home` to look beside."""
    folder = instance_folder(home) if home is not None else None
    if folder is None:
        yield None
        return
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def materialised(instance: dg.DagsterInstance, result: dg.MaterializeResult[None]) -> None:
    """Records a materialisation without a run."""
    assert result.asset_key is not None
    version = {"dagster/data_version": result.data_version.value} if result.data_version else {}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(result.asset_key, metadata=result.metadata, tags={**version, **(result.tags or {})})
    )


def checked(instance: dg.DagsterInstance, result: dg.AssetCheckResult) -> None:
    """Records a check without a run."""
    assert result.asset_key is not None
    assert result.check_name is not None
    instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata=dict(result.metadata),
        )
    )
