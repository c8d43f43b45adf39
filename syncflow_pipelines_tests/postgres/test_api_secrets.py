"""A token that is given over the API: looked for in everything that comes out, and in everything that is kept."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from syncflow_pipelines.config import Environment
from syncflow_pipelines.config.sealed_secrets import VARIABLE, new_secret_key
from syncflow_pipelines.sync.connectors import follow_connectors
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines_tests.postgres.admin_api import TOKENS, serving_api
from syncflow_pipelines_tests.postgres.world import World, row

SECRET = "s3cr3t-Zx9-that-nobody-may-see"
KEY = new_secret_key()


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def kept(world: World) -> World:
    """The world in an installation with a key, whose source takes another token than the secret."""
    world.settings = replace(world.settings, environment=Environment({VARIABLE: KEY}))
    world.offer("items")
    world.store.put("items", [row(1)])
    return world


REFUSED = (409, 422)


def bodies(world: World) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    """What is sent with the secret in it, and the status that it may bring: good and bad ones."""
    url = world.connector.base_url
    token, value = {"type": "bearer", "token": SECRET}, {"type": "header", "name": "X-Key", "value": SECRET}
    yield {"name": "crm", "base_url": url, "auth": token}, (201,)
    yield {"name": "hr", "base_url": url, "auth": {**value, "prefix": "Key "}}, (201,)
    for auth in (
        {**token, "token": f"{SECRET} \n"},
        {**token, "token": [SECRET]},
        {**token, "token": SECRET + "é"},
        {**token, "token": SECRET * 1000},
        {**token, "reference": "env:X"},
        {**token, "reference": f"env:{SECRET}"},
        {**token, SECRET: 1},
        {**token, "type": SECRET},
        {**value, "name": SECRET + ":"},
        {**value, "prefix": SECRET + "\n"},
        SECRET,
        {"type": "bearer", "reference": f"file:/{SECRET}"},
    ):
        yield {"name": "bad", "base_url": url, "auth": auth}, REFUSED
    yield {"name": "bad", "base_url": f"http://user:{SECRET}@127.0.0.1", "auth": token}, REFUSED
    yield {"name": "bad", "base_url": f"http://127.0.0.1/?token={SECRET}", "auth": token}, REFUSED
    yield {"name": f"{SECRET}!", "base_url": url, "auth": token}, REFUSED
    yield {"name": "bad", "base_url": url, "auth": token, SECRET: SECRET}, REFUSED
    yield {"name": "bad", "base_url": url, "auth": token, "page_size": SECRET}, REFUSED
    yield {"name": "bad", "base_url": url, "auth": token, "entities": {"items": {"strategy": SECRET}}}, REFUSED


def everything_in(world: World) -> str:
    """Every row of SyncFlow's own tables, and every file of its own folder."""
    parts = []
    with world.database.connection() as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'bridge'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT row_to_json(t)::text FROM bridge."{table}" t'.encode())
            parts += [text for (text,) in rows]
    for file in world.settings.home.rglob("*.json"):
        parts.append(file.read_text())
    return "\n".join(parts)


def test_the_secret_is_nowhere_but_in_the_request_to_its_source(kept: World, heard: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    with ExitStack() as stack:
        client = stack.enter_context(serving_api(kept.settings, TOKENS))
        client.event_hooks["response"] = [lambda answer: said.append(_whole(answer))]
        for body, status in bodies(kept):
            assert client.post("/connectors", json=body).status_code in status, body
        raw = f'{{"name": "bad", "auth": {{"type": "bearer", "token": "{SECRET}"}}'
        assert client.post("/connectors", content=raw, headers={"Content-Type": "application/json"}).status_code == 422
        for one in client.get("/connectors").json()["items"]:
            path = f"/connectors/{one['uid']}"
            assert not client.post(f"{path}/test").json()["ok"]
            assert client.post(f"{path}/discover").status_code == 409
            tag = client.get(path).headers["etag"]
            bad = {"name": "x", "base_url": "http://127.0.0.1:9", "auth": {"type": "bearer", "token": SECRET}}
            assert client.put(path, json=bad, headers={"If-Match": tag}).status_code == 409
            assert client.put(path, json=bad, headers={"If-Match": f'"{SECRET}"'}).status_code == 412
        client.get("/openapi.json")
    for connector in follow_connectors(kept.database, kept.settings):
        outcome = sync_entity(kept.database, kept.settings, SyncRequest(connector, "items"))
        said += [str(outcome), repr(connector), str(connector.auth.secret())]

    told = "\n".join((*said, heard.text, repr(kept.settings), everything_in(kept)))
    assert SECRET not in told
    assert KEY not in told
    assert "X-Key" in told


def _whole(answer: httpx.Response) -> str:
    return f"{answer.headers!r}\n{answer.read().decode()}"
