"""How old an entity's rows may be before somebody should look."""

from datetime import datetime
from typing import Literal

from syncflow_pipelines.sync.model import Entity

Freshness = Literal["fresh", "late", "stale", "never synced"]

_SHORTEST_WINDOW_S = 60
"""Dagster accepts no shorter freshness window."""


def late_after_s(interval_s: int) -> float:
    """Seconds after its last sync from which an entity is late: two intervals, so that a retry has its time."""
    return max(2.0 * interval_s, _SHORTEST_WINDOW_S)


def stale_after_s(interval_s: int) -> float:
    """Seconds from which it is stale."""
    return 2.5 * late_after_s(interval_s)


def freshness(entity: Entity, now: datetime) -> Freshness:
    """How the entity stands at `now`."""
    if entity.last_sync_at is None:
        return "never synced"
    age_s = (now - entity.last_sync_at).total_seconds()
    if age_s <= late_after_s(entity.interval_s):
        return "fresh"
    return "late" if age_s <= stale_after_s(entity.interval_s) else "stale"
