"""What the demo source answers over HTTP, page by page."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault, SourceStore
from syncflow_pipelines.demo.versions import VersionStyle

TOKEN = "a-token-of-the-test"
PARTS = "/api/v1/data/parts"


def parts(versions: VersionStyle | None = "time", **changes: Any) -> SourceEntity:
    return SourceEntity(
        slug=changes.get("slug", "parts"),
        name="Parts",
        strategy="rowversion" if versions else "hash",
        business_keys=("part_no", "site"),
        columns=(
            SourceColumn("PART_NO", "NUMBER(10)", "part_no", False),
            SourceColumn("SITE", "VARCHAR2(5)", None, False),
            SourceColumn("QTY", "NUMBER", "quantity"),
        ),
        versions=versions,
    )


def row(part_no: int, site: str = "A", quantity: Any = 1) -> dict[str, Any]:
    return {"part_no": part_no, "site": site, "quantity": quantity}


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceStore]:
    with SourceStore(tmp_path_factory.mktemp("pages") / "source.sqlite") as store:
        yield store


@pytest.fixture(scope="module")
def base_url(shared_store: SourceStore) -> Iterator[str]:
    with serve_in_thread(build_app(shared_store, TOKEN)) as url:
        yield url


@pytest.fixture
def store(shared_store: SourceStore) -> Iterator[SourceStore]:
    """A source without entities; one server serves all tests of this module."""
    yield shared_store
    shared_store.heal_entity("")
    for entity in shared_store.entities():
        shared_store.drop_entity(entity.slug)


@pytest.fixture
def client(store: SourceStore, base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def read_all(client: httpx.Client, page_size: int, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page, more = 1, True
    while more:
        body = client.get(PARTS, params={"page": page, "page_size": page_size, **query}).raise_for_status().json()
        assert len(body["rows"]) <= page_size
        assert (body["page"], body["page_size"]) == (page, page_size)
        rows += body["rows"]
        page, more = page + 1, body["has_more"]
    assert len(rows) == body["total"]
    return rows


def keys(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(row["oracle_keys"]["PART_NO"], row["oracle_keys"]["SITE"]) for row in rows]


def test_a_row_has_source_names_in_its_key_and_aliases_in_its_data(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts(), clock=1_765_195_199)
    store.insert("parts", [row(7, "Ω", None)])
    assert client.get(PARTS).json() == {
        "rows": [
            {
                "oracle_keys": {"PART_NO": 7, "SITE": "Ω"},
                "row_version": "20251208120000",
                "data": {"part_no": 7, "site": "Ω", "quantity": None},
                "deleted": False,
            }
        ],
        "page": 1,
        "page_size": 1000,
        "total": 1,
        "has_more": False,
    }


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 1000])
def test_pages_without_a_cursor_come_in_key_order(store: SourceStore, client: httpx.Client, page_size: int) -> None:
    store.create_entity(parts())
    for number, site in [(10, "A"), (9, "b"), (9, "B"), (100, ""), (-3, "A"), (9, "Ł")]:
        store.insert("parts", [row(number, site)])
    expected = [(-3, "A"), (9, "B"), (9, "b"), (9, "Ł"), (10, "A"), (100, "")]
    assert keys(read_all(client, page_size)) == expected


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 1000])
def test_pages_with_an_empty_cursor_come_in_row_version_order(
    store: SourceStore, client: httpx.Client, page_size: int
) -> None:
    store.create_entity(parts("counter"), clock=7)
    for number in (5, 4, 3, 2, 1):
        store.insert("parts", [row(number)])
    rows = read_all(client, page_size, rowversion_gt="")
    assert [row["row_version"] for row in rows] == ["8", "9", "10", "11", "12"]
    assert keys(rows) == [(5, "A"), (4, "A"), (3, "A"), (2, "A"), (1, "A")]


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_rows_of_one_row_version_come_in_key_order_across_pages(
    store: SourceStore, client: httpx.Client, page_size: int
) -> None:
    store.create_entity(parts("time"))
    store.insert("parts", [row(number) for number in (50, 7, 30, 8, 20)])
    store.insert("parts", [row(number) for number in (6, 40)])
    rows = read_all(client, page_size, rowversion_gt="")
    assert [number for number, _ in keys(rows)] == [7, 8, 20, 30, 50, 6, 40]
    assert len({row["row_version"] for row in rows}) == 2


@pytest.mark.parametrize(
    ("versions", "clock", "cursor", "seen"),
    [
        ("counter", 7, "8", ["9", "10", "11"]),
        ("counter", 7, "9", ["10", "11"]),
        ("counter", 7, "0009", ["10", "11"]),
        ("counter", 7, "11", []),
        ("counter", 7, "9" * 5000, []),
        ("counter", 7, "-1", ["8", "9", "10", "11"]),
        ("counter", 7, "a", []),
        ("counter", 7, "1z", ["8", "9"]),
        ("counter", 7, "0x00000000000007D1", ["8", "9", "10", "11"]),
        ("hex", 0xFE, "0x00000000000000FF", ["0x0000000000000100", "0x0000000000000101", "0x0000000000000102"]),
        ("hex", 0xFE, "0xff", ["0x0000000000000100", "0x0000000000000101", "0x0000000000000102"]),
        ("hex", 0xFE, "255", []),
        ("time", 1_765_195_198, "20251208120000", ["20251208120001", "20251208120002"]),
        ("time", 1_765_195_198, "2025-12-08", ["20251208115959", "20251208120000", "20251208120001", "20251208120002"]),
        ("iso", 1_765_195_198, "2025-12-08T12:00:00Z", ["2025-12-08T12:00:01Z", "2025-12-08T12:00:02Z"]),
        ("iso", 1_765_195_198, "20251208", []),
    ],
)
def test_a_cursor_compares_as_the_contract_says(
    store: SourceStore, client: httpx.Client, versions: VersionStyle, clock: int, cursor: str, seen: list[str]
) -> None:
    store.create_entity(parts(versions), clock=clock)
    for number in (4, 3, 2, 1):
        store.insert("parts", [row(number)])
    assert [row["row_version"] for row in read_all(client, 2, rowversion_gt=cursor)] == seen


def test_an_entity_without_row_versions_has_no_row_after_any_cursor(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts(None))
    store.insert("parts", [row(2), row(1)])
    assert keys(read_all(client, 1, rowversion_gt="")) == [(1, "A"), (2, "A")]
    assert client.get(PARTS, params={"rowversion_gt": "0"}).json()["total"] == 0
    assert client.get(PARTS).json()["rows"][0]["row_version"] is None


def test_a_deleted_row_of_a_rowversion_entity_stays_as_a_tombstone(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts("counter"))
    store.insert("parts", [row(1), row(2)])
    store.delete("parts", [(1, "A")])
    tombstone = {"oracle_keys": {"PART_NO": 1, "SITE": "A"}, "row_version": "3", "data": {}, "deleted": True}
    assert read_all(client, 10)[0] == tombstone
    assert read_all(client, 10, rowversion_gt="2") == [tombstone]


def test_a_deleted_row_of_a_hash_entity_is_gone(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts(None))
    store.insert("parts", [row(1), row(2)])
    store.delete("parts", [(1, "A")])
    assert keys(read_all(client, 10)) == [(2, "A")]


def test_pages_that_were_read_before_a_change_do_not_shape_those_after_it(
    store: SourceStore, client: httpx.Client
) -> None:
    store.create_entity(parts("counter"))
    store.insert("parts", [row(number) for number in range(10, 20)])
    read_all(client, 3)
    read_all(client, 3, rowversion_gt="")
    store.insert("parts", [row(1)])
    store.delete("parts", [(12, "A")], leave_tombstone=False)
    numbers = [1, 10, 11, 13, 14, 15, 16, 17, 18, 19]
    assert [number for number, _ in keys(read_all(client, 3))] == numbers
    assert [number for number, _ in keys(read_all(client, 3, rowversion_gt=""))] == [*numbers[1:], 1]


def test_pages_may_be_asked_for_in_any_order(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts("counter"))
    store.insert("parts", [row(number) for number in range(20)])
    for page in (4, 2, 5, 3, 1, 7, 6):
        body = client.get(PARTS, params={"page": page, "page_size": 3}).json()
        assert [number for number, _ in keys(body["rows"])] == list(range(20))[3 * page - 3 : 3 * page]


def test_a_page_beyond_the_last_is_empty(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts())
    store.insert("parts", [row(1)])
    for page in ("2", "9" * 4000):
        body = client.get(PARTS, params={"page": page}).json()
        assert (body["rows"], body["total"], body["has_more"]) == ([], 1, False)


def test_an_entity_that_was_made_anew_shares_nothing_with_the_old(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts("counter"))
    store.insert("parts", [row(number) for number in range(5)])
    read_all(client, 2)
    store.drop_entity("parts")
    assert client.get(PARTS).status_code == 404
    store.create_entity(parts("counter"))
    store.insert("parts", [row(9)])
    assert keys(read_all(client, 2)) == [(9, "A")]


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=x", "page=", "page=1.0", "page=%201", "page=1_0", "page=1&page=2",
        "page=" + "9" * 5000, "page_size=0", "page_size=1001", "page_size=ten", "page_size=5&page_size=5",
        "rowversion_gt=1&rowversion_gt=2",
        "limit=5", "rowversion_gte=1", "Page=1",
    ],
)  # fmt: skip
def test_a_bad_parameter_is_refused_in_one_sentence(store: SourceStore, client: httpx.Client, query: str) -> None:
    store.create_entity(parts())
    answer = client.get(f"{PARTS}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("path", ["/api/v1/apis", PARTS, "/api/v1/data/none"])
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer tökén"])
def test_anything_but_the_right_token_is_refused(
    store: SourceStore, client: httpx.Client, path: str, authorization: str | None
) -> None:
    store.create_entity(parts())
    del client.headers["Authorization"]
    sent = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    answer = client.get(path, headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in answer.text


def test_health_needs_no_token(client: httpx.Client) -> None:
    del client.headers["Authorization"]
    assert client.get("/api/v1/health").json() == {"status": "ok"}


@pytest.mark.parametrize("slug", ["none", "parts%2F", "%2e%2e", "%00", "p" * 101, ""])
def test_an_unknown_slug_is_not_found(store: SourceStore, client: httpx.Client, slug: str) -> None:
    store.create_entity(parts())
    assert client.get(f"/api/v1/data/{slug}").status_code == 404


@pytest.mark.parametrize("slug", ["a/b", "ä ö?", "100%", "..;", "x" * 100])
def test_a_slug_may_hold_any_character(store: SourceStore, client: httpx.Client, slug: str) -> None:
    store.create_entity(parts(slug=slug))
    path = "".join(f"%{byte:02X}" for byte in slug.encode())
    assert client.get(f"/api/v1/data/{path}").json()["total"] == 0


def test_an_unchanged_catalogue_is_not_sent_again(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts())
    first = client.get("/api/v1/apis")
    etag = first.headers["etag"]
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get("/api/v1/apis", headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/api/v1/apis", headers={"If-None-Match": '"other"'}).json() == first.json()
    store.create_entity(parts(slug="more"))
    changed = client.get("/api/v1/apis", headers={"If-None-Match": etag})
    assert [entity["slug"] for entity in changed.json()] == ["parts", "more"]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"), ("zstd", "zstd"), ("gzip, deflate, zstd", "zstd"), ("zstd;q=0.1, gzip", "gzip"),
        ("gzip;q=0", None), ("identity", None), ("", None), ("br", None), ("gzip;q=x", None),
    ],
)  # fmt: skip
def test_a_page_is_encoded_as_it_was_asked_for(
    store: SourceStore, client: httpx.Client, accepted: str, encoding: str | None
) -> None:
    store.create_entity(parts())
    store.insert("parts", [row(number) for number in range(200)])
    answer = client.get(PARTS, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == encoding
    assert len(answer.json()["rows"]) == 200
    if encoding:
        assert int(answer.headers["content-length"]) < len(answer.content) / 3


def test_numbers_keep_every_digit_and_their_spelling(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts())
    store.insert("parts", [row(1, quantity=Decimal("12345678901234567890.1230")), row(2, quantity=2**70)])
    text = client.get(PARTS).text
    assert '"quantity":12345678901234567890.1230}' in text
    assert f'"quantity":{2**70}}}' in text


def test_a_broken_entity_fails_alone_and_as_often_as_was_said(store: SourceStore, client: httpx.Client) -> None:
    store.create_entity(parts())
    store.create_entity(parts(slug="others"))
    store.break_entity("parts", Fault(503, retry_after="7"), times=2)
    statuses = [client.get(PARTS) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [503, 503, 200]
    assert statuses[0].headers["retry-after"] == "7"
    store.break_entity("parts")
    assert {client.get(PARTS).status_code for _ in range(5)} == {500}
    assert client.get("/api/v1/data/others").status_code == 200
    store.heal_entity("parts")
    assert client.get(PARTS).status_code == 200


def test_the_catalogue_can_be_broken_too(store: SourceStore, client: httpx.Client) -> None:
    store.break_entity("", Fault(502))
    assert client.get("/api/v1/apis").status_code == 502
    assert client.get("/api/v1/health").status_code == 200


def test_a_row_with_json_that_no_writer_would_write_is_served_as_it_stands(
    store: SourceStore, client: httpx.Client
) -> None:
    store.create_entity(parts())
    store.insert("parts", [row(1, quantity=msgspec.Raw(b"NaN")), row(2, quantity=msgspec.Raw(b'"\\ud800"'))])
    values = [row["data"]["quantity"] for row in json.loads(client.get(PARTS).text)["rows"]]
    assert str(values[0]) == "nan"
    assert values[1] == "\ud800"
    assert [live.data["quantity"] for live in store.live_rows("parts")][1] == "\ud800"
