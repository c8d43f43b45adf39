"""Brings the metadata tables up to date."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from syncflow_pipelines.database.url import one_line, sqlalchemy_url
from syncflow_pipelines.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")
"""Every revision there is, oldest first; a test holds it against the migrations' files."""
VERSION_TABLE = "syncflow_version"

_VERSION = sql.SQL("SELECT version_num FROM {}")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow migration of ' || :schema, 0))"
_SCHEMA_EXISTS = "SELECT to_regnamespace(quote_ident(:schema)) IS NOT NULL"
_SEARCH_PATH = "SELECT set_config('search_path', quote_ident(:schema), true)"


def migrate(connection: psycopg.Connection, url: str, schema: str) -> None:
    """Brings the schema's tables to the newest revision, in one transaction; does nothing if they are.

    Raises `DatabaseError` where they are of a newer SyncFlow, or the user may not make them.
    """
    found = revision(connection, schema)
    if found is not None and found not in REVISIONS:
        raise DatabaseError(
            f"The tables in schema {schema!r} are at revision {found!r}, which this SyncFlow does not know; "
            "install the newer version of SyncFlow that made them, or name another schema in POSTGRES_SCHEMA."
        )
    if found != REVISIONS[-1]:
        _upgrade(url, schema)


def revision(connection: psycopg.Connection, schema: str) -> str | None:
    """The revision of the schema's tables; None where there are none."""
    try:
        with connection.transaction():
            row = connection.execute(_VERSION.format(sql.Identifier(schema, VERSION_TABLE))).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_allowed(schema, error) from error
    return str(row[0]) if row else None


def alembic_config(connection: "Connection") -> "Config":
    """Alembic's configuration, for work on that connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(url: str, schema: str) -> None:
    # imported here because they take 0.3 s and are needed once in a database's life
    from alembic import command
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    address = sqlalchemy_url(url, "psycopg", application_name="syncflow migration")
    engine = create_engine(address, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            _enter_schema(connection, schema)
            command.upgrade(alembic_config(connection), "head")
    except DBAPIError as error:
        raise _not_allowed(schema, error.orig or error) from error


def _enter_schema(connection: "Connection", schema: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.schema import CreateSchema

    name = {"schema": schema}
    connection.execute(text(_LOCK), name)
    if not connection.execute(text(_SCHEMA_EXISTS), name).scalar():
        connection.execute(CreateSchema(schema))
    connection.execute(text(_SEARCH_PATH), name)


def _not_allowed(schema: str, error: BaseException) -> DatabaseError:
    return DatabaseError(
        f"SyncFlow's tables in schema {schema!r} cannot be made or read: {one_line(error)}; the database user "
        "needs to own the schema, or to have CREATE on the database."
    )
