"""Sources that are asked through the gateway: what it says itself is never taken for their answer."""

import pytest

from syncflow_pipelines.config.via import Via
from syncflow_pipelines.errors import SourceUnreachable
from syncflow_pipelines.gateway.fallbacks import FALLBACK_HEADER
from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem
from syncflow_pipelines.transport import DocumentClient, NotFound, SourceClient
from syncflow_pipelines.transport.detour import FALLBACK_HEADER as FALLBACK
from syncflow_pipelines.transport.detour import PROBLEM_HEADER
from syncflow_pipelines_tests.server.calling import AUTHORIZATION, PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import RawServer, reply

SOURCE = "https://erp.example.com/api"
THROUGH = {"Via": "1.1 syncflow"}


def asking(gateway: RawServer, clock: PatientClock | None = None) -> SourceClient:
    return calling(
        gateway,
        clock,
        base_url=f"{SOURCE}/v2",
        via=Via("erp@v1", SOURCE, gateway.url),
        max_retry_after_s=60,
    )


def problem(status: int, kind: str, detail: str, **headers: str) -> bytes:
    mark = {PROBLEM_MARK[0].decode(): PROBLEM_MARK[1].decode()}
    body = Problem(status, kind, "title", detail).body()
    return reply(status, body, {**THROUGH, **mark, **{name.replace("_", "-"): text for name, text in headers.items()}})


def test_the_headers_are_those_that_the_gateway_sets() -> None:
    assert PROBLEM_HEADER.encode() == PROBLEM_MARK[0]
    assert FALLBACK.encode() == FALLBACK_HEADER


def test_the_gateway_is_asked_for_the_same_path_with_the_same_credentials() -> None:
    with RawServer(reply(200, b'"x"', THROUGH)) as gateway, asking(gateway) as source:
        assert source.get("/items/%2F", [("page", "1")], validate=bytes).body == b'"x"'
        (request,) = gateway.requests
    assert request.target == "/orchestrator/erp@v1/v2/items/%2F?page=1"
    assert request.headers["authorization"] == AUTHORIZATION["Authorization"]
    assert request.headers["host"] == gateway.url.removeprefix("http://")


def test_an_open_breaker_is_told_as_what_it_is_and_waited_for() -> None:
    clock = PatientClock()
    is_open = problem(503, "breaker-open", "erp failed too often", Retry_After="12")
    with RawServer(is_open, reply(200, b"[]", THROUGH)) as gateway, asking(gateway, clock) as source:
        assert source.get("/", validate=bytes).body == b"[]"
    assert 12 <= clock.slept_s < 14


def test_an_open_breaker_is_not_waited_for_longer_than_any_source() -> None:
    is_open = problem(503, "breaker-open", "erp failed too often", Retry_After="61")
    with RawServer(is_open) as gateway, asking(gateway) as source, pytest.raises(SourceUnreachable) as caught:
        source.get("/items", validate=bytes)
    assert str(caught.value) == (
        "GET https://erp.example.com/api/v2/items failed: the gateway's breaker for erp@v1 is open; "
        "try again in 61 s; max_retry_after_s allows 60 s"
    )


STAND_INS = {
    "unknown": (problem(404, "unknown-endpoint", "there is no endpoint erp"), 1, "there is no endpoint erp"),
    "refused": (problem(405, "method-not-allowed", "erp passes on POST"), 1, "erp passes on POST"),
    "unreachable": (problem(502, "unreachable", "erp cannot be reached"), 4, "erp cannot be reached"),
    "late": (problem(504, "timeout", "erp took too long"), 4, "erp took too long"),
    "garbled": (reply(500, b"no JSON", {**THROUGH, PROBLEM_HEADER: "1"}), 1, "it answered 500"),
    "static": (reply(200, b"[]", {**THROUGH, FALLBACK: "static"}), 4, "does not count"),
    "cached": (reply(304, b"", {**THROUGH, FALLBACK: "cached"}), 4, "does not count"),
    "no gateway": (reply(404, b""), 1, "is not SyncFlow's gateway; start it, or mend SYNCFLOW_GATEWAY_URL"),
    "another proxy": (reply(200, b"[]", {"Via": "1.1 squid"}), 1, "is not SyncFlow's gateway"),
}


@pytest.mark.parametrize(("said", "attempts", "told"), STAND_INS.values(), ids=STAND_INS)
def test_what_the_gateway_says_itself_is_never_the_answer_of_the_source(said: bytes, attempts: int, told: str) -> None:
    with RawServer(said) as gateway, asking(gateway, PatientClock()) as source:
        with pytest.raises(SourceUnreachable, match=told):
            source.get("/", validate=bytes, etag='"x"')
        assert len(gateway.requests) == attempts


def test_what_the_source_says_through_the_gateway_is_its_answer() -> None:
    gone = reply(404, b"{}", THROUGH)
    with RawServer(gone) as gateway, asking(gateway) as source, pytest.raises(NotFound):
        source.get("/", validate=bytes)


def test_redirects_are_followed_through_the_gateway_and_not_beside_it() -> None:
    moved = [
        reply(307, b"", {**THROUGH, "Location": f"{SOURCE}/v2/moved"}),
        reply(307, b"", {**THROUGH, "Location": "/api/again"}),
        reply(307, b"", {**THROUGH, "Location": "/login"}),
    ]
    with RawServer(*moved) as gateway, asking(gateway) as source:
        with pytest.raises(SourceUnreachable, match="it is not below the url of the gateway's endpoint erp@v1"):
            source.get("/", validate=bytes)
        targets = [request.target for request in gateway.requests]
    assert targets == [f"/orchestrator/erp@v1/{path}" for path in ("v2/", "v2/moved", "again")]


def test_documents_of_the_service_come_through_the_gateway_and_others_do_not() -> None:
    with RawServer(reply(200, b"{}", THROUGH)) as gateway, RawServer(reply(200, b"{}")) as elsewhere:
        with DocumentClient(
            SOURCE,
            {"Authorization": "Bearer secret"},
            timeout_s=5,
            deadline_s=5,
            max_body_bytes=1000,
            refused="x",
            via=Via("erp@v1", SOURCE, gateway.url),
        ) as client:
            assert client.get(f"{SOURCE}/openapi.json").url == f"{SOURCE}/openapi.json"
            assert client.status(f"{SOURCE}/health") == 200
            client.get(f"{elsewhere.url}/part.json")
        assert [request.target for request in gateway.requests] == [
            "/orchestrator/erp@v1/openapi.json",
            "/orchestrator/erp@v1/health",
        ]
        assert "authorization" not in elsewhere.requests[0].headers
