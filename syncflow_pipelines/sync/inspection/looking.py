"""Connections that can only read, and not for long."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.sync.refusals import said_by

LIMIT_S = 10.0

_READ_ONLY = "SET TRANSACTION READ ONLY"
_LIMIT = "SELECT set_config('statement_timeout', %s, true)"


@contextmanager
def looking(database: Database, what: str, *, limit_s: float = LIMIT_S) -> Iterator[psycopg.Connection]:
    """A connection in one transaction that can change nothing, each statement of it ended after `limit_s`.

    Raises `DatabaseError` in the place of what PostgreSQL says; `what` is being read.
    """
    with database.connection() as connection:
        try:
            connection.execute(_READ_ONLY)
            connection.execute(_LIMIT, (f"{round(limit_s * 1000)}ms",))
            yield connection
        except psycopg.errors.QueryCanceled as error:
            raise DatabaseError(
                f"PostgreSQL took longer than {limit_s:g} s to read {what}; ask for less, or for what an index finds"
            ) from error
        except psycopg.Error as error:
            if connection.closed:
                raise
            raise DatabaseError(f"PostgreSQL refused to read {what}: {said_by(error)}") from error
