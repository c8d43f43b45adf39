"""`/api/v1/entities`: listed, shown and changed."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from syncflow_pipelines.sync import entities
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.postgres.admin_api import ApiWorld, api, problem, write_connectors

__all__ = ["api"]


def test_every_entity_is_listed_by_what_is_asked_for(api: ApiWorld) -> None:
    expected = {
        "": ["erp/items", "erp/orders"],
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
    found = {asked: [item["entity"] for item in api.get(f"/entities?{asked}")["items"]] for asked in expected}
    assert found == expected
    assert api.get("/entities?offset=7")["total"] == 2


def test_every_sorting_is_one_that_postgresql_knows(api: ApiWorld) -> None:
    described = api.get("/openapi.json")["paths"]["/api/v1/entities"]["get"]["parameters"]
    (sort,) = (parameter for parameter in described if parameter["name"] == "sort")
    for name in sort["schema"]["enum"]:
        assert api.get(f"/entities?sort={name}")["total"] == 2


def test_parts_of_the_list_link_to_each_other(api: ApiWorld) -> None:
    first = api.client.get("/entities?limit=1&connector=erp")
    assert first.links["next"]["url"] == "/api/v1/entities?limit=1&connector=erp&offset=1"
    second = api.client.get(str(first.url.join(first.links["next"]["url"])))
    assert second.json()["items"][0]["entity"] == "erp/orders"
    assert set(second.links) == {"first", "prev", "last"}


def test_an_entity_that_did_not_change_is_not_sent_again(api: ApiWorld) -> None:
    path = f"/entities/{api.uid('items')}"
    answer = api.client.get(path)
    again = api.client.get(path, headers={"If-None-Match": f'"other", {answer.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    api.world.sync("items")
    assert api.client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200


def test_an_unknown_entity_is_a_problem(api: ApiWorld) -> None:
    for path in ("", "/runs", "/rejects", "/record-changes"):
        problem(api.client.get(f"/entities/0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10{path}"), 404, "not-found")


def change(api: ApiWorld, slug: str, body: Mapping[str, object], tag: str | None = None) -> httpx.Response:
    path = f"/entities/{api.uid(slug)}"
    return api.client.put(path, json=body, headers={"If-Match": tag or api.client.get(path).headers["etag"]})


def test_what_is_chosen_over_the_api_outlasts_a_discovery(api: ApiWorld) -> None:
    answer = change(api, "items", {"sync_interval_seconds": 60, "strategy": "full"})
    assert answer.status_code == 200
    assert (answer.json()["sync_interval_seconds"], answer.json()["strategy"]) == (60, "full")
    assert answer.headers["etag"] == api.client.get(f"/entities/{api.uid('items')}").headers["etag"]
    api.world.discover()
    kept = api.world.entity("items")
    assert (kept.interval_s, kept.strategy, kept.enabled) == (60, "full", True)
    (state,) = (one for one in read_catalogue_state(api.world.settings.home)["erp"] if one.slug == "items")
    assert state.strategy == "full"
    assert api.get("/changes?kind=strategy_changed")["items"][0]["message"] == "over the API"


def test_null_takes_back_what_was_chosen(api: ApiWorld) -> None:
    change(api, "orders", {"sync_enabled": False, "sync_interval_seconds": 60})
    assert not api.world.entity("orders").enabled
    back = change(api, "orders", {"sync_enabled": None}).json()
    assert back["choices"] == {"sync_enabled": None, "sync_interval_seconds": 60, "strategy": None}
    assert api.world.entity("orders").enabled


def test_what_the_file_says_of_an_entity_cannot_be_changed_over_the_api(api: ApiWorld) -> None:
    write_connectors(api.world, {"orders": {"sync_interval_seconds": 900}})
    refused = problem(change(api, "orders", {"sync_interval_seconds": 60}), 409, "set-by-configuration")
    assert refused["detail"] == (
        "connectors.yaml says sync_interval_seconds of erp/orders; change it there, or take it out"
    )
    assert change(api, "orders", {"sync_enabled": False}).status_code == 200


def test_a_strategy_that_the_source_cannot_serve_is_refused(api: ApiWorld) -> None:
    before = api.get(f"/entities/{api.uid('orders')}")
    refused = problem(change(api, "orders", {"strategy": "rowversion"}), 409, "refused")
    assert "set hash or full" in refused["detail"]
    assert api.get(f"/entities/{api.uid('orders')}") == before


def test_a_change_names_the_state_that_it_changes(api: ApiWorld) -> None:
    path, body = f"/entities/{api.uid('items')}", {"sync_interval_seconds": 60}
    tag = api.client.get(path).headers["etag"]
    problem(api.client.put(path, json=body), 428, "precondition-required")
    assert change(api, "items", body, tag).status_code == 200
    stale = problem(change(api, "items", {"sync_interval_seconds": 61}, tag), 412, "precondition-failed")
    assert stale["etag"] == api.client.get(path).headers["etag"]
    problem(change(api, "items", body, f"W/{stale['etag']}"), 412, "precondition-failed")
    assert change(api, "items", {"sync_interval_seconds": 62}, "*").status_code == 200


def test_of_two_changes_of_one_state_one_is_made(api: ApiWorld) -> None:
    tag = api.client.get(f"/entities/{api.uid('items')}").headers["etag"]
    bodies = [{"sync_interval_seconds": 100 + number} for number in range(8)]
    with ThreadPoolExecutor(len(bodies)) as threads:
        answers = list(threads.map(lambda body: change(api, "items", body, tag), bodies))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]


def test_a_change_waits_for_another_one_only_briefly(api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "LOCK_LIMIT_S", 0.2)
    with api.world.database.connection() as connection:
        connection.execute("UPDATE entities SET updated_at = updated_at")
        problem(change(api, "items", {"sync_enabled": False}, "*"), 409, "entity-busy")
    assert change(api, "items", {"sync_enabled": False}, "*").status_code == 200
