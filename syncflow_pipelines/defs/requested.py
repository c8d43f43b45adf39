"""Syncs that were asked for over the API: the sensor that has them begun, and what their runs do."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARENT_RUN_ID_TAG

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.defs.names import CONNECTOR_TAG, entity_key
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.errors import SyncCancelled, SyncError
from syncflow_pipelines.sync.claims import (
    CLAIM_TAG,
    ClaimedRun,
    WaitingRun,
    claim_runs,
    claimed_runs,
    waiting_runs,
)
from syncflow_pipelines.sync.engine import SyncRequest
from syncflow_pipelines.sync.requests import refusal_now
from syncflow_pipelines.sync.runs import refuse_queued

INTERVAL_S = 10
MOST_CLAIMS = 5
"""So often a run is tried to be begun."""
WAIT_S = 900.0
"""How long a sync that was asked for waits for another one of the same entity."""
LONGEST_UNKNOWN = timedelta(hours=1)
"""So long a sync waits for the code location to learn of its entity, which takes seconds where all is well."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one run is to begin."""

    claim: UUID
    connector: str
    keys: tuple[dg.AssetKey, ...]

    def request(self) -> dg.RunRequest:
        return dg.RunRequest(
            run_key=str(self.claim),
            asset_selection=list(self.keys),
            # The run evaluates and records them all the same.
            asset_check_keys=[],
            tags={CONNECTOR_TAG: self.connector, CLAIM_TAG: str(self.claim)},
        )


def requested_sensor(world: World, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Every few seconds; one run for each connector of which something was asked for."""
    known, settings = frozenset(world.syncable()), world.settings

    @dg.sensor(
        name="requested_syncs",
        job=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Begins the syncs that were asked for over the API, where that did not begin them itself.",
    )
    def requested(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context.instance, settings, known)

    return requested


def _tick(instance: dg.DagsterInstance, settings: Settings, known: Collection[dg.AssetKey]) -> dg.SensorResult:
    with open_database(settings) as database:
        with database.connection() as connection:
            waiting = waiting_runs(connection)
        waiting = _unheld(database, instance, waiting)
        ready = [run for run in waiting if entity_key(run.connector, run.slug) in known]
        _refuse_lost(database, [run for run in waiting if run not in ready])
        orders = list(claimed_orders(database, ready))
    return dg.SensorResult(
        run_requests=[order.request() for order in orders],
        skip_reason=None if orders else _reason(waiting, ready),
    )


def _reason(waiting: Sequence[WaitingRun], ready: Sequence[WaitingRun]) -> str:
    unknown = [f"{run.connector}/{run.slug}" for run in waiting if run not in ready]
    if unknown:
        return f"{len(unknown)} syncs wait for entities that this code location does not know yet, {unknown[0]} first."
    return "No sync was asked for that is not begun."


def _refuse_lost(database: Database, unknown: Iterable[WaitingRun]) -> None:
    """Closes what nobody will begin: its connector was disabled since, its entity is gone, or nobody knows that."""
    for run in unknown:
        with database.connection() as connection:
            reason = refusal_now(connection, run.run_uid)
            if reason is None and datetime.now(UTC) - run.requested_at > LONGEST_UNKNOWN:
                reason = f"Dagster does not know {run.connector}/{run.slug}; reload its code location, and ask again"
            if reason is not None:
                refuse_queued(connection, run.run_uid, run.claim, SyncError(reason))


def _unheld(database: Database, instance: dg.DagsterInstance, waiting: Iterable[WaitingRun]) -> tuple[WaitingRun, ...]:
    """Those that no run of Dagster is about to begin; those that never will be begun are closed."""
    return tuple(run for run in waiting if not _is_held(database, instance, run))


def _is_held(database: Database, instance: dg.DagsterInstance, waiting: WaitingRun) -> bool:
    if waiting.claim is None:
        return False
    runs = instance.get_runs(dg.RunsFilter(tags={CLAIM_TAG: str(waiting.claim)}))
    if any(run.status in NOT_FINISHED_STATUSES for run in runs):
        return True
    refusal = _refusal(waiting, runs)
    if refusal is None:
        return False
    with database.connection() as connection:
        refuse_queued(connection, waiting.run_uid, waiting.claim, refusal)
    return True


def _refusal(waiting: WaitingRun, runs: Sequence[dg.DagsterRun]) -> SyncError | None:
    """Why nobody is to begin it any more."""
    if any(run.status == dg.DagsterRunStatus.CANCELED for run in runs):
        return SyncCancelled(f"run {waiting.run_uid} was cancelled in Dagster before it began")
    if waiting.claims >= MOST_CLAIMS:
        told = f"Dagster did not begin run {waiting.run_uid} in {waiting.claims} attempts; its runs tell why"
        return SyncError(told)
    return None


def claimed_orders(database: Database, ready: Iterable[WaitingRun]) -> Iterable[Order]:
    """Claims the runs, and says what is to begin them: each connector's together, of each entity one at a time."""
    batches: defaultdict[str, dict[str, WaitingRun]] = defaultdict(dict)
    for run in ready:
        batches[run.connector].setdefault(run.slug, run)
    for connector, batch in batches.items():
        with database.connection() as connection:
            claim, claimed = claim_runs(connection, list(batch.values()))
        keys = tuple(entity_key(connector, slug) for slug, run in batch.items() if run.run_uid in claimed)
        if keys:
            yield Order(claim, connector, keys)


def claimed_requests(
    database: Database, world: World, run: dg.DagsterRun, selected: Collection[tuple[str, str]]
) -> list[SyncRequest]:
    """What a run of the job is to sync: what its claim holds, and, where it is a retry, what failed before.

    Nothing where another claim made this one void, or somebody cancelled what was asked for.
    """
    with database.connection() as connection:
        found = claimed_runs(connection, UUID(run.tags[CLAIM_TAG]))
    return [
        SyncRequest(
            world.connector(one.connector),
            one.slug,
            strategy=one.requested_strategy,
            full_refresh=one.is_full_refresh,
            trigger=one.trigger,
            dagster_run_id=run.run_id,
            wait_s=WAIT_S,
            queued=one.claimed if one.status == "queued" else None,
        )
        for one in found
        if (one.connector, one.slug) in selected and _is_to_begin(one, run)
    ]


def _is_to_begin(claimed: ClaimedRun, run: dg.DagsterRun) -> bool:
    if claimed.status == "queued":
        return True
    has_failed = claimed.status == "failed" and claimed.error_type != SyncCancelled.__name__
    return PARENT_RUN_ID_TAG in run.tags and has_failed
