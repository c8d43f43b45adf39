"""What goes through a generated resolver, byte by byte: targets, headers, bodies, answers."""

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from syncflow_pipelines.config import RestOptions
from syncflow_pipelines_tests.server.recording_backend import OK, Answer, Arrival, RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import (
    connected,
    exchange,
    get,
    load_resolver,
    problem,
    serving,
    status,
)
from syncflow_pipelines_tests.stored_specs import document

ANY_BODY: dict[str, Any] = {"requestBody": {"content": {"*/*": {}}}}
PATHS: dict[str, Any] = {
    "/pets": {"get": {}, "post": ANY_BODY, "query": {}, "trace": {}, "additionalOperations": {"COPY": {}}},
    "/pets/{pet-id}": {method: {} for method in ("get", "put", "delete", "patch", "head", "options")},
    "/files/{name}.{ending}": {"get": {}},
}


@contextmanager
def world(tmp_path: Path, answer: Answer | bytes = OK, base: str = "", **described: Any) -> Iterator[Any]:
    with RecordingBackend(answer) as backend:
        module = load_resolver(tmp_path, document(PATHS), backend.url + base, **described)
        with serving(module.create_app()) as port:
            yield backend, port


@pytest.mark.parametrize(
    "target",
    [
        "/pets",
        "/pets?limit=20&tag=a&tag=b&empty=&bare",
        "/pets?filter%5Bname%5D=x&filter[name]=y&a=%2F/%20+%25&q=a,b|c",
        "/pets/a%2Fb%20c",
        "/pets/a%2fb",
        "/pets/%C3%A9t%C3%A9",
        "/pets/;color=blue,black",
        "/pets/.blue.black",
        "/pets/a:b@c!$&'()*+,;=~",
        "/files/a.tar.gz?x=%00",
        "/files/a%2E.gz",
    ],
)
def test_the_target_arrives_as_it_was_sent(tmp_path: Path, target: str) -> None:
    with world(tmp_path, base="/api/v1") as (backend, port):
        assert status(get(port, target)) == 200
    assert backend.last.head.split(b"\r\n")[0] == f"GET /api/v1{target} HTTP/1.1".encode()


