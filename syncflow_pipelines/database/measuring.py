"""Measuring on a connection that is kept: what PostgreSQL refuses is one error."""

import psycopg

from syncflow_pipelines.database.measurements import Measurements, measure
from syncflow_pipelines.database.pool import Lane
from syncflow_pipelines.database.url import one_line
from syncflow_pipelines.errors import DatabaseError


def measured(lane: Lane) -> Measurements:
    """Everything that is measured. Raises `DatabaseError` where the database is away, or too slow to say."""
    try:
        with lane.connection() as connection:
            return measure(connection)
    except psycopg.Error as error:
        raise DatabaseError(f"the figures could not be read from the database: {one_line(error)}") from error
