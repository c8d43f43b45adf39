"""Syncs that somebody asks for: put on record as queued runs, once however often they are asked for, and ended."""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.errors import SyncCancelled, UnknownEntity
from syncflow_pipelines.sync.model import Strategy
from syncflow_pipelines.sync.runs import RETRY, refuse_queued

# Locks of the transaction; always in this order, so that no two wait for each other.
_ONE_KEY_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow request key ' || %s, 0))"
_ONE_ENTITY_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow request of ' || %s, 0))"
_BY_KEY: Final = """
SELECT r.uid, r.entity_uid, r.is_full_refresh, r.requested_strategy
FROM sync_requests q JOIN sync_runs r ON r.uid = q.run_uid WHERE q.idempotency_key = %s
"""
_TARGET: Final = """
SELECT c.name || '/' || e.slug AS key, c.name AS connector, c.is_active, e.is_present, e.schema_error, e.strategy,
  e.delta_strategy = 'rowversion' OR e.rowversion_column IS NOT NULL AS has_row_versions
FROM entities e JOIN connectors c ON c.uid = e.connector_uid WHERE e.uid = %s
"""
_WISH: Final = "SELECT entity_uid, is_full_refresh, requested_strategy FROM sync_runs WHERE uid = %s"
# Held, so that nobody is told of a run that somebody else is just cancelling or beginning.
_QUEUED: Final = """
SELECT uid FROM sync_runs WHERE entity_uid = %s AND is_full_refresh = %s AND requested_strategy IS NOT DISTINCT FROM %s
  AND status = 'queued' FOR NO KEY UPDATE
"""
_QUEUE: Final = """
INSERT INTO sync_runs (uid, entity_uid, started_at, status, strategy, is_full_refresh, trigger, requested_strategy)
VALUES (%s, %s, now(), 'queued', %s, %s, %s, %s)
"""
_KEEP_KEY: Final = "INSERT INTO sync_requests (idempotency_key, run_uid) VALUES (%s, %s)"
_STATE: Final = "SELECT status, claim, trigger FROM sync_runs WHERE uid = %s FOR UPDATE"
_ASK_FOR_END: Final = """
UPDATE sync_runs SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE uid = %s
"""


@dataclass(frozen=True, slots=True)
class SyncWish:
    """A sync that somebody asks for."""

    entity_uid: UUID
    full_refresh: bool = False
    strategy: Strategy | None = None
    """None: the entity's own."""
    idempotency_key: str | None = None
    """Whoever asks again with it is told of the same run."""
    trigger: str = "api"


@dataclass(frozen=True, slots=True)
class Requested:
    """The run that it comes to."""

    run_uid: UUID
    is_new: bool
    """False where it was asked for before: with the same key, or by somebody while it is still queued."""


@dataclass(frozen=True, slots=True)
class NotRequested:
    """Why nothing was put on record."""

    kind: Literal["unknown", "key_reused", "connector_inactive", "gone", "schema_refused", "no_row_versions"]
    reason: str


@dataclass(frozen=True, slots=True)
class _Target:
    key: str
    connector: str
    is_active: bool
    is_present: bool
    schema_error: str | None
    strategy: Strategy
    has_row_versions: bool


def request_sync(connection: psycopg.Connection, wish: SyncWish) -> Requested | NotRequested:
    """Queues the sync, in the caller's transaction: with its key, or not at all.

    The caller commits before it tells anybody, and has it started after that.
    """
    if wish.idempotency_key is not None:
        connection.execute(_ONE_KEY_AT_A_TIME, (wish.idempotency_key,))
        if before := connection.execute(_BY_KEY, (wish.idempotency_key,)).fetchone():
            return _repeated(wish, *before)
    connection.execute(_ONE_ENTITY_AT_A_TIME, (str(wish.entity_uid),))
    target = _target(connection, wish.entity_uid)
    refusal = _refusal(wish, target)
    if refusal is not None or target is None:
        return refusal or _unknown(wish)
    requested = _queued(connection, wish, target)
    if wish.idempotency_key is not None:
        connection.execute(_KEEP_KEY, (wish.idempotency_key, requested.run_uid))
    return requested


def refusal_now(connection: psycopg.Connection, run_uid: UUID) -> str | None:
    """Why what a run was queued for would be refused as things stand now; None where it would not be."""
    found = connection.execute(_WISH, (run_uid,)).fetchone()
    if found is None:
        return None
    wish = SyncWish(*found)
    refusal = _refusal(wish, _target(connection, wish.entity_uid))
    return None if refusal is None else refusal.reason


def cancel_run(connection: psycopg.Connection, uid: UUID) -> Literal["closed", "asked", "ended", "cannot"]:
    """Sees to the end of a run, in the caller's transaction.

    `closed`: it was queued, and is not begun any more. `asked`: it is running, and the process that runs it ends it
    within seconds. `ended`: it has ended already. `cannot`: it tries rejected rows again, which nobody can end. Raises
    `UnknownEntity`.
    """
    state = connection.execute(_STATE, (uid,)).fetchone()
    if state is None:
        raise UnknownEntity(f"no run {uid} is known; `syncflow runs` lists them")
    status, claim, trigger = state
    if status == "queued":
        refuse_queued(connection, uid, claim, SyncCancelled(f"run {uid} was cancelled before it began"))
        return "closed"
    if status != "running":
        return "ended"
    if trigger == RETRY:
        return "cannot"
    connection.execute(_ASK_FOR_END, (uid,))
    return "asked"


def _repeated(
    wish: SyncWish, run_uid: UUID, entity_uid: UUID, full_refresh: bool, strategy: Strategy | None
) -> Requested | NotRequested:
    if (entity_uid, full_refresh, strategy) == (wish.entity_uid, wish.full_refresh, wish.strategy):
        return Requested(run_uid, is_new=False)
    return NotRequested(
        "key_reused", f"the idempotency key was used for another request, which is run {run_uid}; use a new key"
    )


def _target(connection: psycopg.Connection, entity_uid: UUID) -> _Target | None:
    with connection.cursor(row_factory=class_row(_Target)) as cursor:
        return cursor.execute(_TARGET, (entity_uid,)).fetchone()


def _refusal(wish: SyncWish, target: _Target | None) -> NotRequested | None:
    if target is None:
        return _unknown(wish)
    if not target.is_active:
        told = f"connector {target.connector} is not enabled, so {target.key} cannot be synced; enable it first"
        return NotRequested("connector_inactive", told)
    if not target.is_present:
        return NotRequested(
            "gone", f"the source of {target.key} does not offer it any more; discover {target.connector}"
        )
    if target.schema_error:
        return NotRequested("schema_refused", f"{target.key} cannot be synced: {target.schema_error}")
    if wish.strategy == "rowversion" and not target.has_row_versions:
        told = f"{target.key} has no row versions; sync it with the strategy hash or full"
        return NotRequested("no_row_versions", told)
    return None


def _unknown(wish: SyncWish) -> NotRequested:
    return NotRequested("unknown", f"no entity {wish.entity_uid} is known; list the entities to see their uids")


def _queued(connection: psycopg.Connection, wish: SyncWish, target: _Target) -> Requested:
    same = (wish.entity_uid, wish.full_refresh, wish.strategy)
    if found := connection.execute(_QUEUED, same).fetchone():
        return Requested(found[0], is_new=False)
    uid = uuid4()
    strategy = "full" if wish.full_refresh else wish.strategy or target.strategy
    connection.execute(_QUEUE, (uid, wish.entity_uid, strategy, wish.full_refresh, wish.trigger, wish.strategy))
    return Requested(uid, is_new=True)
