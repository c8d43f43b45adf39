"""The demo source as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.erp import ensure_erp, erp_token, expected_rows, open_erp
from syncflow_pipelines.demo.mutate import mutate
from syncflow_pipelines.demo.server import running_source
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault, SourceStore
from syncflow_pipelines.errors import ConfigurationError

PARENT = """
import os, sys, time
from pathlib import Path
from syncflow_pipelines.demo.server import running_source
with running_source(Path(sys.argv[1]), rows=60) as url:
    sibling = os.fork() if sys.argv[2:] else 0
    if sibling:
        print(sibling, flush=True)
    if sibling or not sys.argv[2:]:
        print(url, flush=True)
    time.sleep(600)
"""
FOREGROUND = """
import sys
from pathlib import Path
from syncflow_pipelines.demo.server import serve_source
serve_source(Path(sys.argv[1]), port=0)
"""


def get(url: str, home: Path, path: str) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {erp_token(home)}"})


def is_listening(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), 1).close()
    except OSError:
        return False
    return True


def wait_until_closed(url: str) -> None:
    deadline = time.monotonic() + 30
    while is_listening(url):
        assert time.monotonic() < deadline, f"{url} is still served"
        time.sleep(0.05)


def test_a_running_source_serves_the_erp_and_ends_with_the_block(tmp_path: Path) -> None:
    with running_source(tmp_path, rows=300) as url:
        assert get(url, tmp_path, "/api/v1/data/items").json()["total"] == 30
        assert httpx.get(f"{url}/api/v1/apis").status_code == 401
    assert not is_listening(url)


def test_a_running_source_ends_by_itself_and_closes_its_file(tmp_path: Path) -> None:
    with running_source(tmp_path, rows=60) as url:
        assert get(url, tmp_path, "/api/v1/data/items").status_code == 200
        assert list((tmp_path / "demo").glob("erp.sqlite-*"))
    assert not list((tmp_path / "demo").glob("erp.sqlite-*"))


def test_a_running_source_ends_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), running_source(tmp_path, rows=60) as url:
        raise ZeroDivisionError
    assert not is_listening(url)


def test_a_running_source_ends_in_the_middle_of_a_request(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=60)
    with open_erp(tmp_path) as store:
        store.break_entity("items", Fault(None, delay_s=600))
    answers: list[str] = []

    def ask() -> None:
        try:
            get(url, tmp_path, "/api/v1/data/items")
        except httpx.HTTPError as error:
            answers.append(type(error).__name__)

    with running_source(tmp_path) as url:
        asker = threading.Thread(target=ask)
        asker.start()
        while get(url, tmp_path, "/api/v1/data/sites").status_code != 200:
            pass
    asker.join(30)
    assert not is_listening(url)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_running_source_ends_when_its_parent_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            url = parent.stdout.readline().strip()
            assert is_listening(url)
            parent.send_signal(how)
            parent.wait(30)
            wait_until_closed(url)
        finally:
            parent.kill()


def test_a_running_source_ends_with_its_parent_though_another_process_holds_on_to_the_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), "fork"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sibling, url = int(parent.stdout.readline()), parent.stdout.readline().strip()
        try:
            assert is_listening(url)
            parent.kill()
            parent.wait(30)
            wait_until_closed(url)
        finally:
            parent.kill()
            os.kill(sibling, signal.SIGKILL)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*choose another"),
            running_source(tmp_path, port, rows=60),
        ):
            pytest.fail("the port was somebody else's")


def test_a_port_of_choice_is_used_again_at_once(tmp_path: Path) -> None:
    with running_source(tmp_path, rows=60) as url:
        port = urlsplit(url).port or 0
        assert get(url, tmp_path, "/api/v1/apis").status_code == 200
    with running_source(tmp_path, port) as again:
        assert again == url
        assert get(again, tmp_path, "/api/v1/apis").status_code == 200


def test_rows_changed_by_another_process_are_served_at_once(tmp_path: Path) -> None:
    with running_source(tmp_path, rows=300) as url:
        with open_erp(tmp_path) as store:
            last = store.last_version("items") or ""
        assert get(url, tmp_path, f"/api/v1/data/items?rowversion_gt={last}").json()["rows"] == []
        mutation = mutate(tmp_path)[0]
        rows = get(url, tmp_path, f"/api/v1/data/items?rowversion_gt={last}").json()["rows"]
        keys = {(row["oracle_keys"]["PART_NO"],): row["deleted"] for row in rows}
        assert {key for key, deleted in keys.items() if deleted} == set(mutation.deleted)
        assert {key for key, deleted in keys.items() if not deleted} == {*mutation.inserted, *mutation.updated}
        assert get(url, tmp_path, "/api/v1/data/sites").json()["total"] == len(list(expected_rows(tmp_path, "sites")))


def test_an_entity_is_broken_and_healed_from_outside_while_the_source_runs(tmp_path: Path) -> None:
    with running_source(tmp_path, rows=60) as url, open_erp(tmp_path) as store:
        store.break_entity("items")
        assert get(url, tmp_path, "/api/v1/data/items").status_code == 500
        assert get(url, tmp_path, "/api/v1/data/sites").status_code == 200
        store.heal_entity("items")
        assert get(url, tmp_path, "/api/v1/data/items").status_code == 200


def test_row_versions_do_not_go_back_when_the_source_is_started_again(tmp_path: Path) -> None:
    versions = []
    for _ in range(3):
        with running_source(tmp_path, rows=60) as url:
            mutate(tmp_path)
            versions.append(
                int(get(url, tmp_path, "/api/v1/data/items?rowversion_gt=").json()["rows"][-1]["row_version"])
            )
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_source_in_the_foreground_says_where_it_is_and_ends_by_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    ensure_erp(tmp_path, rows=60)
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as source:
        try:
            assert source.stdout is not None
            url = source.stdout.readline().strip()
            assert get(url, tmp_path, "/api/v1/apis").status_code == 200
            source.send_signal(how)
            _, errors = source.communicate(timeout=30)
        finally:
            source.kill()
    assert source.returncode == (0 if how == signal.SIGINT else -signal.SIGTERM)
    assert errors == ""


def test_a_server_in_a_thread_has_ended_when_its_block_has(tmp_path: Path) -> None:
    with SourceStore(tmp_path / "source.sqlite") as store:
        threads = threading.active_count()
        with serve_in_thread(build_app(store, None)) as url:
            assert httpx.get(f"{url}/api/v1/apis").json() == []
        assert not is_listening(url)
        assert not [thread for thread in threading.enumerate() if thread.name == "demo-source"]
        assert threading.active_count() >= threads
