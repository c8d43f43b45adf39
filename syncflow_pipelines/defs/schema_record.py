"""Tells Dagster of schemas that it did not generate itself, so that its assets show them too."""

from collections.abc import Iterable

import dagster as dg

from syncflow_pipelines.config import Settings, load_schema_sync
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.schema_checks import checks_of, evaluate
from syncflow_pipelines.defs.schema_results import schemas_result
from syncflow_pipelines.defs.spec_record import checked, materialised, open_recording
from syncflow_pipelines.schemas.reports import SourceReport


def report_schemas(settings: Settings, reports: Iterable[SourceReport]) -> int:
    """Records the sources that were generated, and their checks; returns how many. Nothing happens without an instance.

    Raises `DatabaseError` where Dagster's storage, or SyncFlow's database, cannot be reached.
    """
    generated = [report for report in reports if report.status == "generated"]
    with open_recording(settings.home if generated else None) as instance:
        if instance is None:
            return 0
        _record(instance, settings, generated)
    return len(generated)


def _record(instance: dg.DagsterInstance, settings: Settings, generated: list[SourceReport]) -> None:
    sources = {source.name: source for source in load_schema_sync(settings).sources}
    with open_database(settings) as database:
        for report in generated:
            materialised(instance, schemas_result(settings, report))
            for check in checks_of(sources[report.source]):
                checked(instance, evaluate(database, settings, report.source, check))
