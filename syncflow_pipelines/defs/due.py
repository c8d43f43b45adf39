"""The sensor `due_entities`: asks PostgreSQL what is due, and asks for runs."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.jobs import DUE_SYNCS, WATCHED
from syncflow_pipelines.defs.names import CONNECTOR_TAG, STRATEGY_TAG, entity_key, entity_of_partition
from syncflow_pipelines.defs.switches import Switches
from syncflow_pipelines.defs.workers import end_dead_runs
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.events.flags import Flag
from syncflow_pipelines.sync.entities import due_entities
from syncflow_pipelines.sync.model import Entity, Strategy
from syncflow_pipelines.sync.runs import close_dead_runs

INTERVAL_S = 10
MOST_RUNS_AT_ONCE = 2
"""Of one connector and strategy: the second carries on with the rest while the first is busy with a long sync."""

PARTITION_TAG = "dagster/partition"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run is to sync."""

    connector: str
    strategy: Strategy
    keys: tuple[dg.AssetKey, ...]

    def request(self) -> dg.RunRequest:
        """Without a run key: what is due again is asked for again, and what is under way is left out before."""
        return dg.RunRequest(
            asset_selection=list(self.keys),
            # The run evaluates and records them all the same.
            asset_check_keys=[],
            tags={CONNECTOR_TAG: self.connector, STRATEGY_TAG: self.strategy},
        )


def due_sensor(world: World, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Every few seconds; one run for each connector and strategy of which something is due."""
    known, settings = frozenset(world.syncable()), world.settings
    connectors = [connector.name for connector in world.connectors]

    @dg.sensor(
        name="due_entities",
        job=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a sync of every entity whose interval has passed.",
    )
    def due(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        switches = Switches(Flag.ENTITY_SYNC, settings, connectors)
        return _tick(context.instance, settings, known, context.cursor, switches)

    return due


def _tick(
    instance: dg.DagsterInstance,
    settings: Settings,
    known: Collection[dg.AssetKey],
    cursor: str | None,
    switches: Switches,
) -> dg.SensorResult:
    with open_database(settings) as database:
        suspects = end_dead_runs(database, instance, WATCHED, json.loads(cursor) if cursor else {}, time.time())
        with database.dedicated("syncflow sensor") as connection:
            close_dead_runs(connection)
            due = [entity for entity in due_entities(connection) if switches.is_on(entity.connector)]
    if switches.are_all_off:
        return switches.skip("no entity is synced by itself", json.dumps(suspects))
    batches = plan_batches(due, known, instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)))
    return dg.SensorResult(
        run_requests=[batch.request() for batch in batches],
        skip_reason=None if batches else _reason(due, known),
        cursor=json.dumps(suspects),
    )


def _reason(due: Sequence[Entity], known: Collection[dg.AssetKey]) -> str:
    if not due:
        return "No entity is due."
    unknown = [entity.key for entity in due if entity_key(entity.connector, entity.spec.slug) not in known]
    if unknown:
        return f"{len(unknown)} entities are due that this code location does not know yet, {unknown[0]} first."
    return f"All {len(due)} entities that are due are being synced already."


def plan_batches(
    due: Iterable[Entity], known: Collection[dg.AssetKey], unfinished: Sequence[dg.DagsterRun]
) -> list[Batch]:
    """The runs to ask for: what is due and known, less what an unfinished run will sync anyway."""
    if any(_holds_everything(run) for run in unfinished):
        return []
    held = {key for run in unfinished for key in _held(run)}
    runs = Counter((run.tags.get(CONNECTOR_TAG), run.tags.get(STRATEGY_TAG)) for run in unfinished)
    batches: Mapping[tuple[str, Strategy], list[dg.AssetKey]] = defaultdict(list)
    for entity in due:
        key = entity_key(entity.connector, entity.spec.slug)
        if key in known and key not in held and runs[entity.connector, entity.strategy] < MOST_RUNS_AT_ONCE:
            batches[entity.connector, entity.strategy].append(key)
    return [Batch(connector, strategy, tuple(keys)) for (connector, strategy), keys in batches.items()]


def _holds_everything(run: dg.DagsterRun) -> bool:
    return run.job_name == DUE_SYNCS and run.asset_selection is None


def _held(run: dg.DagsterRun) -> Collection[dg.AssetKey]:
    partition = run.tags.get(PARTITION_TAG)
    if run.job_name in WATCHED and partition is not None:
        return {entity_key(*entity_of_partition(partition))}
    return run.asset_selection or ()
