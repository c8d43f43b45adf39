"""Headers of one connection stay on it, and what says which way a request came cannot be made up by a caller."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from syncflow_pipelines.gateway.routing import Routes
from syncflow_pipelines_tests.server.gateway_world import Client, ServedGateway, endpoint, gateway_to, registered
from syncflow_pipelines_tests.server.recording_backend import Arrival, RecordingBackend

SPOOFED = (
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Server: evil",
    "Forwarded: for=6.6.6.6;proto=https",
    "X-Request-Id: mine",
    "X_Forwarded_For: 6.6.6.6",
    "X-SyncFlow-Problem: 1",
)


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as backend:
        yield backend


def get(client: Client, *headers: str, host: str = "door:8000", method: str = "GET", more: bytes = b"") -> None:
    text = "\r\n".join([f"{method} /orchestrator/it/x HTTP/1.1", f"Host: {host}", *headers, "", ""])
    assert client.ask(text.encode("latin-1") + more).status == 200


def test_what_a_caller_says_of_its_way_is_replaced(backend: RecordingBackend) -> None:
    with gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        get(client, *SPOOFED)
    head = dict(backend.last.headers)
    assert re.fullmatch("[0-9a-f]{32}", head.pop("x-request-id"))
    assert head == {
        "host": f"127.0.0.1:{backend.port}",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "door:8000",
        "x-forwarded-port": "8000",
        "forwarded": 'for=127.0.0.1;proto=http;host="door:8000"',
        "via": "1.1 syncflow",
    }
    assert len(backend.last.headers) == len(head) + 1


def test_a_trusted_proxy_is_believed_and_continued(backend: RecordingBackend) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    with gateway_to(endpoint(backend.url), trusted_proxies=trusted) as gateway, gateway.connect() as client:
        get(client, *SPOOFED, "X-Forwarded-For: 7.7.7.7", "Via: 2 edge")
    head = dict(backend.last.headers)
    assert head["x-forwarded-for"] == "6.6.6.6, 7.7.7.7, 127.0.0.1"
    assert head["forwarded"] == 'for=6.6.6.6;proto=https, for=127.0.0.1;proto=http;host="door:8000"'
    assert head["via"] == "2 edge, 1.1 syncflow"
    said = [head[f"x-forwarded-{what}"] for what in ("proto", "host", "port", "server")]
    assert [*said, head["x-request-id"]] == ["https", "evil.example", "1", "evil", "mine"]
    assert "x_forwarded_for" not in head
    assert "x-syncflow-problem" not in head


def test_an_endpoint_can_be_told_the_callers_host(backend: RecordingBackend) -> None:
    with gateway_to(endpoint(backend.url, preserve_host=True)) as gateway, gateway.connect() as client:
        get(client, host="shop.example")
    assert backend.last.header("host") == "shop.example"
    assert backend.last.header("x-forwarded-port") == "80"


def test_headers_of_one_connection_stay_on_it(backend: RecordingBackend) -> None:
    hop = (
        "Keep-Alive: timeout=5",
        "TE: gzip",
        "Proxy-Connection: keep-alive",
        "Connection: close, X-Hop ,Cookie, Via, X-Request-Id",
    )
    with gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        get(client, *hop, "X-Hop: 1", "Cookie: a=b", "Authorization: Bearer t", "Proxy-Authorization: Basic x")
    names = [name for name, _ in backend.last.headers]
    assert not {"keep-alive", "te", "proxy-connection", "connection", "x-hop", "cookie"} & set(names)
    assert backend.last.header("via") == "1.1 syncflow"
    assert backend.last.header("x-request-id")
    assert backend.last.header("authorization") == "Bearer t"
    assert backend.last.header("proxy-authorization") == "Basic x"


def test_headers_of_the_upstreams_connection_do_not_reach_the_caller() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nUpgrade: h2\r\n"
        b"X-SyncFlow-Problem: 1\r\nX-SyncFlow-Fallback: cached\r\nSet-Cookie: a=1\r\nVia: 1.0 old\r\n"
        b"X-Request-Id: theirs\r\nSet-Cookie: b=2; Path=/\r\nContent-Length: 0\r\n\r\n"
    )
    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        got = client.ask(b"GET /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.headers == [
        ("set-cookie", "a=1"),
        ("x-request-id", "theirs"),
        ("set-cookie", "b=2; Path=/"),
        ("content-length", "0"),
        ("via", "1.0 old, 1.1 syncflow"),
    ]


def test_trailers_pass_in_both_directions_but_for_those_that_come_too_late() -> None:
    def answer(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\n")
        arrival.send(b"X-Sum: 7\r\nSet-Cookie: late=1\r\n\r\n")

    sent = b"3\r\nabc\r\n0\r\nX-Sum: 6\r\nAuthorization: Bearer late\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil\r\n\r\n"
    head = "POST /orchestrator/it HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n{}\r\n"
    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        with_te = client.ask(head.format("TE: trailers\r\n").encode() + sent)
        assert (backend.last.trailers, backend.last.header("trailer")) == ([("x-sum", "6")], "X-Sum")
        assert backend.last.header("te") == "trailers"
        assert (with_te.body, with_te.trailers) == (b"ok", [("x-sum", "7")])
        without = client.ask(head.format("").encode() + sent)
        assert (without.body, without.trailers) == (b"ok", [])


def test_informational_answers_pass() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with (
        RecordingBackend(early + final) as backend,
        gateway_to(endpoint(backend.url)) as gateway,
        gateway.connect() as client,
    ):
        client.send(b"GET /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.head() == (103, "Early Hints", [("link", "</a.css>; rel=preload")])
        assert client.head()[0] == 102
        assert client.answer().body == b"ok"


def test_callers_of_http_1_0_get_answers_without_chunks_and_nothing_informational() -> None:
    text = (
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2\r\nay\r\n0\r\n\r\n"
    )
    with RecordingBackend(text) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        got = client.ask(b"GET /orchestrator/it HTTP/1.0\r\n\r\n")
    assert (got.body, got.value("transfer-encoding"), got.value("connection")) == (b"okay", None, "close")


def test_a_request_that_goes_round_in_circles_is_stopped() -> None:
    with ServedGateway() as gateway:
        itself = endpoint(f"http://127.0.0.1:{gateway.port}/orchestrator/it", read_s=20)
        gateway.call(lambda: setattr(gateway.plane, "routes", Routes.build([registered(itself)], gateway.config)))
        with gateway.connect() as client:
            got = client.ask(b"GET /orchestrator/it/x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (got.status, got.value("x-syncflow-problem")) == (508, None)
