"""How the connections of this process's pools are used, and that a pool had none left."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

import psycopg
from psycopg_pool import ConnectionPool

# One row, however often: who waits in vain is told so by the error, and the others need a number.
_NOTE = """
INSERT INTO pool_totals AS t (exhausted, last_at, last_limit) VALUES (1, now(), %s)
ON CONFLICT (is_only) DO UPDATE SET exhausted = t.exhausted + 1, last_at = now(), last_limit = excluded.last_limit
"""

_POOLS: Final = WeakSet[ConnectionPool]()


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """All pools of this process together."""

    limit: int
    opened: int
    in_use: int
    waiting: int
    """Who wants a connection and has none yet."""


def watched(pool: ConnectionPool) -> ConnectionPool:
    """The same pool, counted by `pool_usage` for as long as it is open."""
    _POOLS.add(pool)
    return pool


def pool_usage() -> PoolUsage:
    """As it is now."""
    stats = [pool.get_stats() for pool in list(_POOLS) if not pool.closed]
    opened = sum(one.get("pool_size", 0) for one in stats)
    return PoolUsage(
        limit=sum(one.get("pool_max", 0) for one in stats),
        opened=opened,
        in_use=opened - sum(one.get("pool_available", 0) for one in stats),
        waiting=sum(one.get("requests_waiting", 0) for one in stats),
    )


def note_exhaustion(connection: psycopg.Connection, limit: int) -> None:
    """Records that a process found all of its `limit` connections in use; where that cannot be, nothing happens."""
    with suppress(psycopg.Error):
        connection.execute(_NOTE, (limit,))
