"""A database that nobody reaches for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.url import url_parts


@contextmanager
def away(database: Database, server_url: str) -> Iterator[None]:
    """For the block nobody reaches the database."""
    name = url_parts(database.url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))
