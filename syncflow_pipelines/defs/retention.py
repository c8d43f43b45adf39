"""Forgets old history: Dagster keeps its runs and their events for ever, and nobody else removes ours."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from syncflow_pipelines.config import Settings, load_events
from syncflow_pipelines.database import open_database
from syncflow_pipelines.events.retention import forget_old_events
from syncflow_pipelines.sync.history.changes import purge_changes
from syncflow_pipelines.sync.rejects.record import purge_rejects
from syncflow_pipelines.sync.runs import purge_runs

BATCH = 100
MOST_AT_ONCE = 20_000
"""Runs of Dagster that one run of the job removes; what is left waits for the next day."""


def retention_job(settings: Settings) -> dg.JobDefinition:
    """Removes runs that ended more than `run_retention_days` ago, Dagster's and SyncFlow's own, and older changes.

    Recorded changes of rows have `history_retention_days` of their own, and events what `events.yaml` says.
    """

    @dg.op(out=dg.Out(dg.Nothing))
    def forget_old_runs(context: dg.OpExecutionContext) -> None:
        days = settings.run_retention_days
        with open_database(settings) as database, database.connection() as connection:
            syncs = purge_runs(connection, days)
            purge_rejects(connection, days)
        before = datetime.now(UTC) - timedelta(days=days)
        runs = delete_old_runs(context.instance, before, except_run=context.run.run_id)
        context.log.info(f"Removed {syncs} sync runs and {runs} Dagster runs that ended before {before:%Y-%m-%d}.")

    @dg.op(out=dg.Out(dg.Nothing))
    def forget_old_changes(context: dg.OpExecutionContext) -> None:
        days = settings.history_retention_days
        with open_database(settings) as database:
            changes = purge_changes(database, days)
        context.log.info(f"Removed {changes} recorded changes of rows that are older than {days} days.")

    @dg.op(out=dg.Out(dg.Nothing))
    def forget_events(context: dg.OpExecutionContext) -> None:
        with open_database(settings) as database:
            context.log.info(str(forget_old_events(database, load_events(settings))))

    @dg.job(
        name="retention",
        description=(
            f"Removes runs that are older than {settings.run_retention_days} days, and recorded changes of rows that "
            f"are older than {settings.history_retention_days}; and old events, as events.yaml says."
        ),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        forget_old_runs()
        forget_old_changes()
        forget_events()

    return job


def retention_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every night."""
    return dg.ScheduleDefinition(
        name="nightly_retention",
        job=job,
        cron_schedule="17 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def delete_old_runs(
    instance: dg.DagsterInstance, before: datetime, *, except_run: str | None = None, most: int = MOST_AT_ONCE
) -> int:
    """Deletes runs that ended before then, with their events and logs, oldest first; returns how many.

    Runs that have not ended stay, and so do those that materialised an asset last: they are all that the UI
    knows of an asset that is not synced any more.
    """
    kept = _last_runs(instance) | {except_run}
    old = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    deleted, cursor = 0, None
    while deleted < most:
        batch = [run.run_id for run in instance.get_runs(old, limit=BATCH, ascending=True, cursor=cursor)]
        goes = [run_id for run_id in batch if run_id not in kept]
        _delete(instance, goes)
        deleted += len(goes)
        if len(batch) < BATCH:
            break
        # A cursor has to be a run that is still there.
        cursor = next((run_id for run_id in reversed(batch) if run_id in kept), cursor)
    return deleted


def _delete(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    for run_id in run_ids:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    _delete_check_results(instance, run_ids)


def _delete_check_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Deleting a run leaves the results of its asset checks behind."""
    # Imported here: SQLAlchemy and Alembic would take half a second of every process that loads the definitions.
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if run_ids and isinstance(storage, SqlEventLogStorage):
        executions = AssetCheckExecutionsTable
        with storage.index_connection() as connection:
            connection.execute(executions.delete().where(executions.c.run_id.in_(run_ids)))


def _last_runs(instance: dg.DagsterInstance) -> set[str | None]:
    last: set[str | None] = set()
    for record in instance.get_asset_records():
        entry = record.asset_entry
        last |= {entry.last_run_id, entry.last_materialization_record and entry.last_materialization_record.run_id}
    return last
