"""`mode: validate` over the wire: what is refused never reaches the service, what fits arrives as it was sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import RestOptions
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import (
    exchange,
    get,
    load_resolver,
    problem,
    serving,
    status,
)
from syncflow_pipelines_tests.stored_specs import document

PET = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}
KEY = {"name": "X-Api-Key", "in": "header", "required": True, "schema": {"type": "string"}}
PATHS: dict[str, Any] = {
    "/pets": {
        "get": {"parameters": [LIMIT]},
        "post": {"requestBody": {"required": True, "content": {"application/json": {"schema": PET}, "image/png": {}}}},
        "query": {"parameters": [LIMIT]},
    },
    "/keys": {"get": {"parameters": [KEY]}},
}


@contextmanager
def world(tmp_path: Path, **described: Any) -> Iterator[tuple[RecordingBackend, int]]:
    with RecordingBackend() as backend:
        module = load_resolver(
            tmp_path, document(PATHS), backend.url, rest=RestOptions("validate", allowed_hosts=("*",)), **described
        )
        with serving(module.create_app()) as port:
            yield backend, port


def post(port: int, head: bytes, body: bytes) -> bytes:
    return exchange(port, b"POST /pets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n" + body)


def test_a_parameter_that_does_not_fit_is_named(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        refused = problem(get(port, "/pets?limit=500"))
        assert status(get(port, "/pets?limit=50&other=1")) == 200
    assert refused["type"] == "urn:syncflow:problem:invalid-request"
    assert refused["status"] == 400
    assert refused["errors"] == [
        {"in": "query", "name": "limit", "pointer": "", "rule": "maximum", "detail": "has to satisfy `maximum`: 100"}
    ]
    assert [arrival.target for arrival in backend.arrivals] == ["/pets?limit=50&other=1"]


def test_a_method_that_connexion_does_not_know_is_checked_too(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        assert status(get(port, "/pets?limit=a", method="QUERY")) == 400
        assert status(get(port, "/pets?limit=1", method="QUERY")) == 200
    assert len(backend.arrivals) == 1


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Type: application/json\r\nContent-Length: 17\r\n", b'{ "name":  "a\\n"}'),
        (
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
            b'5\r\n{"nam\r\n7\r\ne":"a"}\r\n0\r\n\r\n',
        ),
        (b"Content-Type: image/png\r\nContent-Length: 4\r\n", b"\x89PNG"),
    ],
)
def test_a_body_that_fits_arrives_as_it_was_sent(tmp_path: Path, head: bytes, body: bytes) -> None:
    with world(tmp_path) as (backend, port):
        assert status(post(port, head, body)) == 200
    assert backend.last.body == (b'{"name":"a"}' if b"chunked" in head else body)
    assert (backend.last.header("transfer-encoding") == "chunked") == (b"chunked" in head)


def test_a_body_that_does_not_fit_does_not_arrive(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        refused = problem(post(port, b"Content-Type: application/json\r\nContent-Length: 11\r\n", b'{"name": 5}'))
        unknown = problem(post(port, b"Content-Type: text/plain\r\nContent-Length: 1\r\n", b"x"))
        missing = problem(post(port, b"Content-Length: 0\r\n", b""))
    assert [(each["pointer"], each["rule"]) for each in refused["errors"]] == [("/name", "type")]
    assert unknown["status"] == 415
    assert "application/json" in unknown["detail"]
    assert missing["errors"][0]["rule"] == "required"
    assert not backend.arrivals


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with world(tmp_path) as (backend, port):
        refused = problem(post(port, b"Content-Type: application/json\r\nContent-Length: 10000001\r\n", b""))
    assert refused["status"] == 413
    assert not backend.arrivals


def test_what_the_configured_credential_brings_callers_need_not_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_KEY", "ours")
    with world(tmp_path, auth={"type": "header", "name": "X-Api-Key", "env": "PETS_KEY"}) as (backend, port):
        assert status(get(port, "/keys")) == 200
    assert backend.last.header("x-api-key") == "ours"
