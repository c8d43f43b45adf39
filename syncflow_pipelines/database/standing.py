"""Whether the database answers, and what it is."""

import time
from dataclasses import dataclass

import psycopg

from syncflow_pipelines.database.migrate import VERSION_TABLE

_ASK = f"SELECT current_setting('server_version'), (SELECT version_num FROM {VERSION_TABLE})"  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class DatabaseStanding:
    """What a database that answers says of itself."""

    server_version: str
    """Of PostgreSQL."""
    revision: str
    """Of the metadata tables."""
    latency_s: float
    """How long it took to say so."""


def database_standing(connection: psycopg.Connection) -> DatabaseStanding:
    """How the database stands. Raises what psycopg does where it does not answer."""
    began = time.perf_counter()
    row = connection.execute(_ASK).fetchone()
    assert row is not None
    return DatabaseStanding(row[0], row[1], time.perf_counter() - began)
