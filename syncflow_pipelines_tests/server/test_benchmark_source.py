"""The source of the benchmarks keeps to the contract, and serves exactly the rows that were rendered."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml

from benchmarks.dataset import State, change, every, render
from benchmarks.rows import COLUMNS, key_of, version_of
from benchmarks.source.offer import SLUG, Offer
from benchmarks.source.process import running_source
from benchmarks.source.server import Server
from syncflow_pipelines.demo.app import contract
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue
from syncflow_pipelines_tests.server.test_demo_source_contract import STEADY, contract_for

ROWS = 2_345


def _without_token(document: dict[str, Any]) -> dict[str, Any]:
    """The contract of a source that asks nobody for a token."""
    return {name: part for name, part in document.items() if name != "security"}


any_source = schemathesis.openapi.from_dict(_without_token(yaml.safe_load(contract())))
this_source = schemathesis.openapi.from_dict(_without_token(contract_for([SLUG])))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> State:
    return render(tmp_path_factory.mktemp("rendered") / "first", "plain", ROWS)


@pytest.fixture(scope="module")
def changed(first: State) -> State:
    return change(first, first.folder.with_name("changed"), every(100, 7))


@pytest.fixture(scope="module")
def server(first: State) -> Iterator[Server]:
    served = Server()
    served.offer([Offer.of(first)])
    yield served
    served.close()


@pytest.fixture(scope="module")
def base_url(server: Server) -> str:
    return server.base_url


@pytest.fixture
def client(server: Server, first: State) -> Iterator[httpx.Client]:
    """A client; whatever the test offered, the first state is offered again afterwards."""
    with httpx.Client(base_url=f"{server.base_url}/api/v1", timeout=10) as opened:
        yield opened
    server.offer([Offer.of(first)])


@any_source.parametrize()
@STEADY
def test_every_operation_answers_any_request_as_the_contract_says(case: schemathesis.Case[Any], base_url: str) -> None:
    case.call_and_validate(base_url)


@this_source.include(operation_id="list_rows").parametrize()
@STEADY
def test_pages_answer_any_query_as_the_contract_says(case: schemathesis.Case[Any], base_url: str) -> None:
    case.call_and_validate(base_url)


def _pages(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    found, page = [], 1
    while True:
        answer = client.get(f"/data/{SLUG}", params={"page": page, **query})
        assert answer.status_code == 200
        found.append(answer.json())
        if not found[-1]["has_more"]:
            return found
        page += 1


def _rows(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return [row for page in _pages(client, **query) for row in page["rows"]]


@pytest.mark.parametrize("page_size", [100, 469, 1000])
def test_all_pages_together_are_all_rows_once_in_the_order_of_their_keys(client: httpx.Client, page_size: int) -> None:
    rows = _rows(client, page_size=page_size)
    assert [(row["data"]["site"], row["data"]["line_no"]) for row in rows] == [key_of(row) for row in range(ROWS)]
    assert all(list(row["data"]) == [column.alias for column in COLUMNS["plain"]] for row in rows)
    assert all(
        row["oracle_keys"] == {"SITE": r["site"], "LINE_NO": r["line_no"]} for row in rows for r in [row["data"]]
    )


def test_a_page_tells_how_many_rows_there_are_and_whether_more_follow(client: httpx.Client) -> None:
    pages = _pages(client, page_size=1000)
    assert [(page["page"], len(page["rows"]), page["total"], page["has_more"]) for page in pages] == [
        (1, 1000, ROWS, True),
        (2, 1000, ROWS, True),
        (3, 345, ROWS, False),
    ]
    beyond = client.get(f"/data/{SLUG}", params={"page": 9}).json()
    assert (beyond["rows"], beyond["has_more"]) == ([], False)


def test_only_rows_above_a_row_version_come_and_in_the_order_of_versions(
    client: httpx.Client, server: Server, changed: State
) -> None:
    server.offer([Offer.of(changed)])
    greatest_before = str(version_of(ROWS - 1, 0))
    rows = _rows(client, page_size=10, rowversion_gt=greatest_before)
    numbers = [number for number in range(ROWS) if number % 100 == 7]
    assert [(row["data"]["site"], row["data"]["line_no"]) for row in rows] == [key_of(number) for number in numbers]
    assert [row["row_version"] for row in rows] == [str(version_of(number, 1)) for number in numbers]


def test_an_empty_row_version_asks_for_every_row_in_the_order_of_versions(
    client: httpx.Client, server: Server, changed: State
) -> None:
    server.offer([Offer.of(changed)])
    versions = [row["row_version"] for row in _rows(client, rowversion_gt="")]
    assert len(versions) == ROWS
    assert versions == sorted(versions)


def test_a_row_version_that_is_no_number_compares_by_code_point(client: httpx.Client) -> None:
    assert len(_rows(client, rowversion_gt="/")) == ROWS
    assert _rows(client, rowversion_gt="x") == []


def test_an_entity_can_be_a_range_of_the_rows(client: httpx.Client, server: Server, first: State) -> None:
    server.offer([Offer.of(first, SLUG, 1000, 1020), Offer.of(first, "other", 0, 1)])
    rows = _rows(client)
    assert [(row["data"]["site"], row["data"]["line_no"]) for row in rows] == [key_of(n) for n in range(1000, 1020)]


def test_syncflow_takes_the_catalogue_without_a_finding(client: httpx.Client) -> None:
    catalogue = parse_catalogue(client.get("/apis").content)
    assert catalogue.findings == ()
    assert [(c.identifier, c.pg_type) for c in catalogue.entities[0].columns] == [
        (column.alias, column.pg_type) for column in COLUMNS["plain"]
    ]


def test_the_catalogue_is_not_sent_twice_to_who_has_it(client: httpx.Client) -> None:
    etag = client.get("/apis").headers["etag"]
    assert client.get("/apis", headers={"If-None-Match": etag}).status_code == 304


def test_requests_at_the_same_time_are_counted(client: httpx.Client, server: Server, first: State) -> None:
    server.offer([Offer.of(first)], delay_s=0.3)
    together = threading.Barrier(3)

    def ask() -> None:
        with httpx.Client(base_url=server.base_url, timeout=10) as own:
            own.get("/api/v1/health")
            together.wait(10)
            own.get(f"/api/v1/data/{SLUG}", params={"page_size": 1})

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_at_once == 3
    assert server.requests == 6


def test_the_source_runs_as_a_process_that_ends_with_its_orders(tmp_path: Path) -> None:
    state = render(tmp_path / "rows", "rich", 5)
    with running_source() as source:
        source.offer(Offer.of(state))
        rows = httpx.get(f"{source.base_url}/api/v1/data/{SLUG}").json()["rows"]
        assert (len(rows), source.requests().requests) == (5, 1)
        assert rows[0]["data"]["tags"] == ["tag 0", True, None]
    with pytest.raises(httpx.ConnectError):
        httpx.get(source.base_url)
