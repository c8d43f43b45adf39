"""The lock that altering a table takes: asked for briefly, and again, so that nobody has to wait behind SyncFlow.

PostgreSQL lets whoever comes later wait behind whoever waits for such a lock, readers too. One long query and one
patient ALTER TABLE would stop everybody else.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from syncflow_pipelines.errors import TableInUse
from syncflow_pipelines.sync.model import Table

TRIES = 5
WAIT_MS = 200
"""How long others may have to wait behind one try."""

PAUSE_S = 0.3
"""Between two tries, for those who queued up meanwhile."""

AUTOVACUUM_WAIT_MS = 3000
"""Autovacuum gives way to whoever has waited for it for `deadlock_timeout`, a second as a rule; nobody else waits."""

_LOCK = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
_TIMEOUT = "SELECT current_setting('lock_timeout')"
_SET_TIMEOUT = "SELECT set_config('lock_timeout', %s, true)"
_HOLDERS = """
SELECT l.pid, nullif(a.application_name, '') AS application, a.usename::text AS "user", a.xact_start AS since,
  coalesce(a.backend_type = 'autovacuum worker', false) AS is_autovacuum
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = %s AND c.relname = %s)
ORDER BY a.xact_start, l.pid
"""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Somebody who has a lock on the table; what the role may not see of others is None."""

    pid: int | None
    """None: a prepared transaction."""
    application: str | None
    user: str | None
    since: datetime | None
    is_autovacuum: bool

    def __str__(self) -> str:
        if self.pid is None:
            return "a prepared transaction"
        since = f"since {self.since:%H:%M:%S} UTC" if self.since else None
        user = f"user {self.user}" if self.user else None
        known = ", ".join(part for part in (self.application, user, since) if part)
        return f"process {self.pid} ({known})" if known else f"process {self.pid}"


@contextmanager
def locked_table(connection: psycopg.Connection, table: Table) -> Iterator[None]:
    """Holds the table against everybody else until the caller's transaction ends.

    Inside, other tables are waited for no longer than this one was. Raises `TableInUse`, which names who has it.
    """
    before = connection.execute(_TIMEOUT).fetchone()
    _lock(connection, table)
    connection.execute(_SET_TIMEOUT, (f"{WAIT_MS}ms",))
    yield
    connection.execute(_SET_TIMEOUT, before)


def _lock(connection: psycopg.Connection, table: Table) -> None:
    wait_ms, holders = WAIT_MS, list[_Holder]()
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        if _try(connection, table, wait_ms):
            return
        holders = _holders(connection, table) or holders
        only_autovacuum = bool(holders) and all(holder.is_autovacuum for holder in holders)
        wait_ms = AUTOVACUUM_WAIT_MS if only_autovacuum else WAIT_MS
    who = " and ".join(map(str, holders)) or "somebody"
    raise TableInUse(
        f"table {table} cannot be altered just now, because {who} has it in use; wait for that transaction or end it, "
        "and try again"
    )


def _try(connection: psycopg.Connection, table: Table, wait_ms: int) -> bool:
    try:
        with connection.transaction():
            connection.execute(_SET_TIMEOUT, (f"{wait_ms}ms",))
            connection.execute(_LOCK.format(table=sql.Identifier(table.schema, table.name)))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _holders(connection: psycopg.Connection, table: Table) -> list[_Holder]:
    with connection.cursor(row_factory=class_row(_Holder)) as cursor:
        return cursor.execute(_HOLDERS, (table.schema, table.name)).fetchall()
