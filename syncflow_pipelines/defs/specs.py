"""The assets of the services: each OpenAPI document, and what is generated from it."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from syncflow_pipelines.codegen.kept import components_of, generate_kept
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Component, ServiceConfig, Settings, choose_services, load_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines.defs.gateway import keys_before
from syncflow_pipelines.defs.names import mcp_server_key, resolver_key, spec_key
from syncflow_pipelines.defs.results import give_up
from syncflow_pipelines.defs.spec_results import component_result, data_version_of, spec_result
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.openapi.refreshing import refresh

GROUP = "services"
POOL = "openapi"
"""Bounds how many runs hold a large document at once."""

_KINDS = {"mcp": {"python", "mcp"}, "rest": {"python", "connexion"}}
_DESCRIPTIONS = {
    "mcp": "The MCP server that is generated from the OpenAPI document of {}: its operations as tools.",
    "rest": "The Connexion resolver that is generated from the OpenAPI document of {}: it forwards every operation.",
}


def spec_assets(world: World) -> list[dg.AssetsDefinition]:
    """Of each enabled service the document, and one step that generates what is made from it."""
    assets: list[dg.AssetsDefinition] = []
    for service in world.followed:
        assets.append(_document(world.settings, service, keys_before(world, service)))
        if components := components_of_service(world, service):
            assets.append(_generated(world.settings, service, components))
    return assets


def generated_keys(world: World, service: ServiceConfig) -> list[dg.AssetKey]:
    """The assets of what is generated of the service."""
    return [component_key(service.name, component) for component in components_of_service(world, service)]


def components_of_service(world: World, service: ServiceConfig) -> tuple[Component, ...]:
    """What is generated of the service, as its configuration and the switches for all say."""
    return components_of(service, world.services.settings) if world.services else ()


def component_key(service: str, component: Component) -> dg.AssetKey:
    """The asset of one thing that is generated of the service."""
    return mcp_server_key(service) if component == "mcp" else resolver_key(service)


def _document(settings: Settings, service: ServiceConfig, deps: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    name = service.name
    told = f"The OpenAPI document of {name}"

    @dg.multi_asset(
        name=f"{service.module_name}__openapi",
        specs=[
            dg.AssetSpec(
                spec_key(name),
                deps=deps,
                description=f"{told}: {service.description}" if service.description else f"{told}, as it was fetched.",
                group_name=GROUP,
                kinds={"openapi"},
                metadata={"base_url": dg.MetadataValue.url(service.base_url)},
            )
        ],
        pool=POOL,
    )
    def document(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield _fetched(context, settings, name)

    return document


def _fetched(context: dg.AssetExecutionContext, settings: Settings, name: str) -> dg.MaterializeResult[None]:
    with open_database(settings) as database, working(database, context.instance, context.run.run_id) as cancelled:
        try:
            services = load_services(settings)
            (service,) = choose_services(services, [name])
            (refreshed,) = refresh(services, settings, only=[name], database=database, cancelled=cancelled)
            before = data_version_of(context.instance, spec_key(name))
            if refreshed.error is None:
                return spec_result(database, service, refreshed, before)
            error, error_type = refreshed.error, refreshed.error_type
        except SyncflowError as failed:
            error, error_type = str(failed), type(failed).__name__
    give_up(context.instance, context.run.run_id, [error_type])
    raise dg.Failure(description=error if name in error else f"{name}: {error}")


def _generated(settings: Settings, service: ServiceConfig, components: tuple[Component, ...]) -> dg.AssetsDefinition:
    name = service.name

    @dg.multi_asset(
        name=f"{service.module_name}__generated",
        specs=[
            dg.AssetSpec(
                component_key(name, component),
                deps=[spec_key(name)],
                description=_DESCRIPTIONS[component].format(name),
                group_name=GROUP,
                kinds=_KINDS[component],
                skippable=True,
            )
            for component in components
        ],
        can_subset=True,
        pool=POOL,
    )
    def generated(context: dg.AssetExecutionContext) -> Iterator[Any]:
        keys = {component_key(name, component): component for component in components}
        wanted = [keys[key] for key in keys if key in context.selected_asset_keys]
        yield from _modules(context, settings, name, wanted)

    return generated


def _modules(
    context: dg.AssetExecutionContext, settings: Settings, name: str, wanted: list[Component]
) -> Iterator[dg.MaterializeResult[None]]:
    with open_database(settings) as database, working(database, context.instance, context.run.run_id):
        services = load_services(settings)
        (service,) = choose_services(services, [name])
        report = _report(context, settings, database, name)
        checksum = _checksum(database, name)
    for note in report.notes:
        context.log.warning(note)
    for component in wanted:
        key = component_key(name, component)
        yield component_result(key, component, service, services.settings.generated_dir, report, checksum)


def _report(context: dg.AssetExecutionContext, settings: Settings, database: Database, name: str) -> ServiceReport:
    """Generates the service. Raises `Failure` in one sentence where nothing came of it; the old files stand then."""
    try:
        (report,) = generate_kept(load_services(settings), settings, only=[name], database=database).services
        error: SyncflowError | None = report.error
    except SyncflowError as failed:
        error = failed
    if error is None:
        return report
    give_up(context.instance, context.run.run_id, [type(error).__name__])
    raise dg.Failure(description=f"{name} was not generated, and the old files stand: {error}") from error


def _checksum(database: Database, service: str) -> str | None:
    with database.connection() as connection:
        record = recorded_specs(connection).get(service)
    return record.checksum if record is not None else None
