"""Who begins the runs that are queued: whoever has claimed them, and nobody else.

A claim is taken by one UPDATE, so of two that want the same run one gets it. It grows stale where whoever took it died;
the next claim makes it void, and the engine begins a run for the holder of its newest claim alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.sync.model import Claimed, Strategy

REQUESTED_SYNCS: Final = "requested_syncs"
"""The job of Dagster that begins what is claimed."""
CLAIM_TAG: Final = "syncflow/claim"
"""On its runs."""
STALE_S: Final = 60.0
"""A claim that has come to nothing for so long is looked into."""
MOST_AT_ONCE: Final = 1000

_FROM: Final = "FROM sync_runs r JOIN entities e ON e.uid = r.entity_uid JOIN connectors c ON c.uid = e.connector_uid"
_SELECT_WAITING: Final = f"""
SELECT r.uid AS run_uid, c.name AS connector, e.slug, r.claim, r.claims, r.created_at AS requested_at {_FROM}
WHERE r.status = 'queued'
"""
_WAITING: Final = (
    _SELECT_WAITING
    + """
  AND (r.claim IS NULL OR r.claimed_at < now() - make_interval(secs => %s)) ORDER BY r.created_at, r.uid LIMIT %s
"""
)
_ONE_WAITING: Final = _SELECT_WAITING + " AND r.uid = %s AND r.claim IS NULL"
_CLAIM: Final = """
UPDATE sync_runs r SET claim = %(claim)s, claimed_at = now(), claims = r.claims + 1
FROM unnest(%(runs)s::uuid[], %(before)s::uuid[]) AS wanted(uid, claim)
WHERE r.uid = wanted.uid AND r.claim IS NOT DISTINCT FROM wanted.claim AND r.status = 'queued' RETURNING r.uid
"""
_RELEASE: Final = """
UPDATE sync_runs SET claim = NULL, claimed_at = NULL, claims = claims - 1 WHERE claim = %s AND status = 'queued'
"""
_NOTE: Final = "UPDATE sync_runs SET dagster_run_id = %s WHERE claim = %s AND status = 'queued'"
_OF_CLAIM: Final = f"""
SELECT r.uid AS run_uid, c.name AS connector, e.slug, r.claim, r.status, r.is_full_refresh, r.requested_strategy,
  r.trigger, r.dagster_run_id, r.error_details ->> 'type' AS error_type {_FROM}
WHERE r.claim = %s ORDER BY c.name, e.slug
"""


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A queued run that nobody has claimed, or whose claim has come to nothing so far."""

    run_uid: UUID
    connector: str
    slug: str
    claim: UUID | None
    """The stale one."""
    claims: int
    """How many there were."""
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run as the holder of its claim finds it."""

    run_uid: UUID
    connector: str
    slug: str
    claim: UUID
    status: str
    is_full_refresh: bool
    requested_strategy: Strategy | None
    trigger: str
    dagster_run_id: str | None
    error_type: str | None

    @property
    def claimed(self) -> Claimed:
        return Claimed(self.run_uid, self.claim)


def waiting_runs(connection: psycopg.Connection, *, stale_s: float = STALE_S) -> tuple[WaitingRun, ...]:
    """The queued runs that are to be claimed, longest waiting first."""
    with connection.cursor(row_factory=class_row(WaitingRun)) as cursor:
        return tuple(cursor.execute(_WAITING, (stale_s, MOST_AT_ONCE)))


def waiting_run(connection: psycopg.Connection, uid: UUID) -> WaitingRun | None:
    """The same for one run that nobody has claimed; None where it is not waiting."""
    with connection.cursor(row_factory=class_row(WaitingRun)) as cursor:
        return cursor.execute(_ONE_WAITING, (uid,)).fetchone()


def claim_runs(connection: psycopg.Connection, waiting: Sequence[WaitingRun]) -> tuple[UUID, frozenset[UUID]]:
    """A new claim, and the runs that it is on: those that nobody else has claimed meanwhile."""
    claim = uuid4()
    wanted = {"runs": [one.run_uid for one in waiting], "before": [one.claim for one in waiting]}
    return claim, frozenset(uid for (uid,) in connection.execute(_CLAIM, {"claim": claim, **wanted}))


def release_claim(connection: psycopg.Connection, claim: UUID) -> None:
    """Gives the claim back, as certainly nothing came of it."""
    connection.execute(_RELEASE, (claim,))


def note_launched(connection: psycopg.Connection, claim: UUID, dagster_run_id: str) -> None:
    """Notes which run of Dagster is to begin what is claimed."""
    connection.execute(_NOTE, (dagster_run_id, claim))


def claimed_runs(connection: psycopg.Connection, claim: UUID) -> tuple[ClaimedRun, ...]:
    """The runs that the claim holds, whatever became of them; none where a newer claim made it void."""
    with connection.cursor(row_factory=class_row(ClaimedRun)) as cursor:
        return tuple(cursor.execute(_OF_CLAIM, (claim,)))