def test_the_path_of_an_operations_server_is_added_on_the_host_that_is_configured(tmp_path: Path) -> None:
    uploads = {"servers": [{"url": "https://uploads.example/up"}]}
    spec = {**document({"/a": {"get": {}, "post": uploads}}), "servers": [{"url": "/v1"}]}
    for base in ("/api", "/v1"):
        with RecordingBackend() as backend:
            module = load_resolver(tmp_path, spec, backend.url + base)
            with serving(module.create_app()) as port:
                get(port, "/a")
                get(port, "/a", method="POST")
        expected = ["/api/v1/a", "/api/up/a"] if base == "/api" else ["/v1/a", "/v1/up/a"]
        assert [arrival.target for arrival in backend.arrivals] == expected


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_every_method_arrives(tmp_path: Path, method: str) -> None:
    with world(tmp_path, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (backend, port):
        assert status(get(port, "/pets/1", method=method)) == 200
    assert backend.last.method == method


@pytest.mark.parametrize("method", ["QUERY", "COPY"])
def test_methods_that_only_openapi_3_2_has_arrive(tmp_path: Path, method: str) -> None:
    with world(tmp_path) as (backend, port):
        assert status(get(port, "/pets", method=method)) == 200
    assert backend.last.method == method


def test_get_alone_answers_head_too(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nETag: x\r\n\r\n"
    with world(tmp_path, head) as (backend, port):
        answer = get(port, "/pets", method="HEAD")
    assert backend.last.method == "HEAD"
    assert b"content-length: 12\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_path_or_method_that_no_operation_has_is_answered_here(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        assert problem(get(port, "/cats"))["type"] == "urn:syncflow:problem:no-such-path"
        assert problem(get(port, "/pets/"))["status"] == 404
        assert problem(get(port, "/pets/1/2"))["status"] == 404
        refused = get(port, "/files/a.b", method="DELETE")
    assert status(refused) == 405
    assert b"allow: GET, HEAD\r\n" in refused
    assert not backend.arrivals


@pytest.mark.parametrize(
    "target", ["/pets/..", "/pets/%2e%2e", "/pets/a%2F..%2F..%2Fadmin", "/pets/..;x", "/pets/..%5Ca"]
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, target: str) -> None:
    with world(tmp_path) as (backend, port):
        assert problem(get(port, target))["status"] == 400
    assert not backend.arrivals


def test_headers_go_through_but_those_of_the_connection(tmp_path: Path) -> None:
    sent = (
        "X-Tenant: a", "X-Tenant: b", "Cookie: a=1; b=2", "Authorization: Basic xyz", "User-Agent: me/1",
        "Accept: text/html;q=0.5", "If-None-Match: \"x\"", "X-Private: 1", "Connection: x-private", "Keep-Alive: 5",
        "TE: trailers", "Proxy-Authorization: p", "Accept-Encoding: br", "X-Name: caf\u00c3\u00a9",
    )  # fmt: skip
    with world(tmp_path) as (backend, port):
        assert status(get(port, "/pets", *sent)) == 200
    arrived = backend.last.headers
    assert [value for name, value in arrived if name == "x-tenant"] == ["a", "b"]
    kept = {"cookie": "a=1; b=2", "authorization": "Basic xyz", "user-agent": "me/1", "accept": "text/html;q=0.5",
            "if-none-match": '"x"', "accept-encoding": "br", "x-name": "caf\u00c3\u00a9"}  # fmt: skip
    assert {name: value for name, value in arrived if name in kept} == kept
    gone = {"x-private", "connection", "keep-alive", "te", "proxy-authorization", "transfer-encoding", "content-length"}
    assert not gone & {name for name, _ in arrived}


def test_nothing_is_added_but_who_asked(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        get(port, "/pets")
    assert sorted(backend.last.headers) == [
        ("host", f"127.0.0.1:{backend.port}"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "front.example"),
        ("x-forwarded-proto", "http"),
    ]


def test_who_asked_is_appended_to_what_proxies_before_said(tmp_path: Path) -> None:
    said = ("X-Forwarded-For: 10.0.0.1, 10.0.0.2", "X-Forwarded-For: 10.0.0.3", "X-Forwarded-Proto: https")
    with world(tmp_path) as (backend, port):
        get(port, "/pets", *said, "X-Forwarded-Host: outer.example")
    assert backend.last.header("x-forwarded-for") == "10.0.0.1, 10.0.0.2, 10.0.0.3, 127.0.0.1"
    assert backend.last.header("x-forwarded-proto") == "https, http"
    assert backend.last.header("x-forwarded-host") == "outer.example, front.example"


def test_a_header_that_is_no_text_is_refused_rather_than_changed(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        assert problem(get(port, "/pets", "X-Name: caf\u00e9"))["type"] == "urn:syncflow:problem:bad-header"
    assert not backend.arrivals


MULTIPART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\x00\xff\r\n\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"name": "caf\xc3\xa9",  "n": 1.50}'),
        ("application/x-www-form-urlencoded", b"a=1&b=%20+&c"),
        ("multipart/form-data; boundary=x", MULTIPART),
        ("application/octet-stream", bytes(range(256)) * 4096),
        ("text/plain; charset=latin-1", b"caf\xe9"),
        ("application/xml", b"<a/>"),
    ],
)
def test_bodies_arrive_as_they_were_sent(tmp_path: Path, kind: str, body: bytes) -> None:
    with world(tmp_path) as (backend, port):
        request = f"POST /pets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n"
        answer = exchange(port, request.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert status(answer) == 200
    assert backend.last.body == body
    assert backend.last.header("content-type") == kind
    assert backend.last.header("content-length") == str(len(body))


@pytest.mark.parametrize("body", [b"0\r\n\r\n", b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"])
def test_a_body_in_chunks_stays_one(tmp_path: Path, body: bytes) -> None:
    head = b"POST /pets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with world(tmp_path) as (backend, port):
        assert status(exchange(port, head + body)) == 200
    assert backend.last.body == (b"abcd" if len(body) > 5 else b"")
    assert backend.last.header("transfer-encoding") == "chunked"
    assert backend.last.header("content-length") is None


def test_a_body_of_no_bytes_stays_one_and_so_does_a_body_of_a_get(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        get(port, "/pets", "Content-Length: 0", method="POST")
        assert backend.last.header("content-length") == "0"
        exchange(port, b"GET /pets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
    assert backend.last.body == b"abc"


def test_the_answer_goes_through_as_it_is(tmp_path: Path) -> None:
    body = gzip.compress(b"hello")
    lines = (
        "HTTP/1.1 418 I am a teapot", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "Content-Encoding: gzip",
        f"Content-Length: {len(body)}", "X-Private: 1", "Connection: keep-alive, X-Private", "Date: yesterday",
        "Server: theirs", "X-Name: caf\u00e9",
    )  # fmt: skip
    with world(tmp_path, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body) as (_, port):
        answer = get(port, "/pets")
    head, _, arrived = answer.partition(b"\r\n\r\n")
    assert status(answer) == 418
    assert arrived == body
    assert sorted(head.split(b"\r\n")[1:]) == [
        b"connection: close", b"content-encoding: gzip", b"content-length: %d" % len(body), b"date: yesterday",
        b"server: theirs", b"set-cookie: a=1; Path=/", b"set-cookie: b=2", b"x-name: caf\xe9",
    ]  # fmt: skip


def test_a_redirect_is_the_callers_to_follow(tmp_path: Path) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere?a=%2F\r\nContent-Length: 0\r\n\r\n"
    with world(tmp_path, moved) as (backend, port):
        answer = get(port, "/pets")
    assert status(answer) == 302
    assert b"location: /elsewhere?a=%2F\r\n" in answer
    assert len(backend.arrivals) == 1


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_a_body_has_none(tmp_path: Path, code: int) -> None:
    with world(tmp_path, b"HTTP/1.1 %d X\r\nETag: a\r\n\r\n" % code) as (_, port), connected(port) as client:
        for _ in range(2):
            client.sendall(b"GET /pets HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = client.recv(65_536)
            assert status(answer) == code
            assert b"etag: a" in answer
            assert answer.endswith(b"\r\n\r\n")
            assert b"transfer-encoding" not in answer


def test_a_304_that_tells_the_length_of_what_is_not_sent_leaves_the_connection_open(tmp_path: Path) -> None:
    not_modified = b"HTTP/1.1 304 X\r\nContent-Length: 12\r\n\r\n"
    with world(tmp_path, not_modified) as (_, port), connected(port) as client:
        for _ in range(2):
            client.sendall(b"GET /pets HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status(client.recv(65_536)) == 304


def test_cookies_of_one_caller_are_not_sent_for_another(tmp_path: Path) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n"
    with world(tmp_path, cookie) as (backend, port):
        get(port, "/pets")
        get(port, "/pets")
    assert [arrival.header("cookie") for arrival in backend.arrivals] == [None, None]


def test_the_configured_credential_takes_the_place_of_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_TOKEN", "ours")
    with world(tmp_path, auth={"type": "bearer", "env": "PETS_TOKEN"}) as (backend, port):
        get(port, "/pets", "Authorization: Bearer theirs")
        assert backend.last.values("authorization") == ["Bearer ours"]
        monkeypatch.setenv("PETS_TOKEN", "newer")
        get(port, "/pets")
        assert backend.last.values("authorization") == ["Bearer newer"]


def test_a_key_in_a_file_is_read_for_each_request(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first")
    with world(tmp_path, auth={"type": "header", "name": "X-Api-Key", "file": "key"}) as (backend, port):
        get(port, "/pets", "X-API-KEY: theirs", "Authorization: theirs")
        assert backend.last.values("x-api-key") == ["first"]
        assert backend.last.values("authorization") == []
        (tmp_path / "key").write_text("second")
        get(port, "/pets")
    assert backend.last.values("x-api-key") == ["second"]


def test_a_trace_which_is_given_back_carries_no_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETS_TOKEN", "ours")
    with world(tmp_path, auth={"type": "bearer", "env": "PETS_TOKEN"}) as (backend, port):
        get(port, "/pets", method="TRACE")
    assert backend.last.method == "TRACE"
    assert backend.last.header("authorization") is None


def test_without_its_credential_nothing_is_forwarded(tmp_path: Path) -> None:
    with world(tmp_path, auth={"type": "bearer", "env": "SYNCFLOW_NO_SUCH_TOKEN"}) as (backend, port):
        refused = problem(get(port, "/pets"))
    assert refused["type"] == "urn:syncflow:problem:no-credential"
    assert refused["status"] == 500
    assert not backend.arrivals


def test_a_websocket_is_refused_with_the_reason(tmp_path: Path) -> None:
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    lines = ("GET /pets HTTP/1.1", "Host: x", "Connection: Upgrade", *upgrade, "", "")
    with world(tmp_path) as (backend, port):
        answer = exchange(port, "\r\n".join(lines).encode())
    assert status(answer) == 501
    assert b"WebSockets are not forwarded" in answer
    assert not backend.arrivals


def test_no_connection_to_the_service_is_a_502(tmp_path: Path) -> None:
    with RecordingBackend() as gone:
        pass
    module = load_resolver(tmp_path, document(PATHS), gone.url)
    with serving(module.create_app()) as port:
        refused = problem(get(port, "/pets"))
    assert refused["status"] == 502
    assert refused["type"] == "urn:syncflow:problem:service-unreachable"


@pytest.mark.parametrize("nonsense", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_no_http_from_the_service_is_a_502(tmp_path: Path, nonsense: bytes) -> None:
    def answer(arrival: Arrival) -> None:
        arrival.send(nonsense)
        arrival.socket.shutdown(socket.SHUT_RDWR)

    with world(tmp_path, answer) as (_, port):
        assert problem(get(port, "/pets", method="POST"))["type"] == "urn:syncflow:problem:service-broke-off"


def test_a_silent_service_is_a_504(tmp_path: Path) -> None:
    def silent(arrival: Arrival) -> None:
        arrival.is_hung_up()

    with world(tmp_path, silent, rest=RestOptions(timeout_s=0.2, allowed_hosts=("*",))) as (_, port):
        refused = problem(get(port, "/pets"))
    assert refused["status"] == 504
    assert refused["type"] == "urn:syncflow:problem:service-timeout"


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
def test_an_answer_that_breaks_off_breaks_off_for_the_caller(tmp_path: Path, begun: bytes) -> None:
    def answer(arrival: Arrival) -> None:
        arrival.send(begun)
        arrival.socket.shutdown(socket.SHUT_RDWR)

    with world(tmp_path, answer) as (_, port), pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://127.0.0.1:{port}/pets")


def test_the_service_is_called_over_one_connection_again_and_again(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        for _ in range(3):
            get(port, "/pets")
    assert len({id(arrival.socket) for arrival in backend.arrivals}) == 1


def test_nothing_is_connected_until_the_first_request(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, _):
        pass
    assert not backend.arrivals
