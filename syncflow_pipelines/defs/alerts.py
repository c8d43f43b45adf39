"""The sensor `alerts`: looks every half a minute what is wrong, with what only Dagster knows, and tells people."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from syncflow_pipelines.config import Rule, load_alerts
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.events.alerts.conditions import Told
from syncflow_pipelines.events.alerts.evaluation import Evaluation, evaluate

INTERVAL_S = 30


def alerts_sensor(world: World, jobs: Sequence[str]) -> dg.SensorDefinition:
    """Asks for no runs. `jobs`: those whose failed runs are told of; failed syncs have rules of their own."""
    keys = list(world.syncable())

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks what is wrong, and tells the channels of alerts.yaml; `syncflow alerts` lists it.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        observed = {
            Rule.RUN_FAILED: list(_failed_jobs(context.instance, jobs)),
            Rule.ASSET_STALE: list(_stale_assets(context.instance, keys)),
        }
        with open_database(world.settings) as database:
            done = evaluate(database, load_alerts(world.settings), observed)
        for name, error in done.failed.items():
            context.log.warning(f"{name}: {error}")
        return dg.SkipReason(_told(done))

    return alerts


def _failed_jobs(instance: dg.DagsterInstance, jobs: Sequence[str]) -> Iterator[Told]:
    """The jobs whose newest run that ended failed."""
    for job in jobs:
        newest = instance.get_runs(dg.RunsFilter(job_name=job, statuses=FINISHED_STATUSES), limit=1)
        for run in newest:
            if run.status == dg.DagsterRunStatus.FAILURE:
                yield job, f"Dagster's run {run.run_id} failed; its page in the UI says why"


def _stale_assets(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> Iterator[Told]:
    """The assets of which Dagster's daemon says that they missed their freshness policy."""
    records = instance.get_freshness_state_records(keys)
    for key, record in records.items():
        if record.freshness_state == FreshnessState.FAIL:
            yield (
                key.to_user_string(),
                f"Dagster has seen no good sync for too long (since {record.updated_at:%H:%M:%S}Z)",
            )


def _told(done: Evaluation) -> str:
    if done.is_busy:
        return "Another process looks at this moment."
    sent = ", ".join(f"{channel} was told: {message.title}" for channel, message in done.sent.items())
    return f"{len(done.found)} alerts are open. {sent}".strip()
