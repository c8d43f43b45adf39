"""All definitions of an installation."""

import dagster as dg

from syncflow_pipelines.defs.catalogues import catalogue_assets
from syncflow_pipelines.defs.changes import changes_sensor
from syncflow_pipelines.defs.due import due_sensor
from syncflow_pipelines.defs.entities import entity_assets
from syncflow_pipelines.defs.jobs import discovery_job, due_syncs_job, partitioned_jobs
from syncflow_pipelines.defs.retention import retention_job, retention_schedule
from syncflow_pipelines.defs.world import World


def build_definitions(world: World) -> dg.Definitions:
    """Assets, checks, jobs, sensors and the schedule; asks neither network nor database."""
    due, discovery, retention = due_syncs_job(), discovery_job(world), retention_job(world.settings)
    return dg.Definitions(
        assets=[*catalogue_assets(world), *entity_assets(world)],
        jobs=[due, discovery, *partitioned_jobs(world.settings), retention],
        sensors=[due_sensor(world, due), changes_sensor(world, discovery)],
        schedules=[retention_schedule(retention)],
        executor=dg.in_process_executor,
    )
