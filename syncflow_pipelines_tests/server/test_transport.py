"""What a client asks for, and what becomes of the replies that are no trouble."""

import json

import pytest

from syncflow_pipelines.errors import ConfigurationError, SourceProtocolError, SourceRefused
from syncflow_pipelines.transport import NotFound, SourceClient, url_path
from syncflow_pipelines_tests.server.calling import TOKEN, PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import RawServer, chunked, head, json_reply, reply, then_close


def test_get_returns_what_validate_makes_of_the_body() -> None:
    with RawServer(json_reply({"rows": [1, 2]}, {"ETag": '"v1"', "X-Twice": "a"})) as server, calling(server) as source:
        answer = source.get("/api/v1/apis", validate=json.loads)
    assert (answer.status, answer.body, answer.etag, answer.unchanged) == (200, {"rows": [1, 2]}, '"v1"', False)
    assert answer.headers["x-twice"] == "a"


def test_request_carries_path_query_and_credentials() -> None:
    with RawServer(reply()) as server, calling(server, base_url=f"{server.url}/erp/") as source:
        query = [("page", "2"), ("rowversion_gt", "2025-12-08 12:00:00&x=+1/ä")]
        source.get(url_path("api", "v1", "data", "a/b ü?#%"), query, validate=bytes)
        (request,) = server.requests
    assert request.target == (
        "/erp/api/v1/data/a%2Fb%20%C3%BC%3F%23%25?page=2&rowversion_gt=2025-12-08%2012%3A00%3A00%26x%3D%2B1%2F%C3%A4"
    )
    assert request.method == "GET"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip, zstd, deflate"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


def test_path_cannot_break_out_of_its_line() -> None:
    with RawServer(reply()) as server, calling(server) as source:
        source.get("/a b\r\nX-Evil: 1\r\n\r\nGET /c?d#e", validate=bytes)
        (request,) = server.requests
    assert request.target == "/a%20b%0D%0AX-Evil:%201%0D%0A%0D%0AGET%20/c%3Fd%23e"
    assert "x-evil" not in request.headers


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=b'{"a": 1}'),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b'{"a"', b": 1}"),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b'{"a": 1}', end=b"0\r\nX-Trailer: 1\r\n\r\n"),
        b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}',
        b'HTTP/1.1 200\r\nConnection: close\r\n\r\n{"a": 1}',
        b"HTTP/1.1 100 Continue\r\n\r\n" + reply(body=b'{"a": 1}'),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + reply(body=b'{"a": 1}'),
    ],
    ids=["length", "chunked", "trailer", "http-1.0", "until-close", "continue", "early-hints"],
)
def test_every_way_to_frame_a_body_is_read(answer: bytes) -> None:
    clock = PatientClock()
    with RawServer(then_close(answer)) as server, calling(server, clock) as source:
        assert source.get("/", validate=json.loads).body == {"a": 1}
    assert clock.slept_s == 0


