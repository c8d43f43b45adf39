"""Syncs asked for over the API, with no Dagster in sight: queued once, followed, ended."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from syncflow_pipelines.api.syncing import MOST_STREAMS
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.claims import claim_runs, waiting_run
from syncflow_pipelines.sync.model import Claimed
from syncflow_pipelines_tests.postgres.admin_api import ADMIN_TOKEN, READ_TOKEN, TOKENS, ApiWorld, problem, serving_api
from syncflow_pipelines_tests.postgres.api_child import Moment, killed_while_asked
from syncflow_pipelines_tests.postgres.world import World, row

LIMIT_S = 20.0


@pytest.fixture
def asking(world: World) -> Iterator[ApiWorld]:
    """The API of a world with one entity of 30 rows, discovered."""
    world.offer("items")
    world.store.insert("items", [row(number) for number in range(30)])
    world.discover()
    with serving_api(world.settings, TOKENS) as client:
        yield ApiWorld(world, client)


def ask(api: ApiWorld, how: str = "sync", status: int = 202, **more: Any) -> dict[str, Any]:
    answer = api.client.post(f"/entities/{api.uid('items')}/{how}", **more)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/runs/{document['uid']}"
    return document


def begin(api: ApiWorld, run: str) -> threading.Thread:
    """The run, as Dagster would begin it."""
    wait_until(lambda: is_free(api, run))
    with api.world.database.connection() as connection:
        waiting = waiting_run(connection, UUID(run))
        assert waiting is not None
        claim, _ = claim_runs(connection, [waiting])
    thread = threading.Thread(target=lambda: api.world.sync("items", queued=Claimed(UUID(run), claim), trigger="api"))
    thread.start()
    return thread


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_free(api: ApiWorld, run: str) -> bool:
    """Whether the API has found that no webserver is there, and has left the run to the sensor."""
    return api.world.query("SELECT claim IS NULL FROM sync_runs WHERE uid = %s", run) == [(True,)]


def events(api: ApiWorld, run: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the stream of the run says, until it ends."""
    with api.client.stream("GET", f"/runs/{run}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            if line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))


def test_a_sync_is_queued_and_its_run_tells_how_it_stands(asking: ApiWorld) -> None:
    queued = ask(asking)
    assert (queued["status"], queued["trigger"], queued["is_full_refresh"]) == ("queued", "api", False)
    assert ask(asking, status=200)["uid"] == queued["uid"]
    assert ask(asking, "full-refresh")["is_full_refresh"] is True
    assert ask(asking, json={"strategy": "hash"})["strategy"] == "hash"

    wait_until(lambda: is_free(asking, queued["uid"]))
    begin(asking, queued["uid"]).join()
    ended = asking.get(f"/runs/{queued['uid']}")
    assert (ended["status"], ended["records_fetched"], ended["progress"]) == ("success", 30, None)


def test_a_key_gives_the_same_run_for_ever(asking: ApiWorld) -> None:
    key = {"Idempotency-Key": "nightly-1"}
    run = ask(asking, headers=key)["uid"]
    wait_until(lambda: is_free(asking, run))
    begin(asking, run).join()
    assert ask(asking, status=200, headers=key)["uid"] == run
    other = asking.client.post(f"/entities/{asking.uid('items')}/full-refresh", headers=key)
    problem(other, 409, "idempotency-key-reused")
    for bad in ("", "x" * 256, "a b"):
        bad_key = asking.client.post(f"/entities/{asking.uid('items')}/sync", headers={"Idempotency-Key": bad})
        problem(bad_key, 422, "invalid-request")


def test_twenty_that_ask_at_once_with_one_key_get_one_run(asking: ApiWorld) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = list(
            threads.map(
                lambda _: asking.client.post(f"/entities/{asking.uid('items')}/sync", headers={"Idempotency-Key": "k"}),
                range(20),
            )
        )
    assert {answer.json()["uid"] for answer in answers} == {answers[0].json()["uid"]}
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
    assert asking.world.query("SELECT count(*) FROM sync_runs") == [(1,)]


def test_what_cannot_be_synced_is_refused(asking: ApiWorld) -> None:
    uid = asking.uid("items")
    problem(asking.client.post(f"/entities/{uuid4()}/sync"), 404, "not-found")
    problem(asking.client.post("/entities/items/sync"), 422, "invalid-request")
    problem(asking.client.post(f"/entities/{uid}/sync", json={"strategy": "all"}), 422, "invalid-request")
    problem(asking.client.post(f"/entities/{uid}/sync", json={"table": "pg_shadow"}), 422, "invalid-request")
    read_only = {"Authorization": f"Bearer {READ_TOKEN}"}
    problem(asking.client.post(f"/entities/{uid}/sync", headers=read_only), 403, "role-too-low")
    with asking.world.database.connection() as connection:
        connection.execute("UPDATE connectors SET is_active = false")
    problem(asking.client.post(f"/entities/{uid}/sync"), 409, "connector-inactive")
    assert asking.world.query("SELECT count(*) FROM sync_runs") == [(0,)]


def test_a_queued_run_is_cancelled_and_an_ended_one_is_not(asking: ApiWorld) -> None:
    run = ask(asking)["uid"]
    cancelled = asking.client.post(f"/runs/{run}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "failed")
    assert cancelled.json()["error_details"] == {"type": "SyncCancelled"}
    problem(asking.client.post(f"/runs/{run}/cancel"), 409, "run-ended")
    problem(asking.client.post(f"/runs/{uuid4()}/cancel"), 404, "not-found")


def test_a_running_one_is_followed_and_ends_within_seconds(asking: ApiWorld) -> None:
    asking.world.configure("items", page_size=5, concurrency=1)
    asking.world.store.insert("items", [row(number) for number in range(100, 400)])
    run = ask(asking)["uid"]
    wait_until(lambda: is_free(asking, run))
    asking.world.store.break_entity("items", Fault(status=None, delay_s=0.3))
    stream = events(asking, run)
    first, state = next(stream)
    assert (first, state["status"]) == ("progress", "queued")
    last = first
    syncing = begin(asking, run)
    rows: set[int] = set()
    for last, state in stream:  # noqa: B007 - asked after the end
        rows.add((state["progress"] or {}).get("rows", 0))
        if len(rows - {0}) >= 2 and not state["cancel_requested_at"]:
            answer = asking.client.post(f"/runs/{run}/cancel")
            assert (answer.status_code, answer.json()["status"]) == (202, "running")
            asked_at = time.monotonic()
    assert time.monotonic() - asked_at < 5 + 2  # the stream tells of it up to a second later
    assert (last, state["status"], state["error_details"]["type"]) == ("end", "failed", "SyncCancelled")
    assert state["progress"] is None
    syncing.join()
    assert asking.world.live("items") == {}


def test_a_stream_of_an_ended_run_ends_at_once(asking: ApiWorld) -> None:
    run = ask(asking)["uid"]
    asking.client.post(f"/runs/{run}/cancel")
    assert [kind for kind, _ in events(asking, run)] == ["end"]
    problem(asking.client.get(f"/runs/{uuid4()}/events"), 404, "not-found")


def test_a_stream_that_nobody_reads_any_more_holds_no_place(asking: ApiWorld) -> None:
    run = ask(asking)["uid"]
    for _ in range(70):
        with asking.client.stream("GET", f"/runs/{run}/events") as stream:
            assert next(stream.iter_lines()) == "retry: 2000"


def test_a_stream_of_a_run_that_is_deleted_ends(asking: ApiWorld) -> None:
    run = ask(asking)["uid"]
    stream = events(asking, run)
    assert next(stream)[0] == "progress"
    with asking.world.database.connection() as connection:
        connection.execute("DELETE FROM sync_runs")
    assert [kind for kind, _ in stream if kind == "end"] == []


def test_no_more_are_followed_at_once_than_there_are_places(asking: ApiWorld) -> None:
    path = f"/api/v1/runs/{ask(asking)['uid']}/events"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n".encode()
    address = (asking.client.base_url.host, asking.client.base_url.port or 80)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(MOST_STREAMS + 10)]
        for client in clients:
            client.sendall(head)
        answers = Counter(client.recv(12) for client in clients)
    assert answers == {b"HTTP/1.1 200": MOST_STREAMS, b"HTTP/1.1 503": 10}


@pytest.mark.slow
def test_an_api_that_is_killed_has_queued_it_once_or_not_at_all(world: World) -> None:
    world.offer("items")
    world.discover()
    uid, key = str(world.entity("items").uid), "the-key"
    kept: set[str] = set()
    moments: tuple[Moment, ...] = ("before", "during", "after", "after")
    for moment in moments:
        killed_while_asked(world, uid, key, moment)
        queued = world.query("SELECT uid::text FROM sync_runs")
        assert len(queued) == (1 if kept or moment == "after" else 0)
        kept |= {run for (run,) in queued}
    with serving_api(world.settings, TOKENS) as client:
        again = client.post(f"/entities/{uid}/sync", headers={"Idempotency-Key": key})
    assert (again.status_code, {again.json()["uid"]}) == (200, kept)
    assert world.query("SELECT count(*) FROM sync_requests WHERE idempotency_key = %s", key) == [(1,)]


def test_the_api_says_where_dagster_runs_it(asking: ApiWorld) -> None:
    run = ask(asking)["uid"]
    with asking.world.database.connection() as connection:
        connection.execute("UPDATE sync_runs SET dagster_run_id = 'd-1'")
    document = httpx.Response(200, content=asking.client.get(f"/runs/{run}").content).json()
    assert document["dagster_url"] == f"{asking.world.settings.dagster_url}/runs/d-1"
