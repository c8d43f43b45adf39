"""Has Dagster begin a sync that was asked for, at once where its webserver is up."""

import logging
from uuid import UUID

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.asset_path import entity_path
from syncflow_pipelines.sync.claims import (
    CLAIM_TAG,
    REQUESTED_SYNCS,
    claim_runs,
    note_launched,
    release_claim,
    waiting_run,
)
from syncflow_pipelines.transport.dagster_webserver import NotAsked, launch_assets

CONNECTOR_TAG = "syncflow/connector"

_LOG = logging.getLogger(__name__)


def begin_now(database: Database, settings: Settings, run_uid: UUID) -> bool:
    """Whether a run of Dagster was started for the queued run; else the sensor `requested_syncs` starts one.

    Nothing happens where somebody else has claimed it. Raises `DatabaseError`.
    """
    with database.connection() as connection:
        waiting = waiting_run(connection, run_uid)
        claim, claimed = claim_runs(connection, [waiting] if waiting else [])
    if waiting is None or not claimed:
        return False
    tags = {CONNECTOR_TAG: waiting.connector, CLAIM_TAG: str(claim)}
    try:
        dagster_run = launch_assets(
            settings.dagster_url, REQUESTED_SYNCS, [entity_path(waiting.connector, waiting.slug)], tags
        )
    except NotAsked as error:
        _LOG.info("run %s is left to the sensor: %s", run_uid, error.args[0])
        if error.is_certain:
            with database.connection() as connection:
                release_claim(connection, claim)
        return False
    with database.connection() as connection:
        note_launched(connection, claim, dagster_run)
    return True
