"""The log line that says how a sync ended."""

import logging
from dataclasses import asdict

from syncflow_pipelines.sync.model import SyncOutcome

_LOG = logging.getLogger("syncflow_pipelines.sync.engine")


def logged(outcome: SyncOutcome) -> SyncOutcome:
    """The same, once its line is logged, with what the sync came to as fields: `sync_finished`, or `sync_failed`."""
    counts = {name: count for name, count in asdict(outcome.counts).items() if count}
    fields = {"strategy": outcome.strategy, "seconds": round(outcome.seconds, 3), **counts}
    if outcome.run_uid is not None:
        fields["run"] = str(outcome.run_uid)
    if outcome.status == "success":
        _LOG.info("%s: synced", outcome.entity, extra={"event": "sync_finished", **fields})
    else:
        fields["error_type"] = outcome.error_type or ""
        _LOG.warning("%s: %s", outcome.entity, outcome.error, extra={"event": "sync_failed", **fields})
    return outcome
