"""The three asset checks of a source's schemas. They look at what is there, so they can be run alone, too."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import AssetCheckSeverity

from syncflow_pipelines.config import SchemaSourceConfig, Settings, choose_sources, load_schema_sync
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.defs.names import identifiers, schemas_key
from syncflow_pipelines.defs.schema_results import code, table
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.openapi.diff.printable import value_text
from syncflow_pipelines.schemas.comparison.compatibility import Change
from syncflow_pipelines.schemas.comparison.live import Difference
from syncflow_pipelines.schemas.comparison.live_source import live_differences
from syncflow_pipelines.schemas.comparison.versions import read_versions
from syncflow_pipelines.schemas.standing import validity
from syncflow_pipelines.schemas.workshop import WarmWorkshop

COMPATIBLE = "compatible"
MATCHES_TABLE = "matches_table"
VALID = "valid"

_DESCRIPTIONS = {
    COMPATIBLE: "Who reads or writes with the previous version of the schemas can go on with this one.",
    MATCHES_TABLE: "The tables have the columns, types and nullability that the schemas say.",
    VALID: "The module imports in an interpreter of its own, and every class takes a sample.",
}
_SHOWN = 5


def schema_checks(world: World) -> list[dg.AssetChecksDefinition]:
    """The checks of every source, one step for each; tables are looked at where a source has some."""
    names = identifiers(source.name for source in world.sources)
    return [_checks(world.settings, source, names[source.name]) for source in world.sources]


def checks_of(source: SchemaSourceConfig) -> dict[str, str]:
    """The checks of a source, and what they say; only where its tables are known are they compared."""
    has_tables = source.type == "connector" or source.database_url_env is not None
    return {name: told for name, told in _DESCRIPTIONS.items() if has_tables or name != MATCHES_TABLE}


def evaluate(database: Database, settings: Settings, name: str, check: str) -> dg.AssetCheckResult:
    """One check of that source, as things stand now."""
    try:
        (source,) = choose_sources(load_schema_sync(settings), [name])
        if check == COMPATIBLE:
            return _compatible(settings, source)
        return _valid(settings, source) if check == VALID else _matches_table(database, settings, source)
    except SyncflowError as error:
        return _result(name, check, False, str(error), AssetCheckSeverity.WARN)


def _checks(settings: Settings, source: SchemaSourceConfig, identifier: str) -> dg.AssetChecksDefinition:
    name, key = source.name, schemas_key(source.name)

    @dg.multi_asset_check(
        name=f"{identifier}__schemas_checks",
        specs=[dg.AssetCheckSpec(check, asset=key, description=told) for check, told in checks_of(source).items()],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with open_database(settings) as database, working(database, context.instance, context.run.run_id):
            for check in sorted(wanted):
                yield evaluate(database, settings, name, check)

    return checks


def _compatible(settings: Settings, source: SchemaSourceConfig) -> dg.AssetCheckResult:
    """A warning where something breaks: whoever changes models means to, and nobody can take it back for them."""
    versions = read_versions(settings.home, source.name)
    if versions is None or versions.previous is None:
        return _result(source.name, COMPATIBLE, True, "there is no previous version to compare with")
    found = versions.compatibility()
    tables = {
        side: dg.MetadataValue.md(_changes(changes))
        for side, changes in (("readers", found.readers), ("writers", found.writers))
        if changes
    }
    breaking = sum(change.severity == "breaking" for change in found.changes)
    since = f"{versions.previous.at:%Y-%m-%d %H:%M:%S} UTC"
    told = f"{found.summary()}, since the version of {since}"
    return _result(
        source.name, COMPATIBLE, not found.is_breaking, told, AssetCheckSeverity.WARN,
        breaking=breaking, changes=len(found.changes), since=since, **tables,
    )  # fmt: skip


def _matches_table(database: Database, settings: Settings, source: SchemaSourceConfig) -> dg.AssetCheckResult:
    versions = read_versions(settings.home, source.name)
    if versions is None or versions.current.form is None:
        told = f"nothing is known of what the schemas were made from; syncflow schemas sync {source.name} --force"
        return _result(source.name, MATCHES_TABLE, False, told, AssetCheckSeverity.WARN)
    differences = live_differences(database, settings, source, versions.current.form)
    harmful = [one for one in differences if not one.is_harmless]
    told = "; ".join(_told(one) for one in harmful[:_SHOWN]) or "every table is as its schemas say"
    more = f"; and {len(harmful) - _SHOWN} more" if len(harmful) > _SHOWN else ""
    listed = {"differences": dg.MetadataValue.md(_differences(differences))} if differences else {}
    return _result(
        source.name, MATCHES_TABLE, not harmful, told + more, AssetCheckSeverity.ERROR,
        count=len(harmful), harmless=len(differences) - len(harmful), **listed,
    )  # fmt: skip


def _valid(settings: Settings, source: SchemaSourceConfig) -> dg.AssetCheckResult:
    with WarmWorkshop(settings) as workshop:
        error = validity(source, workshop).error
    return _result(source.name, VALID, error is None, str(error) if error else "the module works")


def _changes(changes: tuple[Change, ...]) -> str:
    rows = [
        (
            change.severity, code(change.where), code(change.message), code(change.rule),
            *("" if value is None else code(value_text(value)) for value in (change.before, change.after)),
        )
        for change in changes
    ]  # fmt: skip
    return table(("severity", "where", "what", "rule", "before", "after"), rows)


def _differences(differences: tuple[Difference, ...]) -> str:
    rows = [
        (code(one.where), one.kind, code(one.in_schema), code(one.in_table), code(one.table),
         "" if one.is_harmless else "yes")
        for one in differences
    ]  # fmt: skip
    return table(("where", "what", "schema", "table says", "table", "fails"), rows)


def _told(one: Difference) -> str:
    return f"{one.where} ({one.kind}): {one.in_schema} in the schema, {one.in_table} in {one.table}"


def _result(
    source: str, check: str, passed: bool, told: str,
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR, **metadata: Any,
) -> dg.AssetCheckResult:  # fmt: skip
    return dg.AssetCheckResult(
        asset_key=schemas_key(source),
        check_name=check,
        passed=passed,
        severity=severity,
        description=told,
        metadata=metadata,
    )
