"""All definitions of an installation."""

import dagster as dg

from syncflow_pipelines.defs.alerts import alerts_sensor
from syncflow_pipelines.defs.catalogues import catalogue_assets
from syncflow_pipelines.defs.changes import changes_sensor
from syncflow_pipelines.defs.due import due_sensor
from syncflow_pipelines.defs.endpoint_health import health_sensor
from syncflow_pipelines.defs.entities import entity_assets
from syncflow_pipelines.defs.gateway import endpoint_assets, endpoint_checks
from syncflow_pipelines.defs.jobs import (
    discovery_job,
    due_syncs_job,
    partitioned_jobs,
    requested_syncs_job,
    schemas_job,
    specs_job,
)
from syncflow_pipelines.defs.requested import requested_sensor
from syncflow_pipelines.defs.retention import retention_job, retention_schedule
from syncflow_pipelines.defs.schema_changes import schema_sensor
from syncflow_pipelines.defs.schema_checks import schema_checks
from syncflow_pipelines.defs.schemas import schema_assets
from syncflow_pipelines.defs.spec_changes import spec_sensor
from syncflow_pipelines.defs.spec_checks import spec_checks
from syncflow_pipelines.defs.specs import spec_assets
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.logs.handlers import log_own_lines


def build_definitions(world: World) -> dg.Definitions:
    """Assets, checks, jobs, sensors and the schedule; asks neither network nor database."""
    log_own_lines(world.settings)
    due, discovery, specs, schemas = due_syncs_job(), discovery_job(world), specs_job(world), schemas_job(world)
    requested, retention = requested_syncs_job(), retention_job(world.settings)
    return dg.Definitions(
        assets=[
            *catalogue_assets(world),
            *entity_assets(world),
            *spec_assets(world),
            *schema_assets(world),
            *endpoint_assets(world),
        ],
        asset_checks=[*spec_checks(world), *schema_checks(world), *endpoint_checks(world)],
        jobs=[due, requested, discovery, specs, schemas, *partitioned_jobs(world.settings), retention],
        sensors=[
            due_sensor(world, due),
            requested_sensor(world, requested),
            changes_sensor(world, discovery),
            spec_sensor(world, specs),
            schema_sensor(world, schemas),
            health_sensor(world),
            alerts_sensor(world, [discovery.name, specs.name, schemas.name, retention.name]),
        ],
        schedules=[retention_schedule(retention)],
        executor=dg.in_process_executor,
    )
