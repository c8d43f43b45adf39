"""What PostgreSQL said when it refused something, without the rows that it said it of."""

import psycopg

from syncflow_pipelines.errors import DatabaseError, SyncflowError

_QUOTING = ("22", "P0", "XX")
"""Classes of SQLSTATE whose messages quote values: data exceptions, what triggers raise, internal errors."""

_DETAILED = ("0A", "2B", "42", "55")
"""Classes whose details name objects and no values: not supported, dependants, syntax and rights, object state."""

_PASSING = ("08", "40", "53", "55P03", "57", "58")
"""SQLSTATEs of what may be over the next time: connection, deadlock, resources, lock, shutdown, system."""


def said_by(error: psycopg.Error) -> str:
    """The error's message; where that may hold a value, its SQLSTATE and what it names of the schema."""
    state = error.sqlstate or ""
    if error.diag.message_primary and not state.startswith(_QUOTING):
        detail = error.diag.message_detail if state.startswith(_DETAILED) else None
        return f"{error.diag.message_primary} ({detail.rstrip('.')})" if detail else error.diag.message_primary
    places = (error.diag.constraint_name, error.diag.column_name, error.diag.table_name)
    where = "".join(f" of {place}" for place in places if place)
    return f"{type(error).__name__}{where} ({state or 'no SQLSTATE'})"


def may_pass(error: psycopg.Error) -> bool:
    """Whether the same may well succeed the next time."""
    return (error.sqlstate or "").startswith(_PASSING)


def as_ours(error: BaseException) -> SyncflowError | None:
    """The error itself where it is ours, PostgreSQL's translated; None for any other."""
    if isinstance(error, psycopg.Error):
        return translated(error)
    return error if isinstance(error, SyncflowError) else None


def translated(error: psycopg.Error) -> SyncflowError:
    """PostgreSQL's error as ours: what happened, never the row that it happened to."""
    lost = isinstance(error, psycopg.OperationalError) and not isinstance(error, psycopg.errors.ProgramLimitExceeded)
    if lost or (error.sqlstate or "").startswith("25P"):
        return DatabaseError(f"PostgreSQL ended the sync: {said_by(error)}; nothing of it was kept")
    told = f"PostgreSQL refused a statement of the sync: {said_by(error)}; nothing of it was kept"
    return DatabaseError(f"{told}{_remedy(error)}")


def _remedy(error: psycopg.Error) -> str:
    """What to do about something that somebody put on the table."""
    if (error.sqlstate or "").startswith("23"):
        return ": drop that constraint, or mend the rows at the source"
    if isinstance(error, psycopg.errors.ProgramLimitExceeded) and "index" in (error.diag.message_primary or ""):
        return ": drop that index, or make one on left(column, 500) or md5(column) instead"
    return ""
