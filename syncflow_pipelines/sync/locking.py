"""One writer an entity: its lock, waited for as long as somebody is willing to wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from syncflow_pipelines.errors import EntityBusy, SyncCancelled
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.runs import try_lock, unlock

LOCK_POLL_S = 0.2

# A backend that is busy with a long statement would else hold the lock of a dead process until it ends.
_NOTICE_OUR_DEATH = "SET client_connection_check_interval = '1s'"
_HOLDER = (
    "SELECT started_at FROM sync_runs WHERE entity_uid = %s AND status = 'running' ORDER BY started_at DESC LIMIT 1"
)


def _never() -> bool:
    return False


def _nobody() -> None:
    return None


@contextmanager
def locked(
    connection: psycopg.Connection,
    entity: Entity,
    wait_s: float,
    *,
    cancelled: Callable[[], bool] = _never,
    waiting: Callable[[], None] = _nobody,
) -> Iterator[None]:
    """Holds the entity's lock; the connection is one of its own, in autocommit.

    `waiting` is called each time that the lock was not free. Raises `EntityBusy` after `wait_s`, and `SyncCancelled`.
    """
    _notice_our_death(connection)
    _lock(connection, entity, time.monotonic() + wait_s, cancelled, waiting)
    try:
        yield
    finally:
        if not connection.closed:
            unlock(connection, entity.uid)


def _lock(
    connection: psycopg.Connection,
    entity: Entity,
    deadline: float,
    cancelled: Callable[[], bool],
    waiting: Callable[[], None],
) -> None:
    while not try_lock(connection, entity.uid):
        if cancelled():
            raise SyncCancelled(f"{entity.key} was cancelled while it waited for another sync of it")
        if time.monotonic() >= deadline:
            raise EntityBusy(_busy(connection, entity))
        waiting()
        time.sleep(LOCK_POLL_S)


def _notice_our_death(connection: psycopg.Connection) -> None:
    with suppress(psycopg.errors.InvalidParameterValue):  # not every system's server can
        connection.execute(_NOTICE_OUR_DEATH)


def _busy(connection: psycopg.Connection, entity: Entity) -> str:
    row = connection.execute(_HOLDER, (entity.uid,)).fetchone()
    since = f" since {row[0]:%H:%M:%S} UTC" if row else ""
    return f"{entity.key} is being synced{since}; wait for that sync with --wait, or try again later"