def test_a_page_of_fifty_megabytes_arrives_whole() -> None:
    body = b"0123456789abcdef" * (50 * 1024 * 1024 // 16)
    with RawServer(reply(body=body)) as server, calling(server) as source:
        assert source.get("/", validate=bytes).body == body
        assert len(body) < source.received_bytes < len(body) + 1000
        assert source.requests == 1


def test_unchanged_catalogue_is_a_reply_and_no_error() -> None:
    with RawServer(reply(304, b"", {"ETag": '"v1"'})) as server, calling(server) as source:
        answer = source.get("/api/v1/apis", validate=json.loads, etag='"v1"')
        assert server.requests[0].headers["if-none-match"] == '"v1"'
    assert (answer.status, answer.unchanged, answer.content) == (304, True, None)
    with pytest.raises(ValueError, match="has no body"):
        _ = answer.body


def test_changed_catalogue_comes_with_its_body_although_an_etag_was_sent() -> None:
    with RawServer(json_reply([], {"ETag": '"v2"'})) as server, calling(server) as source:
        answer = source.get("/api/v1/apis", validate=json.loads, etag='"v1"')
    assert (answer.status, answer.body, answer.etag) == (200, [], '"v2"')


def test_304_that_nobody_asked_for_is_not_the_contract() -> None:
    with (
        RawServer(reply(304, b"")) as server,
        calling(server) as source,
        pytest.raises(SourceProtocolError, match="304"),
    ):
        source.get("/", validate=bytes)


def test_etag_that_is_no_header_value_is_not_sent() -> None:
    with RawServer(reply()) as server, calling(server) as source:
        source.get("/", validate=bytes, etag="a\r\nX-Evil: 1")
        assert "if-none-match" not in server.requests[0].headers


@pytest.mark.parametrize("status", [401, 403])
def test_refused_token_stops_at_once_and_names_where_it_came_from(status: int) -> None:
    clock = PatientClock()
    body = json.dumps({"detail": f"expired: {TOKEN}"}).encode()
    with (
        RawServer(reply(status, body)) as server,
        calling(server, clock, credentials="the token in ERP_TOKEN") as source,
        pytest.raises(SourceRefused) as caught,
    ):
        source.get("/api/v1/apis", validate=bytes)
    assert str(caught.value) == (
        f"GET {server.url}/api/v1/apis failed: it answered {status} and refused the token in ERP_TOKEN; replace it "
        "(it says: expired: ***)"
    )
    assert (len(server.requests), clock.slept_s) == (1, 0)


def test_missing_credentials_are_asked_for() -> None:
    with (
        RawServer(reply(401)) as server,
        calling(server, headers={}) as source,
        pytest.raises(SourceRefused, match="a request without credentials; set the connector's auth"),
    ):
        source.get("/", validate=bytes)


def test_404_is_not_found_at_once() -> None:
    clock = PatientClock()
    with RawServer(reply(404)) as server, calling(server, clock) as source, pytest.raises(NotFound) as caught:
        source.get("/api/v1/data/items", [("page", "1")], validate=bytes)
    assert f"{server.url}/api/v1/data/items?page=1 failed: it answered 404" in str(caught.value)
    assert (len(server.requests), clock.slept_s) == (1, 0)
    assert isinstance(caught.value, SourceProtocolError)


@pytest.mark.parametrize("status", [201, 204, 206, 300, 400, 405, 410, 422, 999])
def test_status_that_the_contract_does_not_know_stops_at_once(status: int) -> None:
    clock = PatientClock()
    body = b"" if status == 204 else b'{"detail": "page_size is too large"}'
    with RawServer(reply(status, body)) as server, calling(server, clock) as source:
        with pytest.raises(SourceProtocolError, match=f"it answered {status}, which its contract does not provide for"):
            source.get("/", validate=bytes)
        assert (len(server.requests), clock.slept_s) == (1, 0)


def test_refusal_with_an_endless_body_is_still_that_refusal() -> None:
    flood = head(403, {"Transfer-Encoding": "chunked"}) + chunked(*[b"x" * 4096] * 100, end=b"")
    with RawServer(then_close(flood)) as server, calling(server) as source, pytest.raises(SourceRefused, match="403"):
        source.get("/", validate=bytes)


@pytest.mark.parametrize(
    "torn",
    [
        head(404, {"Content-Length": "100"}) + b"half",
        head(404, {"Transfer-Encoding": "chunked"}) + b"-5\r\nhalf",
        head(404, {"Transfer-Encoding": "chunked"}) + b"nonsense",
    ],
)
def test_refusal_with_a_torn_body_is_still_that_refusal(torn: bytes) -> None:
    with RawServer(then_close(torn)) as server, calling(server) as source, pytest.raises(NotFound):
        source.get("/", validate=bytes)


def test_ipv6_source_is_called_by_its_address() -> None:
    with RawServer(reply(), host="::1") as server, calling(server) as source:
        assert source.get("/x", validate=bytes).status == 200
        assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    "base_url",
    [
        "erp.example.com",
        "ftp://erp.example.com",
        "https://",
        "https://erp.example.com:99999",
        "https://erp.example.com:abc",
        "https://[::1",
        "https://erp example.com",
        "https://" + "a" * 70 + ".example.com",
        "https://user:hunter22@erp.example.com",
        "https://user:hunter22#@erp.example.com",
        "https://hunter22@erp.example.com",
    ],
)
def test_base_url_that_cannot_be_used_is_a_mistake_of_the_configuration(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        SourceClient(base_url, {}, timeout_s=1, max_connections=1)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"X-Key": "hunter22\r\nX-Evil: 1"}, {"X-Key": "hunter22ü"}, {"X Key": "hunter22"}])
def test_header_that_http_cannot_carry_is_refused_without_its_value(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SourceClient("https://erp.example.com", headers, timeout_s=1, max_connections=1)
    assert "hunter" not in str(caught.value)
