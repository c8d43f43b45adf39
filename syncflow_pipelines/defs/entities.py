"""The assets of the entities: one step for each connector and strategy, one asset for each table."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.defs.checks import check_specs
from syncflow_pipelines.defs.names import STRATEGY_TAG, catalogue_key, entity_key, op_name, pool_name
from syncflow_pipelines.defs.syncing import sync_selected
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.sync.inspection.freshness import late_after_s, stale_after_s
from syncflow_pipelines.sync.model import STRATEGIES
from syncflow_pipelines.sync.state import EntityState, StateColumn

KINDS = {"postgres", "table"}

_CATALOGUE_INPUT = "catalogue"


def entity_assets(world: World) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Everything that the entities are in Dagster; those that have gone from their source are shown, not synced."""
    groups = world.identifiers()
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    for connector in world.connectors:
        entities = world.state.get(connector.name, ())
        group = groups[connector.name]
        for strategy in STRATEGIES:
            present = [entity for entity in entities if entity.is_present and entity.strategy == strategy]
            if present:
                specs = [_spec(connector, group, entity) for entity in present]
                assets.append(_step(world.settings, op_name(group, strategy), pool_name(connector.name), specs))
        assets += [_gone(connector, group, entity) for entity in entities if not entity.is_present]
    return assets


def _step(settings: Settings, name: str, pool: str, specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """One op whose outputs are the assets and their checks, any part of which a run may select.

    `@multi_asset` would do but for its output names, which it derives from the keys: keys that differ in `-` and `_`
    alone would collide, and other characters be refused.
    """
    assets = {f"asset_{number}": spec for number, spec in enumerate(specs)}
    checks = {
        f"check_{number}_{check.name}": check for number, spec in enumerate(specs) for check in check_specs(spec.key)
    }
    asset_out, check_out = dg.Out(dg.Nothing, is_required=False), dg.Out(None, is_required=False)

    @dg.op(
        name=name,
        ins={_CATALOGUE_INPUT: dg.In(dg.Nothing)},
        out={**dict.fromkeys(assets, asset_out), **dict.fromkeys(checks, check_out)},
        pool=pool,
    )
    def sync(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from sync_selected(context, settings)

    (catalogue,) = specs[0].deps
    return dg.AssetsDefinition(
        keys_by_input_name={_CATALOGUE_INPUT: catalogue.asset_key},
        keys_by_output_name={output: spec.key for output, spec in assets.items()},
        check_specs_by_output_name=checks,
        node_def=sync,
        specs=specs,
        can_subset=True,
    )


def _spec(connector: ConnectorConfig, group: str, entity: EntityState) -> dg.AssetSpec:
    return dg.AssetSpec(
        entity_key(connector.name, entity.slug),
        deps=[catalogue_key(connector.name)],
        description=_description(entity),
        metadata=_metadata(entity),
        group_name=group,
        tags={STRATEGY_TAG: entity.strategy},
        kinds=KINDS,
        freshness_policy=_freshness(entity) if entity.enabled else None,
    )


def _gone(connector: ConnectorConfig, group: str, entity: EntityState) -> dg.AssetSpec:
    return dg.AssetSpec(
        entity_key(connector.name, entity.slug),
        deps=[catalogue_key(connector.name)],
        description=f"The source no longer offers it; its table is kept. {_description(entity)}",
        metadata=_metadata(entity),
        group_name=group,
        tags={"syncflow/gone": "true"},
        kinds=KINDS,
    )


def _description(entity: EntityState) -> str:
    return f"{entity.name}: {entity.description}" if entity.description else entity.name


def _metadata(entity: EntityState) -> Mapping[str, Any]:
    return {
        "dagster/table_name": entity.table,
        "dagster/column_schema": dg.TableSchema([_column(entity, column) for column in entity.columns]),
        "business_keys": ", ".join(entity.business_keys),
        "interval_s": entity.interval_s,
        "enabled": entity.enabled,
    }


def _column(entity: EntityState, column: StateColumn) -> dg.TableColumn:
    is_key = column.identifier in entity.business_keys
    constraints = dg.TableColumnConstraints(
        nullable=column.is_nullable,
        unique=is_key and len(entity.business_keys) == 1,
        other=["business key"] if is_key else [],
    )
    return dg.TableColumn(column.identifier, column.pg_type, column.description, constraints)


def _freshness(entity: EntityState) -> dg.FreshnessPolicy:
    warn, fail = late_after_s(entity.interval_s), stale_after_s(entity.interval_s)
    return dg.FreshnessPolicy.time_window(warn_window=timedelta(seconds=warn), fail_window=timedelta(seconds=fail))
