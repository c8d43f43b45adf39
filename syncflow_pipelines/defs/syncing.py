"""What the sync steps do: open what is needed, run the engine, report each entity as it ends."""

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

import dagster as dg
from dagster import AssetCheckEvaluation, AssetCheckKey

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.defs.checks import CheckOutcome, evaluate
from syncflow_pipelines.defs.names import entity_key, entity_of, entity_of_partition
from syncflow_pipelines.defs.requested import claimed_requests
from syncflow_pipelines.defs.results import failure_of, give_up, metadata_of
from syncflow_pipelines.defs.workers import working
from syncflow_pipelines.defs.world import live_world
from syncflow_pipelines.sync.claims import CLAIM_TAG
from syncflow_pipelines.sync.engine import Progress, SyncRequest, sync_entities
from syncflow_pipelines.sync.model import Strategy, SyncOutcome

Result = dg.MaterializeResult[None] | dg.AssetCheckResult | AssetCheckEvaluation

WAIT_IN_BATCH_S = 60.0
"""How long a scheduled sync waits for another one of the same entity, which holds up one worker of the batch."""
WAIT_ALONE_S = 900.0
PROGRESS_EVERY_S = 15.0


def sync_selected(context: dg.AssetExecutionContext, settings: Settings) -> Iterator[Result]:
    """Syncs the selected assets of a connector, several at a time, and evaluates the selected checks.

    Yields each result as its entity ends. Raises `Failure` at the end where an entity failed; what was
    yielded before stands, so that a retry holds the failed ones alone.
    """
    slugs = _slugs_by_key(context)
    selected = context.selected_asset_check_keys
    with (
        open_database(settings, max_connections=settings.sync_worker_threads + 4) as database,
        working(database, context.instance, context.run.run_id) as cancelled,
    ):
        yield from _checks_alone(database, selected, slugs)
        requests = _requests(context, settings, database, slugs)
        with closing(_outcomes(context, settings, database, requests, cancelled)) as outcomes:
            yield from _report(context, database, outcomes, selected, len(requests))


def sync_partition(
    context: dg.OpExecutionContext, settings: Settings, strategy: Strategy
) -> Iterator[dg.AssetMaterialization | AssetCheckEvaluation | dg.Output[None]]:
    """Syncs the entity of the run's partition by the strategy; `full` is a full refresh.

    Raises `Failure` where it failed.
    """
    name, slug = entity_of_partition(context.partition_key)
    key = entity_key(name, slug)
    with (
        open_database(settings) as database,
        working(database, context.instance, context.run.run_id) as cancelled,
    ):
        request = SyncRequest(
            live_world(settings, database).connector(name),
            slug,
            strategy=strategy,
            full_refresh=strategy == "full",
            trigger=context.run.job_name,
            dagster_run_id=context.run.run_id,
            wait_s=WAIT_ALONE_S,
        )
        with closing(_outcomes(context, settings, database, [request], cancelled)) as outcomes:
            outcome = next(outcomes)
        yield from (check.evaluation() for check in evaluate(database, name, slug))
        _refuse_failed(context, [outcome] if outcome.status == "failed" else [], 1)
        yield dg.AssetMaterialization(key, metadata=metadata_of(outcome))
    yield dg.Output(None)


def _slugs_by_key(context: dg.AssetExecutionContext) -> dict[dg.AssetKey, tuple[str, str]]:
    found = {key: entity_of(key) for key in context.selected_asset_keys}
    return {key: entity for key, entity in found.items() if entity is not None}


def _requests(
    context: dg.AssetExecutionContext,
    settings: Settings,
    database: Database,
    slugs: Mapping[dg.AssetKey, tuple[str, str]],
) -> list[SyncRequest]:
    world, run = live_world(settings, database), context.run
    if CLAIM_TAG in run.tags:
        return claimed_requests(database, world, run, frozenset(slugs.values()))
    return [
        SyncRequest(
            world.connector(connector),
            slug,
            trigger=_trigger(context.run.job_name),
            dagster_run_id=context.run.run_id,
            wait_s=WAIT_IN_BATCH_S,
        )
        for connector, slug in sorted(slugs.values())
    ]


def _trigger(job_name: str) -> str:
    # Dagster's own name for assets picked by hand starts so.
    return "dagster" if job_name.startswith("__") else job_name


def _outcomes(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    settings: Settings,
    database: Database,
    requests: Sequence[SyncRequest],
    cancelled: Callable[[], bool],
) -> Generator[SyncOutcome, None, None]:
    """The engine's outcomes; closing this cancels the syncs that have not ended, and waits for them."""
    progress = _ProgressLog(context.log)
    workers = settings.sync_worker_threads
    yield from sync_entities(database, settings, requests, workers=workers, cancelled=cancelled, progress=progress)


def _report(
    context: dg.AssetExecutionContext,
    database: Database,
    outcomes: Iterable[SyncOutcome],
    selected: Collection[AssetCheckKey],
    tried: int,
) -> Iterator[Result]:
    failed: list[SyncOutcome] = []
    for outcome in outcomes:
        connector, _, slug = outcome.entity.partition("/")
        key = entity_key(connector, slug)
        checks = evaluate(database, connector, slug)
        results = [check.result() for check in checks if check.key in selected]
        if outcome.status == "failed":
            context.log.error(f"{outcome.entity}: {outcome.error}")
            failed.append(outcome)
            yield from results
        else:
            yield dg.MaterializeResult(asset_key=key, metadata=metadata_of(outcome), check_results=results)
        yield from (check.evaluation() for check in checks if check.key not in selected)
    _refuse_failed(context, failed, tried)


def _checks_alone(
    database: Database, selected: Collection[AssetCheckKey], synced: Collection[dg.AssetKey]
) -> Iterator[dg.AssetCheckResult]:
    """Results of the checks that were asked for without a sync of their asset."""
    alone = {key.asset_key for key in selected} - set(synced)
    for key in sorted(alone):
        entity = entity_of(key)
        checks: list[CheckOutcome] = evaluate(database, *entity) if entity else []
        yield from (check.result() for check in checks if check.key in selected)


def _refuse_failed(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, failed: Sequence[SyncOutcome], tried: int
) -> None:
    if not failed:
        return
    give_up(context.instance, context.run.run_id, [outcome.error_type for outcome in failed])
    raise failure_of(failed, tried)


class _ProgressLog:
    """Tells of a long sync, now and then; called from the engine's threads."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        self._log = log
        self._told: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase == "done" or now - self._told.setdefault(progress.entity, now) < PROGRESS_EVERY_S:
            return
        self._told[progress.entity] = now
        of = f" of {progress.total:,}" if progress.total else ""
        self._log.info(f"{progress.entity}: {progress.phase}, {progress.rows:,}{of} rows")
