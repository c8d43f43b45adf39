"""Requests that mean harm, or make no sense: refused with a problem that repeats nothing of them."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from syncflow_pipelines_tests.postgres.admin_api import READ_TOKEN, TOKENS, ApiWorld, api, problem, serving_api

__all__ = ["api"]

SECRET = "s3cr3t-that-nobody-may-see"
SOMEBODY = "0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10"
INJECTIONS = (
    "' OR 1=1 --",
    "erp'; DROP TABLE bridge.entities; --",
    "bridge.entities",
    "%' UNION SELECT auth_token FROM bridge.connectors --",
    "$$ || pg_sleep(10) || $$",
    "%(limit)s",
    "{0} %s %% \\",
)


def operations(api: ApiWorld) -> list[tuple[str, str]]:
    """Every method and path of the description, with the uid of nobody."""
    paths = api.get("/openapi.json")["paths"]
    return [
        (method.upper(), path.removeprefix("/api/v1").replace("{uid}", SOMEBODY))
        for path, methods in paths.items()
        for method in methods
    ]


def test_nobody_without_a_token_learns_more_than_that_the_process_is_alive(api: ApiWorld) -> None:
    for method, path in operations(api):
        answer = api.client.request(method, path, headers={"Authorization": "Bearer wrong"})
        if path == "/health":
            assert answer.json() == {"status": "up"}
        else:
            problem(answer, 401, "unknown-token")
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_that_may_read_changes_nothing(api: ApiWorld) -> None:
    for method, path in operations(api):
        answer = api.client.request(method, path, headers={"Authorization": f"Bearer {READ_TOKEN}"}, json={})
        assert (answer.status_code == 403) == (method != "GET"), (method, path)


def test_a_token_in_a_url_is_refused_and_never_logged(api: ApiWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for query in (f"access_token={SECRET}", f"token={SECRET}", f"q={READ_TOKEN}"):
        refused = problem(api.client.get(f"/entities?{query}", headers={"Authorization": ""}), 400, "token-in-url")
        assert SECRET not in json.dumps(refused)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(SECRET in line or READ_TOKEN in line for line in ours)


def test_sql_in_a_filter_is_a_text_like_any_other(api: ApiWorld) -> None:
    for path in ("/entities", "/runs", "/rejects", "/changes"):
        for text in INJECTIONS:
            assert api.get(path, params={"connector": text})["items"] == []
    for text in INJECTIONS:
        assert api.get("/entities", params={"q": text})["items"] == []
        problem(api.client.get("/entities", params={"sort": text}), 422, "invalid-request")
        key = api.client.get(f"/entities/{api.uid('items')}/record-changes", params={"key": f"site={text}"})
        assert key.json()["items"] == []
        spoilt = api.client.get(f"/entities/{api.uid('items')}/record-changes", params={"key": f"{text}=1"})
        problem(spoilt, 422, "invalid-request")
    assert api.get("/entities")["total"] == 2


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/entities/{}", ["path", "uid"]),
        ("/runs/{}", ["path", "uid"]),
        ("/rejects/{}", ["path", "uid"]),
        ("/entities/{}/runs", ["path", "uid"]),
        ("/runs?entity_uid={}", ["query", "entity_uid"]),
        ("/runs?since={}", ["query", "since"]),
        ("/runs?limit={}", ["query", "limit"]),
        ("/runs?status={}", ["query", "status"]),
        ("/entities?due={}", ["query", "due"]),
        ("/entities?offset=-1&q={}", ["query", "offset"]),
        ("/entities?table={}", ["query", "table"]),
        ("/entities?q=%00{}", ["query", "q"]),
        ("/entities?limit=501&q={}", ["query", "limit"]),
    ],
)
def test_what_cannot_be_meant_is_refused_without_being_repeated(
    served: httpx.Client, path: str, place: list[str]
) -> None:
    answer = served.get(path.format(SECRET))
    assert problem(answer, 422, "invalid-request")["errors"][0]["loc"] == place
    assert SECRET not in answer.text


@pytest.fixture(scope="module")
def served(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API of a database that these requests never reach."""
    from syncflow_pipelines.config import Settings

    home = tmp_path_factory.mktemp("api")
    settings = Settings(config_dir=home / "config", home=home, database_url="postgresql://127.0.0.1:1/nowhere")
    with serving_api(settings, TOKENS) as client:
        yield client


def test_bodies_that_are_no_change_are_refused(served: httpx.Client) -> None:
    path = f"/entities/{SOMEBODY}"
    spoilt = (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"sync_enabled": "yes"}',
        b'{"sync_interval_seconds": "60"}',
        b'{"sync_interval_seconds": true}',
        b'{"sync_interval_seconds": 0}',
        b'{"sync_interval_seconds": 1e400}',
        b'{"sync_interval_seconds": NaN}',
        b'{"sync_interval_seconds": ' + b"9" * 5000 + b"}",
        b'{"strategy": "truncate"}',
        b'{"target_table": "other"}',
        b'{"strategy": "\\ud800"}',
        b"[" * 100_000,
        b"\xff\xfe",
    )
    for body in spoilt:
        answer = served.put(path, content=body, headers={"Content-Type": "application/json", "If-Match": "*"})
        assert answer.status_code in (400, 422), (body[:60], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    form = {"Content-Type": "application/x-www-form-urlencoded", "If-Match": "*"}
    problem(served.put(path, content=b"sync_enabled=true", headers=form), 422, "invalid-request")


def test_a_body_is_read_no_further_than_anybody_needs(served: httpx.Client) -> None:
    path, headers = f"/rejects/{SOMEBODY}/drop", {"Content-Type": "application/json"}
    large = b'{"reason": "' + b"x" * 1_100_000 + b'"}'
    problem(served.post(path, content=large, headers=headers), 413, "body-too-large")
    problem(served.post(path, content=_pieces(large), headers=headers), 413, "body-too-large")


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


def test_paths_and_methods_that_are_not_there_are_problems(served: httpx.Client) -> None:
    problem(served.get("/tables"), 404, "not-found")
    problem(served.get("/entities/"), 404, "not-found")
    problem(served.get("/../../etc/passwd"), 404, "not-found")
    answer = served.delete(f"/entities/{SOMEBODY}")
    problem(answer, 405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]
