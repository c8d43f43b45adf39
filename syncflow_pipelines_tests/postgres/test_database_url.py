"""URLs mean the same to libpq and to SQLAlchemy's two drivers."""

from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine, make_url

from syncflow_pipelines.database import sqlalchemy_url
from syncflow_pipelines.database.url import Driver

URLS = [
    "postgresql://me:p%40ss%2Fword@db.example.com:5433/erp",
    "postgresql://me@db.example.com/erp?sslmode=require&options=-c%20work_mem%3D8MB%20-c%20jit%3Doff",
    "postgresql://postgres@/syncflow?host=/tmp/syncflow-1234&port=5432",
    "postgresql://%2Fvar%2Frun%2Fpostgresql/erp",
    "postgresql://me@[::1]:5433/erp",
    "postgresql://one:5432,two:5433/erp?target_session_attrs=read-write",
    "postgresql://me@one,two/erp?port=5433",
    "postgresql://me:100%25%20sure@localhost/a%20name",
]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
@pytest.mark.parametrize("url", URLS)
def test_sqlalchemy_connects_with_what_the_url_says(url: str, driver: Driver) -> None:
    wanted = {name: str(setting) for name, setting in conninfo_to_dict(url).items()}
    if "," in wanted.get("host", "") and "," not in wanted.get("port", ","):
        wanted["port"] = ",".join([wanted["port"]] * 2)
    assert arguments_of(sqlalchemy_url(url, driver)) == wanted


def arguments_of(url: str) -> dict[str, str]:
    engine = create_engine(url)
    _, arguments = engine.dialect.create_connect_args(make_url(url))
    named: dict[str, Any] = {name: setting for name, setting in arguments.items() if name != "context"}
    return {name: str(setting) for name, setting in named.items()}
