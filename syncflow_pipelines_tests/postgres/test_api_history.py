"""Runs, rejected rows and changes over HTTP: in parts, filtered, and closed."""

import pytest

from syncflow_pipelines_tests.postgres.admin_api import TOO_LONG, ApiWorld, api, problem
from syncflow_pipelines_tests.postgres.world import row

__all__ = ["api"]


def parts(api: ApiWorld, path: str, key: str = "uid") -> list[list[str]]:
    """Every part of a list, two lines at a time, by the links between them."""
    found, url = [], f"/api/v1{path}limit=2"
    while True:
        answer = api.client.get(str(api.client.base_url.join(url)))
        found.append([str(item[key]) for item in answer.json()["items"]])
        if "next" not in answer.links:
            assert answer.json()["next_cursor"] is None
            return found
        url = answer.links["next"]["url"]


def test_a_run_tells_what_it_came_to(api: ApiWorld) -> None:
    run = api.get(f"/entities/{api.uid('items')}/runs")["items"][-1]
    assert (run["status"], run["records_fetched"], run["records_inserted"], run["records_rejected"]) == (
        "success", 3, 2, 1,
    )  # fmt: skip
    assert api.get(f"/runs/{run['uid']}") == run
    problem(api.client.get(f"/runs/{api.uid('items')}"), 404, "not-found")


def test_runs_are_read_in_parts_while_more_are_made(api: ApiWorld) -> None:
    for _ in range(3):
        api.world.sync("items")
    whole = [run["uid"] for run in api.get("/runs")["items"]]
    assert len(whole) == 5
    assert parts(api, "/runs?") == [whole[:2], whole[2:4], whole[4:]]
    first = api.get("/runs?limit=2")
    api.world.sync("items")
    assert [run["uid"] for run in api.get(f"/runs?limit=2&cursor={first['next_cursor']}")["items"]] == whole[2:4]


def test_runs_are_chosen_by_what_is_asked_for(api: ApiWorld) -> None:
    newest, oldest = api.get("/runs")["items"]
    expected = {
        "status=success": [newest, oldest],
        "status=failed": [],
        "strategy=rowversion": [newest, oldest],
        "trigger=manual": [newest, oldest],
        "dagster_run_id=none": [],
        "connector=erp": [newest, oldest],
        f"entity_uid={api.uid('orders')}": [],
        f"since={newest['started_at']}": [newest],
        f"until={newest['started_at']}": [oldest],
    }
    assert {asked: api.get(f"/runs?{asked}")["items"] for asked in expected} == expected


def test_a_cursor_that_no_answer_gave_is_refused(api: ApiWorld) -> None:
    for cursor in ("x", "aGVsbG8", "MjAyNi0wMS0wMQ", "IiI", "é", "a" * 201):
        refused = problem(api.client.get("/runs", params={"cursor": cursor}), 422, "invalid-request")
        assert refused["errors"][0]["loc"] == ["query", "cursor"]


def test_a_rejected_row_is_shown_whole_and_listed_without_itself(api: ApiWorld) -> None:
    (line,) = api.get(f"/entities/{api.uid('items')}/rejects")["items"]
    assert api.get("/rejects?status=open&column=label")["items"] == [line]
    assert api.get("/rejects?status=dropped")["items"] == []
    assert TOO_LONG not in str(line)
    assert TOO_LONG in api.get(f"/rejects/{line['uid']}")["raw"]


def test_a_rejected_row_is_dropped_by_somebody_for_a_reason(api: ApiWorld) -> None:
    (line,) = api.get("/rejects")["items"]
    dropped = api.client.post(f"/rejects/{line['uid']}/drop", json={"reason": "test data"})
    assert dropped.json() == {"entity": "erp/items", "dropped": 1, "open_rejects": 0}
    shown = api.get(f"/rejects/{line['uid']}")
    assert (shown["status"], shown["closed_by"], shown["note"]) == ("dropped", "ada (API)", "test data")
    for way in ("drop", "retry"):
        problem(api.client.post(f"/rejects/{line['uid']}/{way}", json={"reason": "again"}), 409, "reject-closed")


def test_rejected_rows_are_tried_again(api: ApiWorld) -> None:
    (line,) = api.get("/rejects")["items"]
    answer = api.client.post(f"/rejects/{line['uid']}/retry").json()
    assert (answer["tried"], answer["resolved"], answer["open_rejects"]) == (1, 0, 1)
    assert api.get(f"/runs/{answer['run_uid']}")["trigger"] == "retry"
    again = api.client.post(f"/entities/{api.uid('items')}/rejects/retry").json()
    assert (again["tried"], again["open_rejects"]) == (1, 1)


def test_rejected_rows_of_an_entity_that_is_being_synced_are_left_alone(api: ApiWorld) -> None:
    from syncflow_pipelines.sync.runs import try_lock

    with api.world.database.dedicated("test") as connection:
        assert try_lock(connection, api.world.entity("items").uid)
        for way in ("retry", "drop"):
            answer = api.client.post(f"/entities/{api.uid('items')}/rejects/{way}", json={"reason": "now"})
            problem(answer, 409, "entity-busy")
            assert int(answer.headers["retry-after"]) > 0
    assert api.client.post(f"/entities/{api.uid('items')}/rejects/drop", json={"reason": "now"}).status_code == 200


def test_changes_of_tables_are_listed(api: ApiWorld) -> None:
    kinds = {(change["entity"], change["kind"]) for change in api.get("/changes")["items"]}
    assert kinds == {("erp/items", "entity_added"), ("erp/orders", "entity_added")}
    (change,) = api.get(f"/changes?entity_uid={api.uid('orders')}&applied=true")["items"]
    assert change["entity_uid"] == api.uid("orders")
    assert api.get("/changes?applied=false")["items"] == []
    assert [len(part) for part in parts(api, "/changes?connector=erp&")] == [2]


def test_changes_of_rows_keep_every_digit(api: ApiWorld) -> None:
    api.world.store.put("items", [row(2, "x", qty="123456789.125")])
    api.world.sync("items")
    path = f"/entities/{api.uid('items')}/record-changes"
    text = api.client.get(f"{path}?key=number=2&key=site=A&operation=update").text
    assert '"new_values":{"qty": 123456789.125}' in text
    whole = [str(change["id"]) for change in api.get(path)["items"]]
    assert parts(api, f"{path}?", "id") == [whole[:2], whole[2:]]
    run = api.get("/runs")["items"][0]["uid"]
    assert len(api.get(f"{path}?run_uid={run}")["items"]) == 1


@pytest.mark.parametrize("key", ["label=x", "number=two", "number"])
def test_a_key_that_no_row_can_have_is_refused(api: ApiWorld, key: str) -> None:
    path = f"/entities/{api.uid('items')}/record-changes"
    refused = problem(api.client.get(path, params={"key": key}), 422, "invalid-request")
    assert refused["errors"][0]["loc"][:2] == ["query", "key"]
