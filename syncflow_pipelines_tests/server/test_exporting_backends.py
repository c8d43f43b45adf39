"""The spec of a running backend is written once it is shown, and whenever it is another one."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.openapi.exporting.backends import (
    USUAL_PATHS,
    Backend,
    NoSpecShown,
    exported_once,
    followed,
    open_backend,
)
from syncflow_pipelines_tests.server.exporting_world import ShowingBackend, document, settings_in


@pytest.fixture
def shown() -> ShowingBackend:
    backend = ShowingBackend()
    backend.show(document("/a"))
    return backend


@pytest.fixture
def backend(shown: ShowingBackend, tmp_path: Path) -> Iterator[Backend]:
    """Of a backend that does not run yet, at a port that was free a moment ago."""
    with shown.running() as url:
        opened = open_backend([f"{url}/openapi.json"], tmp_path / "spec" / "openapi.json", settings_in(tmp_path))
    with closing(opened.client):
        yield opened


def paths_in(file: Path) -> list[str]:
    return list(json.loads(file.read_text())["paths"])


def test_a_spec_is_written_at_first_and_then_only_when_it_changed(shown: ShowingBackend, backend: Backend) -> None:
    with shown.running():
        first = backend.look()
        assert first is not None
        assert first.exported is not None
        assert (first.exported.changed, first.exported.operations) == (True, 1)
        written = backend.path.stat()
        assert backend.look() is None
        assert (backend.path.stat().st_ino, backend.path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
        shown.show(document("/a", "/b"))
        assert backend.look() is not None
    assert paths_in(backend.path) == ["/a", "/b"]


def test_what_is_the_same_in_other_words_is_not_written_again(shown: ShowingBackend, backend: Backend) -> None:
    with shown.running():
        backend.look()
        shown.body = json.dumps(document("/a"), indent=4).encode()
        assert backend.look() is None


def test_a_backend_with_etags_sends_its_spec_once(shown: ShowingBackend, backend: Backend) -> None:
    shown.etag = '"1"'
    with shown.running():
        for _ in range(3):
            backend.look()
    assert [status for _, status in shown.asked] == [200, 304, 304]


def test_a_file_that_somebody_removed_is_written_again(shown: ShowingBackend, backend: Backend) -> None:
    shown.etag = '"1"'
    with shown.running():
        backend.look()
        backend.path.unlink()
        assert backend.look() is not None
    assert paths_in(backend.path) == ["/a"]


@pytest.mark.parametrize(
    ("status", "body", "length", "told"),
    [
        (500, b"{}", None, "it answered 500"),
        (404, b"", None, "it answered 404"),
        (401, b"", None, "it answered 401 and refused a request without credentials"),
        (200, b"<html></html>", None, "shows a page for people or XML"),
        (200, b'{"openapi": "3.1.0", "pa', None, "/openapi.json: "),
        (200, b'{"openapi": "3.1.0"}', 1000, "/openapi.json"),
        (200, b'{"a": 1}', None, "the document has no key 'openapi' or 'swagger'"),
        (200, b"[]", None, "the document is a list"),
        (200, b"", None, "the document is empty"),
    ],
)
def test_anything_else_than_a_spec_is_told_once_and_the_file_stays(
    status: int, body: bytes, length: int | None, told: str, shown: ShowingBackend, backend: Backend
) -> None:
    with shown.running():
        backend.look()
        before = backend.path.read_bytes()
        shown.status, shown.body, shown.content_length = status, body, length
        looks = [backend.look() for _ in range(3)]
        trouble = backend.trouble or ""
        assert told in trouble
        assert sum(news is not None for news in looks) <= 1
        assert backend.path.read_bytes() == before
        shown.show(document("/b"))
        assert backend.look() is not None
        assert backend.trouble is None
    assert paths_in(backend.path) == ["/b"]


def test_a_restart_of_the_backend_is_survived_and_not_told(shown: ShowingBackend, backend: Backend) -> None:
    with shown.running():
        assert backend.look() is not None
    assert backend.look() is None
    assert "Connection refused" in str(backend.trouble)
    shown.show(document("/new"))
    with shown.running():
        assert backend.look() is not None
    assert paths_in(backend.path) == ["/new"]


def test_whoever_follows_waits_for_a_backend_that_starts_later(shown: ShowingBackend, backend: Backend) -> None:
    looked = threading.Event()

    def start_then_wait(_seconds: float) -> None:
        looked.set()
        is_up.wait(60)

    is_up = threading.Event()
    found: list[list[str]] = []

    def follow() -> None:
        next(followed(backend, sleep=start_then_wait))
        found.append(paths_in(backend.path))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert looked.wait(60)
    with shown.running():
        is_up.set()
        thread.join(60)
    assert found == [["/a"]]


def test_a_backend_that_shows_no_spec_in_time_is_told_with_what_it_did(shown: ShowingBackend, backend: Backend) -> None:
    shown.status = 500
    with shown.running(), pytest.raises(NoSpecShown, match=r"no spec was shown within 0\.05 s: GET .*it answered 500"):
        exported_once(backend, wait_s=0.05)
    assert not backend.path.exists()


@pytest.mark.parametrize("path", USUAL_PATHS)
def test_the_usual_paths_are_tried_and_the_one_with_a_spec_is_kept(
    path: str, shown: ShowingBackend, tmp_path: Path
) -> None:
    shown.path = path
    with shown.running() as url:
        found = open_backend([f"{url}{one}" for one in USUAL_PATHS], tmp_path / "a.json", settings_in(tmp_path))
        with closing(found.client):
            exported_once(found)
            shown.asked.clear()
            found.look()
    assert shown.asked == [(path, 200)]


def test_a_page_at_one_path_is_told_rather_than_that_another_is_not_known(tmp_path: Path) -> None:
    page = ShowingBackend(body=b"<html></html>", path="/openapi.json")
    with page.running() as url:
        found = open_backend([f"{url}/openapi.json", f"{url}/missing"], tmp_path / "a.json", settings_in(tmp_path))
        with closing(found.client):
            found.look()
    assert "shows a page for people" in str(found.trouble)


def test_a_spec_in_yaml_is_written_as_json(shown: ShowingBackend, backend: Backend) -> None:
    shown.body = b"openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/y: {get: {responses: {}}}}\n"
    with shown.running():
        backend.look()
    assert paths_in(backend.path) == ["/y"]


@pytest.mark.skipif(sys.platform != "linux", reason="root, who may run this, writes everywhere but in /proc")
def test_a_folder_that_cannot_be_written_is_refused_at_once(shown: ShowingBackend, tmp_path: Path) -> None:
    with shown.running() as url:
        found = open_backend([f"{url}/openapi.json"], Path("/proc/nowhere/a.json"), settings_in(tmp_path))
        with closing(found.client), pytest.raises(ConfigurationError, match=r"/proc/nowhere/a\.json cannot be written"):
            exported_once(found)


def test_two_who_export_to_one_file_leave_a_whole_one(shown: ShowingBackend, tmp_path: Path) -> None:
    other = ShowingBackend()
    file = tmp_path / "openapi.json"

    def follow(one: ShowingBackend, url: str, name: str) -> None:
        found = open_backend([f"{url}/openapi.json"], file, settings_in(tmp_path))
        with closing(found.client):
            for count in range(40):
                one.show(document(*(f"/{name}{number}" for number in range(count * 5 + 1))))
                found.look()

    with shown.running() as url, other.running() as other_url:
        threads = [
            threading.Thread(target=follow, args=arguments)
            for arguments in ((shown, url, "a"), (other, other_url, "b"))
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if file.exists():
                json.loads(file.read_bytes())
        for thread in threads:
            thread.join()
    assert len(paths_in(file)) == 196
    assert list(islice(tmp_path.glob(".openapi.json.draft-*"), 1)) == []
