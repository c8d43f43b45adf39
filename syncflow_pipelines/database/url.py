"""Database URLs: taken apart, handed to SQLAlchemy, and spoken of without their password."""

from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from syncflow_pipelines.errors import DatabaseError

Driver = Literal["psycopg", "psycopg2"]


def url_parts(url: str) -> dict[str, Any]:
    """The URL's libpq parameters, only those it spells out. Raises `DatabaseError`."""
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # libpq quotes the part that it cannot read, which may be the password: no cause is kept
        raise DatabaseError(
            "The database URL cannot be read; write it as postgresql://user:password@host:port/database, "
            "with the special characters of the password percent-encoded."
        ) from None


def describe(url: str) -> str:
    """Server and database of the URL, for a person to read; never the password. Raises `DatabaseError`."""
    parts = url_parts(url)
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    port = parts.get("port")
    database = parts.get("dbname") or parts.get("user") or "postgres"
    return f"PostgreSQL at {host}{f':{port}' if port else ''}, database {str(database)!r}"


def connect_error(url: str, error: BaseException) -> DatabaseError:
    """That no connection to the URL's database can be made, and why, in one line without the password."""
    return DatabaseError(f"Cannot connect to {describe(url)}: {one_line(error)}")


def one_line(error: BaseException) -> str:
    """What the error says, without line breaks."""
    return " ".join(str(error).split())


def sqlalchemy_url(url: str, driver: Driver, *, application_name: str | None = None) -> str:
    """The URL in SQLAlchemy's spelling, for the driver, password included. Raises `DatabaseError`."""
    # imported here because most commands never need SQLAlchemy, which takes 0.15 s to import
    from sqlalchemy import URL

    parts = {name: str(value) for name, value in url_parts(url).items()}
    if application_name is not None:
        parts["application_name"] = application_name
    return URL.create(
        f"postgresql+{driver}",
        username=parts.pop("user", None),
        password=parts.pop("password", None),
        database=parts.pop("dbname", None),
        query=_with_a_port_for_each_host(parts),  # the host too: a socket's folder or a list only fits here
    ).render_as_string(hide_password=False)


def _with_a_port_for_each_host(parts: dict[str, str]) -> dict[str, str]:
    hosts, port = parts.get("host", "").count(",") + 1, parts.get("port")
    if port is None or "," in port:
        return parts
    return parts | {"port": ",".join([port] * hosts)}
