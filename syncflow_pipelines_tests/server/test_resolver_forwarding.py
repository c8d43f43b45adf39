"""What goes through a generated resolver, byte by byte: targets, headers, bodies, answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines_tests.server.recording_backend import OK, Answer, RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import document, exchange, get, load_resolver, problem, serving, status

ANY_BODY = {"requestBody": {"content": {"*/*": {}}}}
PATHS: dict[str, Any] = {
    "/pets": {"get": {}, "post": ANY_BODY, "query": {}, "additionalOperations": {"COPY": {}}},
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
