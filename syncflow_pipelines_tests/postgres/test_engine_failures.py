"""What goes wrong with a source fails the run in one clear sentence, and the old rows stand."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from syncflow_pipelines.config import BearerAuth
from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.demo.serving import listen
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.entities import due_entities
from syncflow_pipelines.sync.model import Counts, SyncOutcome
from syncflow_pipelines.sync.rejects.record import list_rejects
from syncflow_pipelines_tests.postgres.world import TOKEN, World, row


@pytest.fixture
def synced(world: World) -> World:
    """A world with one entity of twenty rows, synced once."""
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    assert world.sync("items").status == "success"
    return world


def _check_failed(world: World, outcome: SyncOutcome, error_type: str, *words: str) -> None:
    error = str(outcome.error)
    assert (outcome.status, outcome.error_type) == ("failed", error_type)
    assert all(word in error for word in words), error
    assert "\n" not in error
    assert len(world.live("items")) == 20
    ((message, details),) = world.query(
        "SELECT error_message, error_details FROM sync_runs WHERE status = 'failed' ORDER BY started_at DESC LIMIT 1"
    )
    assert message == error
    assert TOKEN not in error + json.dumps(details)


@contextmanager
def _answering(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that answers every request with the same bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_that_the_source_refuses(synced: World, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("another-secret")
    synced.connector = replace(synced.connector, auth=BearerAuth(token_file=wrong))
    outcome = synced.sync("items")
    _check_failed(synced, outcome, "SourceRefused", "401", str(wrong))
    assert "another-secret" not in str(outcome.error)


def test_a_source_that_is_down(synced: World) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    synced.connector = replace(synced.connector, base_url=f"http://127.0.0.1:{port}")
    _check_failed(synced, synced.sync("items"), "SourceUnreachable", f"127.0.0.1:{port}", "page=1")


@pytest.mark.parametrize(
    "body",
    [b"<html>Sign in</html>", b'{"rows": [{"data": {', b"[]", b'{"rows": 3}', b"", b"\x00\xff\xfe", b"null"],
    ids=["html", "torn", "a list", "rows no list", "empty", "bytes", "null"],
)
def test_a_source_that_sends_garbage(synced: World, body: bytes) -> None:
    with _answering(body) as url:
        synced.connector = replace(synced.connector, base_url=url)
        _check_failed(synced, synced.sync("items"), "SourceProtocolError", "erp/items", "page=1")


def test_a_source_that_sends_the_same_page_for_ever(synced: World) -> None:
    rows = [{"oracle_keys": {}, "data": row(n)} for n in range(1000)]
    with _answering(json.dumps({"rows": rows, "has_more": True}).encode()) as url:
        synced.connector = replace(synced.connector, base_url=url)
        _check_failed(synced, synced.sync("items"), "SourceProtocolError", "over and over")


def test_an_entity_that_the_source_no_longer_has(synced: World) -> None:
    synced.store.break_entity("items", Fault(404))
    _check_failed(synced, synced.sync("items"), "EntityGone", "erp/items", "syncflow discover erp")


def test_an_error_that_passes_is_not_noticed(synced: World) -> None:
    synced.store.break_entity("items", Fault(500), times=1)
    assert synced.sync("items").status == "success"


def test_a_failing_entity_backs_off_and_is_due_again_after_it_succeeded(synced: World) -> None:
    synced.configure("items", sync_interval_seconds=1)
    synced.discover()
    synced.store.break_entity("items", Fault(404))
    for failures in (1, 2, 3):
        synced.sync("items")
        assert synced.entity("items").consecutive_failures == failures
    ((wait_s,),) = synced.query("SELECT extract(epoch FROM next_attempt_at - updated_at) FROM entities")
    assert wait_s == 4  # the interval of a second, doubled twice
    with synced.database.connection() as connection:
        assert due_entities(connection) == ()
    synced.store.heal_entity("items")
    synced.sync("items")
    assert synced.entity("items").next_attempt_at is None


def test_one_bad_row_is_one_reject_and_the_rest_of_its_page_is_kept(synced: World) -> None:
    synced.store.insert("items", [row(100, label="x" * 41), row(101), row(102, qty="many")])
    outcome = synced.sync("items")
    assert outcome.status == "success"
    assert (outcome.counts.inserted, outcome.counts.rejected, outcome.open_rejects) == (1, 2, 2)
    assert outcome.counts.fetched == 23
    with synced.database.connection() as connection:
        found = {reject.column_name: reject for reject in list_rejects(connection)}
    assert found["label"].reason == "is 41 characters long, the column holds 40"
    assert found["qty"].value == '"many"'
    assert json.loads(found["qty"].raw)["data"] == row(102, qty="many")
    assert found["qty"].run_uid == outcome.run_uid


def test_a_reject_is_kept_once_and_forgotten_when_its_row_is_mended(synced: World) -> None:
    synced.store.insert("items", [row(100, qty="many")])
    for _ in range(2):
        assert synced.sync("items").open_rejects == 1
    synced.store.update("items", [{"site": "A", "number": 100, "qty": 5}])
    assert synced.sync("items").open_rejects == 0
    assert synced.live("items") == synced.expected("items")


def test_a_row_that_was_good_and_turned_bad_keeps_its_last_good_state(synced: World) -> None:
    synced.store.update("items", [{"site": "A", "number": 3, "qty": "many"}])
    outcome = synced.sync("items")
    assert (outcome.counts.rejected, outcome.counts.deleted) == (1, 0)
    assert synced.live("items")["A", 3]["qty"] == 1


def test_too_many_rejects_fail_the_sync_but_stay_to_be_seen(synced: World) -> None:
    synced.configure("items", max_reject_ratio=0.1)
    synced.store.insert("items", [row(n, qty="many") for n in range(100, 110)])
    synced.store.update("items", [{"site": "A", "number": 1, "label": "new"}])
    outcome = synced.sync("items")
    _check_failed(synced, outcome, "TooManyRejects", "10 of 30 rows", "syncflow rejects list erp/items")
    assert outcome.counts.rejected == 10
    assert synced.live("items")["A", 1]["label"] == "x"
    assert synced.query("SELECT count(*) FROM rejected_rows") == [(10,)]


def test_columns_of_any_name_are_kept_compared_and_named_in_rejects(world: World) -> None:
    names = ['x"; DROP TABLE items; --', "100 %s", "Camel Case", "a, column b: ", "ünï"]
    columns = tuple(SourceColumn(name, "TIMESTAMP", alias=name) for name in names)
    world.offer("odd", "hash", columns=(SourceColumn("NO", "NUMBER(9)", alias="No"), *columns), business_keys=("No",))
    good = dict.fromkeys(names, "2025-01-01T00:00:00")
    world.store.insert("odd", [{"No": n, **good} for n in range(10)])
    world.store.insert("odd", [{"No": 10 + n, **good, name: "2025-02-30T00:00:00"} for n, name in enumerate(names)])
    world.discover()
    assert world.sync("odd").counts == Counts(fetched=15, inserted=10, rejected=5)
    assert list(world.live("odd")[0,]) == ["No", *names]
    with world.database.connection() as connection:
        assert {reject.column_name for reject in list_rejects(connection)} == set(names)
    assert world.sync("odd", full_refresh=True).counts == Counts(fetched=15, unchanged=10, rejected=5)
