"""While PostgreSQL is away the API says so, and once it is back everything is as before."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import start_embedded, stop_embedded
from syncflow_pipelines_tests.postgres.admin_api import PATIENCE_S, TOKENS, ApiWorld, api, problem, serving_api

__all__ = ["api"]


@contextmanager
def away(server_url: str, database_url: str) -> Iterator[None]:
    """No connection to the test's database lives, and none can be made."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    _allow(server_url, str(name), is_allowed=False)
    try:
        yield
    finally:
        _allow(server_url, str(name), is_allowed=True)


def _allow(server_url: str, name: str, *, is_allowed: bool) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(is_allowed)))
        if not is_allowed:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def test_the_api_says_that_the_database_is_away_and_recovers_alone(
    api: ApiWorld, server_url: str, database_url: str
) -> None:
    item, uid = f"/entities/{api.uid('items')}", api.uid("items")
    tag = api.client.get(item).headers["etag"]
    with away(server_url, database_url):
        assert api.client.get("/health").status_code == 200
        asked = [
            api.client.get("/health/db"),
            api.client.get("/entities"),
            api.client.get(f"{item}/runs"),
            api.client.get("/rejects"),
            api.client.put(item, json={"sync_enabled": False}, headers={"If-Match": tag}),
            api.client.post(f"/entities/{uid}/rejects/retry"),
            api.client.post(f"/entities/{uid}/rejects/drop", json={"reason": "x"}),
        ]
        for answer in asked:
            problem(answer, 503, "database-unavailable")
            assert int(answer.headers["retry-after"]) > 0
    assert api.get("/health/db")["status"] == "up"
    assert api.client.get(item).headers["etag"] == tag
    assert api.client.put(item, json={"sync_enabled": False}, headers={"If-Match": tag}).status_code == 200


def test_a_connection_that_was_lost_is_made_anew_without_anybody_noticing(
    api: ApiWorld, server_url: str, database_url: str
) -> None:
    for _ in range(3):
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: api.client.get("/runs").status_code, range(24)))
        assert set(answers) == {200}
        with away(server_url, database_url):
            pass


def test_the_api_starts_without_a_database(settings: Settings, server_url: str, database_url: str) -> None:
    with away(server_url, database_url), serving_api(settings, TOKENS) as client:
        assert client.get("/health").status_code == 200
        problem(client.get("/health/db"), 503, "database-unavailable")
        _allow(server_url, str(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]), is_allowed=True)
        assert client.get("/entities").json() == {"items": [], "total": 0}


@pytest.mark.slow
def test_a_server_that_was_stopped_is_asked_again_once_it_runs(embedded_home: Path, tmp_path: Path) -> None:
    """With a URL, as of a server that is not SyncFlow's own to start."""
    own = Settings(config_dir=tmp_path, home=embedded_home)
    url = start_embedded(own)
    with serving_api(replace(own, database_url=str(url)), TOKENS) as client:
        assert client.get("/entities").status_code == 200
        stop_embedded(own, force=True)
        problem(client.get("/entities"), 503, "database-unavailable")
        start_embedded(own)
        assert _patiently(client) == {"items": [], "total": 0}


def _patiently(client: httpx.Client) -> object:
    end = time.monotonic() + PATIENCE_S
    while (answer := client.get("/entities")).status_code == 503:
        assert time.monotonic() < end, answer.text
    return answer.json()
