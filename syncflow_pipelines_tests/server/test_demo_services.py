"""The two OpenAPI services of the demo: what they answer, and that they change while they run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from syncflow_pipelines.demo.services.app import build_services, warehouse_token_path
from syncflow_pipelines.demo.services.revisions import FIRST, evolve, revision_of
from syncflow_pipelines.demo.services.server import running_services
from syncflow_pipelines.demo.serving import listen, serve_in_thread
from syncflow_pipelines.errors import ConfigurationError


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The base URL of both services."""
    with serve_in_thread(build_services(tmp_path)) as served:
        yield served


@pytest.fixture
def warehouse(url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the warehouse that has its token."""
    token = warehouse_token_path(tmp_path).read_text().strip()
    with httpx.Client(base_url=f"{url}/warehouse", headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture
def parcels(url: str) -> Iterator[httpx.Client]:
    """A client of the parcels."""
    with httpx.Client(base_url=f"{url}/parcels") as client:
        yield client


def operations(document: Any) -> set[str]:
    return {
        definition["operationId"]
        for item in document["paths"].values()
        for method, definition in item.items()
        if method != "parameters"
    }


def test_the_warehouse_shows_only_its_health_without_the_token(url: str, warehouse: httpx.Client) -> None:
    assert httpx.get(f"{url}/warehouse/health").json() == {"status": "ok"}
    for path in ("/openapi.json", "/stock", "/sites"):
        assert httpx.get(f"{url}/warehouse{path}").status_code == 401
        assert httpx.get(f"{url}/warehouse{path}", headers={"Authorization": "Bearer another"}).status_code == 401
        assert warehouse.get(path).status_code == 200


def test_the_warehouse_publishes_openapi_3_1(warehouse: httpx.Client) -> None:
    document = warehouse.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert operations(document) == {
        "list_stock",
        "get_stock",
        "set_reorder_point",
        "book_movement",
        "get_movement",
        "list_sites",
    }


def test_stock_that_is_moved_is_at_the_other_site(warehouse: httpx.Client) -> None:
    def at(site: str) -> int:
        (level,) = [one for one in warehouse.get("/stock/PL-2001").json() if one["site"] == site]
        return int(level["quantity"])

    before = at("HAM"), at("LYS")
    wanted = {"sku": "PL-2001", "source": "HAM", "target": "LYS", "quantity": 3}
    booked = warehouse.post("/movements", json=wanted)
    assert (booked.status_code, booked.json()) == (201, {**wanted, "note": None, "number": 1})
    assert (at("HAM"), at("LYS")) == (before[0] - 3, before[1] + 3)
    assert warehouse.get("/movements/1").json() == booked.json()
    assert warehouse.post("/movements", json={**wanted, "quantity": 10_000}).status_code == 409
    assert warehouse.post("/movements", json={**wanted, "sku": "XX-0000"}).status_code == 404


def test_stock_is_listed_by_site_and_by_what_is_low(warehouse: httpx.Client) -> None:
    some = warehouse.get("/stock", params={"site": ["AMS", "LYS"], "limit": 100}).json()
    assert some["total"] == len(some["items"]) == 10
    assert {level["site"] for level in some["items"]} == {"AMS", "LYS"}
    raised = warehouse.put("/stock/TP-3001/reorder-point", json={"site": "AMS", "reorder_point": 100_000})
    assert raised.json()["reorder_point"] == 100_000
    low = warehouse.get("/stock", params={"low_only": "true", "limit": 100}).json()["items"]
    assert ("TP-3001", "AMS") in {(level["sku"], level["site"]) for level in low}
    assert warehouse.get("/stock", params={"limit": 0}).status_code == 422


def test_the_parcels_publish_swagger_2_in_yaml(parcels: httpx.Client) -> None:
    shown = parcels.get("/swagger.yaml")
    assert shown.headers["content-type"].startswith("application/yaml")
    document = yaml.safe_load(shown.text)
    assert (document["swagger"], document["basePath"]) == ("2.0", "/parcels")
    assert operations(document) == {"listParcels", "announceParcel", "getParcel", "recallParcel", "getLabel", "quote"}


def test_a_parcel_is_announced_labelled_and_recalled(parcels: httpx.Client) -> None:
    wanted = {"recipient": "Mia Berg", "country": "FR", "weight_kg": 2.5}
    announced = parcels.post("/shipments", json=wanted)
    assert announced.status_code == 201
    number = announced.json()["number"]
    assert parcels.get(f"/shipments/{number}").json() == announced.json()
    assert number in parcels.get(f"/shipments/{number}/label").text
    assert parcels.delete(f"/shipments/{number}").status_code == 204
    assert parcels.get(f"/shipments/{number}").status_code == 404


def test_parcels_are_listed_by_status(parcels: httpx.Client) -> None:
    listed = parcels.get("/shipments", params={"status": "under_way,delivered"}).json()
    assert [one["status"] for one in listed] == ["delivered", "under_way"]
    assert len(parcels.get("/shipments", params={"limit": "1"}).json()) == 1
    assert parcels.get("/shipments", params={"since": "2999-01-01"}).json() == []


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"country": "DE", "weight_kg": "2"}, 200),
        ({"country": "XX", "weight_kg": "2"}, 400),
        ({"country": "DE", "weight_kg": "31"}, 400),
        ({"country": "DE", "weight_kg": "much"}, 400),
    ],
)
def test_a_quote_is_asked_for_in_a_form(form: dict[str, str], status: int, parcels: httpx.Client) -> None:
    assert parcels.post("/quotes", data=form).status_code == status


def test_a_document_that_did_not_change_is_not_sent_again(warehouse: httpx.Client, parcels: httpx.Client) -> None:
    for client, path in ((warehouse, "/openapi.json"), (parcels, "/swagger.yaml")):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_warehouse_gains_an_operation_while_it_runs(warehouse: httpx.Client, tmp_path: Path) -> None:
    before = warehouse.get("/openapi.json")
    assert warehouse.get("/sites/AMS/capacity").status_code == 404
    evolve(tmp_path, "warehouse")
    after = warehouse.get("/openapi.json", headers={"If-None-Match": before.headers["etag"]})
    assert operations(after.json()) - operations(before.json()) == {"get_site_capacity"}
    assert warehouse.get("/sites/AMS/capacity").json()["shelves"] == 120
    evolve(tmp_path, "warehouse", FIRST)
    assert warehouse.get("/openapi.json").json() == before.json()


def test_the_parcels_change_so_that_callers_break(parcels: httpx.Client, tmp_path: Path) -> None:
    wanted = {"recipient": "Mia Berg", "country": "FR", "weight_kg": 2.5}
    evolve(tmp_path, "parcels")
    document = yaml.safe_load(parcels.get("/swagger.yaml").text)
    assert "getLabel" not in operations(document)
    assert parcels.get("/shipments/P100001/label").status_code == 404
    assert parcels.post("/shipments", json=wanted).status_code == 400
    assert parcels.post("/shipments", json={**wanted, "phone": "0123"}).status_code == 201


def test_services_of_a_process_of_their_own_end_with_the_block(tmp_path: Path) -> None:
    with running_services(tmp_path, listen("127.0.0.1", 0)) as url:
        assert httpx.get(f"{url}/parcels/health").json() == {"status": "ok"}
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/parcels/health")


@pytest.mark.parametrize("content", ["{", "[]", '{"warehouse": 7}', '{"warehouse": []}'])
def test_a_file_of_revisions_that_cannot_be_used_is_refused_by_name(content: str, tmp_path: Path) -> None:
    evolve(tmp_path, "warehouse")
    (tmp_path / "demo" / "services.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"services\.json"):
        revision_of(tmp_path, "warehouse")
