"""The partitions of the three partitioned jobs: one for each entity, in step with what was discovered."""

import dagster as dg

from syncflow_pipelines.defs.names import partition_key
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.sync.model import STRATEGIES, Strategy

PARTITIONS: dict[Strategy, dg.DynamicPartitionsDefinition] = {
    strategy: dg.DynamicPartitionsDefinition(name=f"{strategy}_entities") for strategy in STRATEGIES
}


def follow_discovery(instance: dg.DagsterInstance, world: World) -> int:
    """Adds and removes partitions until they are the entities that the sources offer; returns how many it touched.

    Every entity can be read whole, by `full` and `hash`; by `rowversion` those that have row versions.
    """
    return sum(_follow(instance, strategy, _wanted(world, strategy)) for strategy in STRATEGIES)


def _wanted(world: World, strategy: Strategy) -> set[str]:
    return {
        partition_key(connector.name, entity.slug)
        for connector, entity in world.entities()
        if entity.is_present and (strategy != "rowversion" or entity.has_rowversion)
    }


def _follow(instance: dg.DagsterInstance, strategy: Strategy, wanted: set[str]) -> int:
    name = PARTITIONS[strategy].name
    assert name is not None
    present = set(instance.get_dynamic_partitions(name))
    missing, surplus = sorted(wanted - present), sorted(present - wanted)
    if missing:
        instance.add_dynamic_partitions(name, missing)
    for key in surplus:
        instance.delete_dynamic_partition(name, key)
    return len(missing) + len(surplus)
