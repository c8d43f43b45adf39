"""Statements of a sync that is cancelled: PostgreSQL is asked to end what it is at, however long that would take."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from syncflow_pipelines.errors import SyncCancelled

POLL_S = 0.2
GRACE_S = 0.5
"""A sync that notices by itself that it was cancelled, between two statements, rolls back in this time."""
AGAIN_S = 1.0
"""A request that comes between two statements is lost, and the next statement may be the long one."""
REQUEST_S = 2.0


@contextmanager
def cancellable(connection: psycopg.Connection, key: str, cancelled: Callable[[], bool]) -> Iterator[None]:
    """For the block, ends the connection's statements once `cancelled()` says so, asked from a thread of its own.

    Raises `SyncCancelled` in the place of what PostgreSQL says then.
    """
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(connection, cancelled, over), name="syncflow-cancel", daemon=True)
    watch.start()
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        if not cancelled():
            raise
        raise SyncCancelled(f"{key} was cancelled while PostgreSQL was at work; nothing of it was kept") from error
    finally:
        over.set()
        watch.join()


def _watch(connection: psycopg.Connection, cancelled: Callable[[], bool], over: threading.Event) -> None:
    while not over.wait(POLL_S):
        if cancelled():
            break
    pause_s = GRACE_S
    while not over.wait(pause_s):
        if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
            _cancel(connection)
        pause_s = AGAIN_S


def _cancel(connection: psycopg.Connection) -> None:
    # A server that does not take the request will not take anything else either: the sync ends with that.
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=REQUEST_S)
