"""A webserver of Dagster that accepts connections and answers nothing: the API waits for it nowhere."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncflow_pipelines_tests.postgres.admin_api import TOKENS, ApiWorld, serving_api, write_connectors
from syncflow_pipelines_tests.postgres.world import World, row

MORE_THAN_THREADS = 33
"""Of asyncio's own pool."""


@pytest.fixture
def hung(world: World) -> Iterator[ApiWorld]:
    """The API beside such a webserver, with a connector of the file and one of the API."""
    with socket.create_server(("127.0.0.1", 0)) as webserver:
        port = webserver.getsockname()[1]
        world.settings = replace(world.settings, dagster_url=f"http://127.0.0.1:{port}")
        world.offer("items")
        world.store.put("items", [row(1)])
        write_connectors(world, {})
        world.discover()
        with serving_api(world.settings, TOKENS) as client:
            yield ApiWorld(world, client)


def test_changes_and_syncs_do_not_make_other_requests_wait(hung: ApiWorld) -> None:
    order = {"name": "crm", "base_url": "http://127.0.0.1:9", "auth": {"type": "none"}}
    added = hung.client.post("/connectors", json=order).json()["uid"]
    for number in range(MORE_THAN_THREADS):
        body = {**order, "concurrency": number % 8 + 1}
        assert hung.client.put(f"/connectors/{added}", json=body, headers={"If-Match": "*"}).status_code == 200
    for number in range(MORE_THAN_THREADS):
        sent = hung.client.post(f"/entities/{hung.uid('items')}/sync", headers={"Idempotency-Key": f"k{number}"})
        assert sent.status_code in (200, 202)

    (erp,) = [one["uid"] for one in hung.get("/connectors")["items"] if one["name"] == "erp"]
    assert hung.client.post(f"/connectors/{erp}/test").json()["ok"] is True
    assert hung.client.delete(f"/connectors/{added}").status_code == 204
