"""The two asset checks of a service's spec. They look at what is recorded, so they can be run alone, too."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster import AssetCheckSeverity

from syncflow_pipelines.config import ServiceConfig, Settings, choose_services, load_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines.defs.names import spec_key
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.acceptance import Standing, judge
from syncflow_pipelines.openapi.diff import as_markdown

BREAKING_CHANGES = "breaking_changes"
QUARANTINED = "quarantined_operations"

_DESCRIPTIONS = {
    BREAKING_CHANGES: "Nothing that callers of the service rely on has changed, or somebody has accepted it.",
    QUARANTINED: "Every part of the document can be used.",
}
_SHOWN = 3


def spec_checks(world: World) -> list[dg.AssetChecksDefinition]:
    """Both checks of every service, one step for each service."""
    return [_checks(world.settings, service) for service in world.followed]


def _checks(settings: Settings, service: ServiceConfig) -> dg.AssetChecksDefinition:
    name, key = service.name, spec_key(service.name)

    @dg.multi_asset_check(
        name=f"{service.module_name}__openapi_checks",
        specs=[dg.AssetCheckSpec(check, asset=key, description=told) for check, told in _DESCRIPTIONS.items()],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        wanted = {check.name for check in context.selected_asset_check_keys}
        with open_database(settings) as database, working(database, context.instance, context.run.run_id):
            if BREAKING_CHANGES in wanted:
                yield breaking_changes(database, settings, name)
            if QUARANTINED in wanted:
                yield quarantined(database, name)

    return checks


def breaking_changes(database: Database, settings: Settings, name: str) -> dg.AssetCheckResult:
    """The check as things stand; what breaks nothing is accepted by it."""
    services = load_services(settings)
    (service,) = choose_services(services, [name])
    try:
        standing = judge(database, service, services.settings.acknowledged)
    except SpecError as error:
        return _result(name, BREAKING_CHANGES, False, str(error), severity=AssetCheckSeverity.WARN)
    return breaking_result(name, standing)


def breaking_result(name: str, standing: Standing) -> dg.AssetCheckResult:
    """The check where the spec stands so."""
    return _result(
        name,
        BREAKING_CHANGES,
        standing.is_accepted,
        _told(name, standing),
        diff=dg.MetadataValue.md(as_markdown(standing.diff)),
        breaking=len(standing.diff.breaking),
        contract=standing.current.contract,
        since=f"version {standing.before.id}",
    )


def quarantined(database: Database, name: str) -> dg.AssetCheckResult:
    """The check as the last look at the spec left it."""
    with database.connection() as connection:
        record = recorded_specs(connection).get(name)
    findings = [dict(finding) for finding in record.findings] if record is not None else []
    fatal = [f"{one['pointer'] or '/'}: {one['reason']}" for one in findings if one["is_fatal"]]
    more = f"; and {len(fatal) - _SHOWN} more" if len(fatal) > _SHOWN else ""
    told = "; ".join(fatal[:_SHOWN]) + more if fatal else "every operation can be used"
    return _result(name, QUARANTINED, not fatal, told, severity=AssetCheckSeverity.WARN, count=len(fatal))


def _told(name: str, standing: Standing) -> str:
    if not standing.is_accepted:
        return (
            f"{standing.diff.summary()} since the last version that was accepted; "
            f"once callers can live with them: syncflow specs ack {name}"
        )
    if standing.verdict.decided_by:
        return f"accepted by {standing.verdict.decided_by}"
    return standing.diff.summary()


def _result(
    name: str, check: str, passed: bool, told: str, *, severity: AssetCheckSeverity = AssetCheckSeverity.ERROR,
    **metadata: Any,
) -> dg.AssetCheckResult:  # fmt: skip
    return dg.AssetCheckResult(
        asset_key=spec_key(name),
        check_name=check,
        passed=passed,
        severity=severity,
        description=told,
        metadata=metadata,
    )
