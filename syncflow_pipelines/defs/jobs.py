"""Jobs: the batched sync and the discovery that the sensors ask for, and the partitioned ones for people.

All run their steps in the run's own process: a process for each step would cost more than most syncs.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from syncflow_pipelines.config import Settings
from syncflow_pipelines.defs.names import (
    CONNECTOR_TAG,
    REPAIR_TAG,
    STRATEGY_TAG,
    catalogue_key,
    entity_of_partition,
    schemas_key,
    spec_key,
)
from syncflow_pipelines.defs.partitions import PARTITIONS
from syncflow_pipelines.defs.schemas import schema_keys
from syncflow_pipelines.defs.specs import generated_keys
from syncflow_pipelines.defs.syncing import sync_partition
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.sync.claims import REQUESTED_SYNCS
from syncflow_pipelines.sync.model import STRATEGIES, Strategy

DUE_SYNCS = "due_syncs"
DISCOVERY = "discovery"
OPENAPI_SPECS = "openapi_specs"
SCHEMA_SYNC = "schema_sync"
WATCHED = frozenset(
    {
        DUE_SYNCS,
        REQUESTED_SYNCS,
        DISCOVERY,
        OPENAPI_SPECS,
        SCHEMA_SYNC,
        *(f"{strategy}_sync" for strategy in STRATEGIES),
    }
)
"""Jobs all of whose steps show that their process lives."""

RETRY_TAGS = {"dagster/max_retries": "3"}
BATCH_TAGS = {
    **RETRY_TAGS,
    # The retry holds what was not materialised, and leaves out what was.
    "dagster/retry_strategy": "FROM_ASSET_FAILURE",
    # Before the repairs and backfills that people start, which can be many.
    "dagster/priority": "1",
}

_DESCRIPTIONS: dict[Strategy, str] = {
    "rowversion": "Reads what changed since the entity's cursor. For entities that have row versions.",
    "hash": "Reads the whole entity and writes what differs; finds deletes that a source does not tell.",
    "full": "A full refresh: forgets the cursor, reads the whole entity, and compares every column.",
}


def due_syncs_job() -> UnresolvedAssetJobDefinition:
    """Any part of the entities' assets, retried entity by entity."""
    return dg.define_asset_job(
        DUE_SYNCS,
        selection=_entities(),
        description="Syncs entities, each by its own strategy. The sensor due_entities asks for what is due.",
        tags=BATCH_TAGS,
        executor_def=dg.in_process_executor,
    )


def requested_syncs_job() -> UnresolvedAssetJobDefinition:
    """Any part of the entities' assets; what was asked for of each stands in the database."""
    return dg.define_asset_job(
        REQUESTED_SYNCS,
        selection=_entities(),
        description="Runs the syncs that were asked for over the API. Started there, or by the sensor requested_syncs.",
        tags={**BATCH_TAGS, "dagster/priority": "3"},
        executor_def=dg.in_process_executor,
    )


def _entities() -> dg.AssetSelection:
    selections = [dg.AssetSelection.tag(STRATEGY_TAG, strategy) for strategy in STRATEGIES]
    return selections[0] | selections[1] | selections[2]


def discovery_job(world: World) -> UnresolvedAssetJobDefinition:
    """Any part of the catalogues' assets, and of the schemas of their entities."""
    keys = [
        key
        for connector in world.connectors
        for key in (catalogue_key(connector.name), *schema_keys(world, connector=connector.name))
    ]
    return dg.define_asset_job(
        DISCOVERY,
        selection=dg.AssetSelection.assets(*keys),
        description="Reads the catalogues of the sources. The sensor catalogue_changes asks for those that changed.",
        tags={**BATCH_TAGS, "dagster/priority": "2"},
        executor_def=dg.in_process_executor,
    )


def specs_job(world: World) -> UnresolvedAssetJobDefinition:
    """Any part of the services' assets."""
    keys = [
        key
        for service in world.followed
        for key in (
            spec_key(service.name), *generated_keys(world, service), *schema_keys(world, service=service.name)
        )
    ]  # fmt: skip
    return dg.define_asset_job(
        OPENAPI_SPECS,
        selection=dg.AssetSelection.assets(*keys),
        description=(
            "Fetches the OpenAPI documents of the services, and generates what is made from them. The sensor "
            "openapi_spec_changes asks for those that changed."
        ),
        tags={**BATCH_TAGS, "dagster/priority": "2"},
        executor_def=dg.in_process_executor,
    )


def schemas_job(world: World) -> UnresolvedAssetJobDefinition:
    """Any part of the assets of schemas."""
    return dg.define_asset_job(
        SCHEMA_SYNC,
        selection=dg.AssetSelection.assets(*(schemas_key(source.name) for source in world.sources)),
        description="Generates schemas. The sensor schema_model_changes asks for those whose source changed.",
        tags={**BATCH_TAGS, "dagster/priority": "2"},
        executor_def=dg.in_process_executor,
    )


def partitioned_jobs(settings: Settings) -> list[dg.JobDefinition]:
    """For backfills, repairs and full refreshes: one run for each entity."""
    return [_partitioned_job(settings, strategy) for strategy in STRATEGIES]


def _partitioned_job(settings: Settings, strategy: Strategy) -> dg.JobDefinition:
    config = dg.PartitionedConfig(
        partitions_def=PARTITIONS[strategy],
        run_config_for_partition_key_fn=lambda _: {},
        tags_for_partition_key_fn=_partition_tags,
    )

    @dg.op(name=f"sync_{strategy}", out=dg.Out(dg.Nothing))
    def sync(context: dg.OpExecutionContext) -> Iterator[Any]:
        yield from sync_partition(context, settings, strategy)

    @dg.job(
        name=f"{strategy}_sync",
        description=_DESCRIPTIONS[strategy],
        config=config,
        tags=RETRY_TAGS,
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        sync()

    return job


def _partition_tags(partition: str) -> dict[str, str]:
    connector, _ = entity_of_partition(partition)
    return {CONNECTOR_TAG: connector, REPAIR_TAG: connector}
