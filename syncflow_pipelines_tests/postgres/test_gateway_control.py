"""The control plane over HTTP: registry, configuration, health and routes of a served gateway."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines_tests.postgres.gateway_served import Served, serving, write_gateway
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

GUIDE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
BAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as running:
        yield running


@pytest.fixture
def served(settings: Settings, backend: RecordingBackend) -> Iterator[Served]:
    """A gateway whose file names `shop` and, switched off, `old`."""
    shop = {"name": "shop", "url": f"{backend.url}/v1", "methods": ["GET", "POST"], "health_check_path": "/health"}
    write_gateway(settings, shop, {"name": "old", "url": backend.url, "disabled": True})
    with serving(settings) as running:
        yield running


def registration(backend: RecordingBackend, **more: Any) -> dict[str, Any]:
    return {"config": {"name": "pay", "url": backend.url, **more}}


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.headers["x-syncflow-problem"] == "1"
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return answer.status_code, document["type"].removeprefix("urn:syncflow:problem:")


def test_an_endpoint_is_registered_found_switched_off_and_removed(served: Served, backend: RecordingBackend) -> None:
    made = served.client.post("/registry/endpoints", json=registration(backend, methods=["GET"], timeout=5))
    assert (made.status_code, made.headers["location"]) == (201, "/registry/endpoints/pay@v1")
    assert served.client.get("/orchestrator/pay/x").text == "ok"
    shown = served.client.get("/registry/endpoints/pay")
    assert shown.json() == made.json()
    assert shown.headers["etag"] == f'"{made.json()["revision"]}"'
    off = served.client.put("/registry/endpoints/pay/status", params={"status": "inactive"})
    assert off.json()["status"] == "inactive"
    assert problem(served.client.get("/orchestrator/pay/x")) == (503, "endpoint-inactive")
    assert served.client.delete("/registry/endpoints/pay").json() == {"unregistered": "pay@v1"}
    assert problem(served.client.get("/registry/endpoints/pay")) == (404, "unknown-endpoint")
    assert problem(served.client.get("/orchestrator/pay/x")) == (404, "unknown-endpoint")


def test_lists_come_in_pages_and_by_status(served: Served, backend: RecordingBackend) -> None:
    for number in range(3):
        served.client.post("/registry/endpoints", json=registration(backend, name=f"more{number}"))
    everything = served.get("/registry/endpoints")
    assert [one["key"] for one in everything["endpoints"]] == ["more0@v1", "more1@v1", "more2@v1", "old@v1", "shop@v1"]
    page = served.get("/registry/endpoints", params={"status": "active", "limit": 2, "offset": 1})
    assert ([one["name"] for one in page["endpoints"]], page["total"]) == (["more1", "more2"], 4)
    assert served.get("/registry/endpoints", params={"origin": "file"})["total"] == 2
    assert served.get("/registry/stats")["by_status"] == {"active": 4, "inactive": 0, "disabled": 1}


def test_the_newest_version_is_current_until_another_is_made_so(served: Served, backend: RecordingBackend) -> None:
    for version in ("v1", "v2"):
        served.client.post(
            "/registry/endpoints", json=registration(backend, version=version, url=f"{backend.url}/{version}")
        )
    assert served.get("/registry/endpoints/pay/versions")["current"] == "v2"
    served.client.get("/orchestrator/pay/a")
    served.client.get("/orchestrator/pay@v1/a")
    assert [one.target for one in backend.arrivals] == ["/v2/a", "/v1/a"]
    made = served.client.put("/registry/endpoints/pay/current", params={"version": "v1"})
    assert made.json()["is_current"]
    served.client.get("/orchestrator/pay/a")
    assert backend.last.target == "/v1/a"
    assert problem(served.client.put("/registry/endpoints/pay/current", params={"version": "v9"}))[0] == 404


def test_what_somebody_else_has_changed_is_not_changed(served: Served, backend: RecordingBackend) -> None:
    tag = served.client.post("/registry/endpoints", json=registration(backend)).headers["etag"]
    changed = served.client.put(
        "/registry/endpoints/pay", json=registration(backend, timeout=1), headers={"if-match": tag}
    )
    assert changed.json()["config"]["timeout"] == 1
    late = served.client.put(
        "/registry/endpoints/pay", json=registration(backend, timeout=2), headers={"if-match": tag}
    )
    assert problem(late) == (412, "endpoint-changed")


def test_an_endpoint_of_the_file_is_changed_in_the_file_only(served: Served, backend: RecordingBackend) -> None:
    assert problem(served.client.delete("/registry/endpoints/shop")) == (409, "endpoint-taken")
    body = registration(backend, name="shop")
    assert problem(served.client.put("/registry/endpoints/shop", json=body)) == (409, "endpoint-taken")
    assert problem(served.client.post("/registry/endpoints", json=body)) == (409, "endpoint-taken")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"config": {"name": "pay", "url": "ftp://s3cret@x"}}, ["body", "config", "url"]),
        ({"config": {"name": "../s3cret", "url": "http://a"}}, ["body", "config", "name"]),
        ({"config": {"name": "pay", "url": "http://a", "ca_file": "/s3cret"}}, ["body", "config", "ca_file"]),
        ({"config": {"name": "pay", "url": "http://a", "methods": ["TRACE"]}}, ["body", "config", "methods", 0]),
        ({"config": {"name": "pay", "url": "http://a", "timeout": "s3cret"}}, ["body", "config", "timeout"]),
        ({"confg": "s3cret"}, ["body", "config"]),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_registration_that_cannot_be_used_is_refused_without_being_repeated(
    served: Served, body: dict[str, Any], place: list[str | int]
) -> None:
    answer = served.client.post("/registry/endpoints", json=body)
    assert problem(answer) == (422, "invalid-request")
    assert place in [mistake["loc"] for mistake in answer.json()["errors"]]
    assert "s3cret" not in answer.text


def test_an_endpoint_does_not_lead_where_it_must_not(served: Served) -> None:
    for url in ("http://169.254.169.254/latest", "http://10.0.0.7", "http://[fd00::1]"):
        answer = served.client.post("/registry/endpoints", json={"config": {"name": "inner", "url": url}})
        assert problem(answer) == (422, "endpoint-refused")


def test_other_mistakes_are_problems_as_well(served: Served) -> None:
    assert problem(served.client.get("/nowhere")) == (404, "not-found")
    patched = served.client.patch("/registry/endpoints")
    assert problem(patched) == (405, "method-not-allowed")
    assert set(re.split(", *", patched.headers["allow"])) >= {"GET"}
    assert problem(served.client.get("/registry/endpoints?limit=0")) == (422, "invalid-request")
    assert problem(served.client.put("/registry/endpoints/shop/status?status=disabled")) == (422, "endpoint-refused")
    json_ = {"content-type": "application/json"}
    assert problem(served.client.post("/registry/endpoints", content=b"{s3cret", headers=json_))[0] == 422
    large = served.client.post("/registry/endpoints", content=b"[" * 2_000_000, headers=json_)
    assert problem(large) == (413, "body-too-large")
    large = served.client.post("/registry/endpoints", content=iter([b"[" * 700_000] * 2), headers=json_)
    assert problem(large) == (413, "body-too-large")
    assert problem(served.client.get("/?token=s3cret")) == (400, "token-in-url")


def test_a_reload_changes_all_that_the_file_says_or_nothing(
    served: Served, settings: Settings, backend: RecordingBackend
) -> None:
    before = served.get("/config/status")
    assert (before["endpoints"], before["is_stale"], before["last_reload"]) == (2, False, None)
    served.client.post("/registry/endpoints", json=registration(backend))
    file = settings.config_dir / "gateway.yaml"
    good = file.read_text()
    file.write_text(good.replace("name: shop", "name: store").replace("disabled: true", "disabled: perhaps"))
    refused = served.client.post("/config/reload")
    assert problem(refused) == (422, "unusable-configuration")
    assert re.match(r"gateway.yaml:\d+: endpoints\[1\].disabled: ", refused.json()["mistakes"][0])
    status = served.get("/config/status")
    assert (status["is_stale"], status["digest"]) == (True, before["digest"])
    assert (status["last_reload"]["succeeded"], status["last_reload"]["mistakes"]) == (
        False,
        refused.json()["mistakes"],
    )
    assert served.client.get("/orchestrator/shop/x").text == "ok"
    file.write_text(good.replace("name: shop", "name: store"))
    reloaded = served.client.post("/config/reload").json()
    assert (reloaded["added"], reloaded["removed"], reloaded["is_other"]) == (["store@v1"], ["shop@v1"], True)
    assert served.get("/config/status")["last_reload"]["succeeded"]
    assert served.client.get("/orchestrator/store/x").text == "ok"
    assert served.client.get("/orchestrator/pay/x").text == "ok"
    assert problem(served.client.get("/orchestrator/shop/x")) == (404, "unknown-endpoint")


def test_a_file_is_validated_without_being_put_in_force(served: Served, settings: Settings) -> None:
    (settings.config_dir / "config.yaml").write_text("endpoints: [{name: a, url: 'http://a'}]")
    good = served.client.post("/config/validate", params={"config_path": "config/config.yaml"}).json()
    assert (good["valid"], good["endpoints"], good["mistakes"]) == (True, 1, [])
    (settings.config_dir / "config.yaml").write_text("endpoints: [{name: a, url: 'ftp://a'}]")
    bad = served.client.post("/config/validate", params={"config_path": "config/config.yaml"}).json()
    assert (bad["valid"], len(bad["mistakes"])) == (False, 1)
    assert served.client.post("/config/validate").json()["valid"]
    for path in ("/etc/passwd", "config/../../secret.yaml", "config/token.txt", "config/\0.yaml"):
        assert problem(served.client.post("/config/validate", params={"config_path": path}))[0] == 422
    assert served.get("/config/endpoints")["total"] == 2


def test_a_breaker_is_seen_once_there_was_a_request(served: Served, backend: RecordingBackend) -> None:
    assert served.get("/health/circuit-breakers") == {"circuit_breakers": [], "total": 0}
    assert served.get("/health/endpoints/shop")["circuit_breaker"] is None
    served.client.get("/orchestrator/shop/x")
    (closed,) = served.get("/health/circuit-breakers")["circuit_breakers"]
    assert (closed["key"], closed["state"]) == ("shop@v1", "closed")
    assert served.get("/health/circuit-breakers/open")["total"] == 0
    backend.answer = lambda arrival: arrival.send(BAD)
    for _ in range(5):
        served.client.get("/orchestrator/shop/x")
    assert problem(served.client.get("/orchestrator/shop/x")) == (503, "breaker-open")
    (opened,) = served.get("/health/circuit-breakers/open")["circuit_breakers"]
    assert (opened["state"], opened["times_opened"], opened["refused"]) == ("open", 1, 1)
    health = served.get("/health/endpoints/shop")
    assert health["circuit_breaker"]["state"] == "open"
    assert health["traffic"]["requests"] == 7
    summary = served.get("/health/summary")
    assert (summary["status"], summary["open_circuit_breakers"]) == ("unhealthy", ["shop@v1"])
    assert served.get("/router/debug/shop/x")["reason"].startswith("The circuit breaker of shop@v1 is open")


def test_an_endpoint_is_looked_at_when_somebody_asks(served: Served, backend: RecordingBackend) -> None:
    assert served.get("/health/status")["status"] == "unknown"
    assert served.get("/router/test/shop") == served.get("/router/test/shop@v1") | {
        "latency_ms": pytest.approx(served.get("/router/test/shop")["latency_ms"], abs=60_000)
    }
    checked = served.client.post("/health/check/shop").json()
    assert (checked["last_error"], checked["last_checked_at"] is None) == (None, False)
    assert {one.target for one in backend.arrivals} == {"/v1/health"}
    backend.answer = lambda arrival: arrival.send(BAD)
    assert served.get("/router/test/shop")["error"] == "it answered 503"
    assert problem(served.client.post("/health/check/nobody")) == (404, "unknown-endpoint")
    listed = served.get("/health/endpoints")
    assert {one["key"]: one["health"] for one in listed["endpoints"]}["old@v1"] == "disabled"
    assert served.get("/health/unhealthy")["total"] == 0


def test_a_route_is_explained_without_a_request(served: Served, backend: RecordingBackend) -> None:
    routes = served.get("/router/routes")
    assert [(one["route"], one["url"]) for one in routes["routes"]] == [("/orchestrator/shop/", f"{backend.url}/v1")]
    found = served.get("/router/debug/shop/some%2Fpath/x")
    assert (found["matched"], found["target_url"]) == (True, f"{backend.url}/v1/some%2Fpath/x")
    for climbing in ("a/%2e%2e/b", "..%2fb"):
        assert served.get(f"/router/debug/shop/{climbing}")["reason"].startswith("The path leads upwards")
    assert served.get("/router/debug/old/x")["reason"] == "old@v1 is disabled: nothing is passed on to it."
    assert served.get("/router/debug/your/path")["matched"] is False
    assert served.client.post("/router/refresh").json() == {"routes": 1, "endpoints": 2}
    assert backend.arrivals == []


def test_nothing_is_passed_on_while_the_flag_is_off(
    served: Served, settings: Settings, backend: RecordingBackend
) -> None:
    (settings.config_dir / "flags.yaml").write_text("flags: {gateway: false}")
    while served.client.get("/orchestrator/shop/x").status_code == 200:
        pass
    assert problem(served.client.get("/orchestrator/shop/x")) == (503, "gateway-off")
    assert served.get("/")["passes_on"] is False
    assert served.get("/router/debug/shop/x")["reason"] == "The feature flag gateway is off: nothing is passed on."
    (settings.config_dir / "flags.yaml").write_text("flags: {gateway: true}")
    while served.client.get("/orchestrator/shop/x").status_code == 503:
        pass
    assert served.client.get("/orchestrator/shop/x").text == "ok"


def test_the_gateway_describes_itself(served: Served) -> None:
    document = served.get("/openapi.json")
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["description"] for operation in operations)
    assert "ProblemDocument" in document["components"]["schemas"]
    assert not any("HTTPValidationError" in json.dumps(operation) for operation in operations)
    assert [path for path in document["paths"] if f"`{path}" not in GUIDE and f" {path}" not in GUIDE] == []
    for path in ("/docs", "/redoc", "/status"):
        page = served.client.get(path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    described = unescape(served.client.get("/docs").text)
    assert all(f'id="{name}"' in described for name in names)
    assert re.search(r'a body in JSON, such as <code[^>]*>\{"config": \{.*"name": "example_v2"', described)


def test_what_an_endpoint_is_called_is_no_markup_on_the_status_page(served: Served, backend: RecordingBackend) -> None:
    served.client.post(
        "/registry/endpoints", json=registration(backend, url=f"{backend.url}/<script>alert(1)</script>")
    )
    hostile = registration(backend, name="p2", url=f"{backend.url}/a'onmouseover=alert(1)", description="<b>bold</b>")
    served.client.post("/registry/endpoints", json=hostile)
    page = served.client.get("/status").text
    assert "<script" not in page
    assert "<b>" not in page
