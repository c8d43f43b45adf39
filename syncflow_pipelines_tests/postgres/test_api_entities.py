"""`/api/v1/entities`: listed, shown and changed."""

from collections.abc import Iterator

import httpx
import pytest

from syncflow_pipelines_tests.postgres.admin_api import problem, serving_api
from syncflow_pipelines_tests.postgres.world import World, row


@pytest.fixture
def api(world: World) -> Iterator[httpx.Client]:
    """The API of a world with two entities, one of which was synced."""
    world.offer("items")
    world.offer("orders", "hash", name="Orders of customers")
    world.discover()
    world.store.put("items", [row(1), row(2)])
    world.sync("items")
    with serving_api(world.settings) as client:
        yield client


def test_every_entity_is_listed_with_its_total(api: httpx.Client) -> None:
    answer = api.get("/entities")
    assert answer.status_code == 200
    assert [item["entity"] for item in answer.json()["items"]] == ["erp/items", "erp/orders"]
    assert answer.json()["total"] == 2


def test_filters_and_sorting_choose_entities(api: httpx.Client) -> None:
    expected = {
        "connector=erp": ["erp/items", "erp/orders"],
        "connector=crm": [],
        "status=never": ["erp/orders"],
        "status=success": ["erp/items"],
        "strategy=hash": ["erp/orders"],
        "enabled=false": [],
        "due=true": ["erp/orders"],
        "present=true": ["erp/items", "erp/orders"],
        "q=CUSTOMERS": ["erp/orders"],
        "q=%25": [],
        "sort=-entity": ["erp/orders", "erp/items"],
        "sort=-last_sync_at": ["erp/items", "erp/orders"],
        "limit=1&offset=1": ["erp/orders"],
        "offset=7": [],
    }
    found = {asked: [item["entity"] for item in api.get(f"/entities?{asked}").json()["items"]] for asked in expected}
    assert found == expected
    assert api.get("/entities?offset=7").json()["total"] == 2


def test_parts_of_a_list_link_to_each_other(api: httpx.Client) -> None:
    first = api.get("/entities?limit=1&connector=erp")
    assert first.links["next"]["url"] == "/api/v1/entities?limit=1&connector=erp&offset=1"
    second = httpx.get(str(first.url.join(first.links["next"]["url"])))
    assert second.json()["items"][0]["entity"] == "erp/orders"
    assert set(second.links) == {"first", "prev", "last"}


def test_an_entity_that_did_not_change_is_not_sent_again(api: httpx.Client) -> None:
    uid = api.get("/entities").json()["items"][0]["uid"]
    answer = api.get(f"/entities/{uid}")
    again = api.get(f"/entities/{uid}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])


def test_an_unknown_entity_is_a_problem(api: httpx.Client) -> None:
    problem(api.get("/entities/0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10"), 404, "not-found")
