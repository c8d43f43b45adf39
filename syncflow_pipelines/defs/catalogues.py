"""The assets of the catalogues: what each source offers, and what follows when that changes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.gateway import keys_before
from syncflow_pipelines.defs.names import catalogue_key, spec_key
from syncflow_pipelines.defs.partitions import follow_discovery
from syncflow_pipelines.defs.results import give_up
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import World, live_world, load_world
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.model import DiscoveryReport
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.transport.dagster_webserver import LOCATION, ask_reload

USABLE = "usable"
_OUTPUT = "catalogue"


def catalogue_assets(world: World) -> list[dg.AssetsDefinition]:
    """One asset for each connector of the configuration, discovered or not."""
    groups, loaded = world.identifiers(), world.fingerprint()
    followed = {service.name for service in world.followed}
    # Of the same system: where its contract changed, what it offers may be next.
    specs = {one.name: [spec_key(one.service)] for one in world.connectors if one.service in followed and one.service}
    return [
        _catalogue(world.settings, one, groups[one.name], loaded, [*keys_before(world, one), *specs.get(one.name, ())])
        for one in world.connectors
    ]


def _catalogue(
    settings: Settings, config: ConnectorConfig, group: str, loaded: str, deps: Sequence[dg.AssetKey]
) -> dg.AssetsDefinition:
    """Not by `@multi_asset`, which makes names of keys: those of some connectors hold characters that no name may."""
    connector, key = config.name, catalogue_key(config.name)
    inputs = {f"dep_{number}": dep for number, dep in enumerate(deps)}
    spec = dg.AssetSpec(
        key,
        deps=deps,
        description=f"What the source {connector} offers: its entities, their columns, keys and strategies.",
        group_name=group,
        kinds={"json"},
    )
    usable = dg.AssetCheckSpec(USABLE, asset=key, description="Every entity of the catalogue can be used as it is.")

    @dg.op(
        name=f"{group}__catalogue",
        ins={name: dg.In(dg.Nothing) for name in inputs},
        out={_OUTPUT: dg.Out(dg.Nothing), USABLE: dg.Out(None)},
    )
    def catalogue(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield _discovered(context, settings, connector, loaded)

    return dg.AssetsDefinition(
        keys_by_input_name=inputs,
        keys_by_output_name={_OUTPUT: key},
        check_specs_by_output_name={USABLE: usable},
        node_def=catalogue,
        specs=[spec],
    )


def _discovered(
    context: dg.AssetExecutionContext, settings: Settings, connector: str, loaded: str
) -> dg.MaterializeResult[None]:
    """Discovers the connector; partitions and, through the webserver, definitions follow."""
    with open_database(settings) as database, working(database, context.instance, context.run.run_id):
        try:
            report = discover(database, live_world(settings, database).connector(connector), settings)
        except SyncflowError as error:
            give_up(context.instance, context.run.run_id, [type(error).__name__])
            raise dg.Failure(description=f"{connector} was not discovered: {error}") from error
        world = load_world(settings)
        follow_discovery(context.instance, world)
    for finding in report.findings:
        context.log.warning(f"{finding.entity or connector}: {finding.message}")
    if world.fingerprint() != loaded:
        ask_reload(settings.dagster_url, _location(context))
    key = catalogue_key(connector)
    return dg.MaterializeResult(
        asset_key=key,
        metadata=_metadata(report),
        data_version=dg.DataVersion(report.digest),
        check_results=[_usable(key, report)],
    )


def _location(context: dg.AssetExecutionContext) -> str:
    origin = context.run.remote_job_origin
    return origin.location_name if origin else LOCATION


def _usable(key: dg.AssetKey, report: DiscoveryReport) -> dg.AssetCheckResult:
    mistakes = [
        f"{finding.entity or '-'}: {finding.message}" for finding in report.findings if finding.severity == "error"
    ]
    refused = [f"{slug}: {reason}" for slug, reason in report.refused.items()]
    problems = list(dict.fromkeys(mistakes + refused))
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=USABLE,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(problems) or "every entity can be used",
        metadata={"count": len(problems)},
    )


def _metadata(report: DiscoveryReport) -> Mapping[str, Any]:
    slugs = {"added": report.added, "changed": report.changed, "gone": report.gone}
    changes = "\n".join(
        f"| {change.entity} | {change.kind} | {change.column or ''} | {change.before or ''} | {change.after or ''} |"
        for change in report.changes
    )
    return {
        "entities": len(report.entities),
        **{name: len(found) for name, found in slugs.items()},
        "refused": len(report.refused),
        "findings": len(report.findings),
        "seconds": round(report.seconds, 3),
        "digest": report.digest,
        **{f"{name}_entities": ", ".join(found) for name, found in slugs.items() if found},
        **({"changes": dg.MetadataValue.md(f"{_HEADING}{changes}")} if changes else {}),
    }


_HEADING = "| entity | change | column | before | after |\n|---|---|---|---|---|\n"
