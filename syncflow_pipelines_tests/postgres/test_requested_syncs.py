"""Syncs that are asked for: queued once, begun by one, told of while they run, and ended."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.claims import claim_runs, claimed_runs, release_claim, waiting_run, waiting_runs
from syncflow_pipelines.sync.engine import SyncRequest, sync_entities, sync_entity
from syncflow_pipelines.sync.model import Claimed, SyncOutcome
from syncflow_pipelines.sync.requests import NotRequested, Requested, SyncWish, cancel_run, request_sync
from syncflow_pipelines.sync.runs import SyncRun, find_run
from syncflow_pipelines_tests.postgres.world import World, row

LIMIT_S = 20.0
SLOW = Fault(status=503, retry_after="60")
"""A source that lets nobody go on for a minute."""


@pytest.fixture
def items(world: World) -> World:
    """The world with one entity of 30 rows, discovered."""
    world.offer("items")
    world.store.insert("items", [row(number) for number in range(30)])
    world.discover()
    return world


def ask(world: World, **wish: object) -> Requested | NotRequested:
    with world.database.connection() as connection:
        return request_sync(connection, SyncWish(world.entity("items").uid, **wish))  # type: ignore[arg-type]


def asked(world: World, **wish: object) -> UUID:
    found = ask(world, **wish)
    assert isinstance(found, Requested)
    return found.run_uid


def claimed(world: World, run: UUID) -> Claimed:
    with world.database.connection() as connection:
        waiting = waiting_run(connection, run)
        assert waiting is not None
        claim, found = claim_runs(connection, [waiting])
    assert found == {run}
    return Claimed(run, claim)


def state(world: World, run: UUID) -> SyncRun:
    with world.database.connection() as connection:
        return find_run(connection, run)


def cancel(world: World, run: UUID) -> str:
    with world.database.connection() as connection:
        return cancel_run(connection, run)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_asked_for_is_queued_and_then_run_in_the_same_record(items: World) -> None:
    run = asked(items)
    assert state(items, run).status == "queued"

    outcome = items.sync("items", queued=claimed(items, run), trigger="api", dagster_run_id="d1")

    assert (outcome.status, outcome.run_uid) == ("success", run)
    ended = state(items, run)
    assert (ended.status, ended.fetched, ended.dagster_run_id, ended.progress) == ("success", 30, "d1", None)
    assert items.query("SELECT count(*) FROM sync_runs") == [(1,)]


def test_asked_for_twice_it_is_the_run_that_is_queued(items: World) -> None:
    first = ask(items)
    assert isinstance(first, Requested)
    assert ask(items) == Requested(first.run_uid, is_new=False)
    assert asked(items, full_refresh=True) != first.run_uid
    assert asked(items, strategy="hash") != first.run_uid


def test_a_key_stands_for_one_request_for_ever(items: World) -> None:
    run = asked(items, idempotency_key="k")
    items.sync("items", queued=claimed(items, run))

    assert ask(items, idempotency_key="k") == Requested(run, is_new=False)
    other = ask(items, idempotency_key="k", full_refresh=True)
    assert isinstance(other, NotRequested)
    assert other.kind == "key_reused"
    assert str(run) in other.reason
    assert items.query("SELECT count(*) FROM sync_runs") == [(1,)]


def test_many_that_ask_at_once_come_to_one_run(items: World) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda number: asked(items, idempotency_key=f"k{number % 4}"), range(16)))
    assert len(set(runs)) == 1
    assert items.query("SELECT count(*) FROM sync_requests") == [(4,)]


def test_of_many_that_want_to_begin_a_run_one_may(items: World) -> None:
    run = asked(items)
    with items.database.connection() as connection:
        waiting = waiting_runs(connection)

    def claims(_: int) -> int:
        with items.database.connection() as connection:
            return len(claim_runs(connection, waiting)[1])

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(claims, range(6))) == 1
    with items.database.connection() as connection:
        assert waiting_runs(connection) == ()
        (stale,) = waiting_runs(connection, stale_s=0)
    assert (stale.run_uid, stale.claims) == (run, 1)


def test_a_newer_claim_makes_an_older_one_void(items: World) -> None:
    run = asked(items)
    old = claimed(items, run)
    with items.database.connection() as connection:
        (stale,) = waiting_runs(connection, stale_s=0)
        claim, _ = claim_runs(connection, [stale])
        assert claimed_runs(connection, old.claim) == ()

    assert items.sync("items", queued=old).error_type == "SyncCancelled"
    assert state(items, run).status == "queued"
    assert items.sync("items", queued=Claimed(run, claim)).status == "success"


def test_a_claim_that_is_given_back_is_free_at_once(items: World) -> None:
    run = asked(items)
    taken = claimed(items, run)
    with items.database.connection() as connection:
        release_claim(connection, taken.claim)
        (waiting,) = waiting_runs(connection)
    assert (waiting.run_uid, waiting.claims) == (run, 0)


def test_what_cannot_be_synced_is_not_queued(items: World) -> None:
    with items.database.connection() as connection:
        unknown = request_sync(connection, SyncWish(uuid4()))
    assert isinstance(unknown, NotRequested)
    kinds = {"unknown": unknown.kind}
    for kind, change in {
        "schema_refused": "UPDATE entities SET schema_error = 'a column is in the way'",
        "gone": "UPDATE entities SET is_present = false",
        "connector_inactive": "UPDATE connectors SET is_active = false",
    }.items():
        with items.database.connection() as connection:
            connection.execute(change.encode())
        refusal = ask(items)
        assert isinstance(refusal, NotRequested)
        kinds[kind] = refusal.kind
    assert all(kind == found for kind, found in kinds.items())
    assert items.query("SELECT count(*) FROM sync_runs") == [(0,)]


def test_a_run_that_is_cancelled_while_it_is_queued_is_never_begun(items: World) -> None:
    run = asked(items)
    taken = claimed(items, run)

    assert cancel(items, run) == "closed"

    ended = state(items, run)
    assert (ended.status, (ended.error_details or {})["type"]) == ("failed", "SyncCancelled")
    assert items.sync("items", queued=taken).error_type == "SyncCancelled"
    assert items.query("SELECT count(*) FROM sync_runs") == [(1,)]
    assert items.query("SELECT subject FROM events WHERE type = 'sync_finished'") == [("erp/items",)]
    assert cancel(items, run) == "ended"
    with pytest.raises(UnknownEntity):
        cancel(items, uuid4())


def test_a_running_sync_tells_its_rows_and_ends_when_somebody_wants_it(items: World) -> None:
    items.configure("items", page_size=5, concurrency=1)
    items.store.insert("items", [row(number) for number in range(100, 400)])
    items.store.break_entity("items", Fault(status=None, delay_s=0.3))
    outcomes: list[SyncOutcome] = []
    syncing = threading.Thread(target=lambda: outcomes.append(items.sync("items", full_refresh=True)))
    syncing.start()
    wait_until(lambda: items.query("SELECT 1 FROM sync_runs WHERE (progress ->> 'rows')::int > 0"))
    ((run, progress),) = items.query("SELECT uid, progress FROM sync_runs")
    assert progress["phase"] == "reading"
    assert set(progress) == {"phase", "rows", "total", "at"}

    assert cancel(items, run) == "asked"
    syncing.join(5)
    assert not syncing.is_alive()
    assert outcomes[0].error_type == "SyncCancelled"
    assert state(items, run).status == "failed"
    assert items.live("items") == {}


def test_one_of_several_syncs_ends_though_its_source_lets_it_wait(items: World) -> None:
    items.offer("orders")
    items.store.insert("orders", [row(1)])
    items.discover()
    items.store.break_entity("items", SLOW)
    run = asked(items)
    requests = [
        SyncRequest(items.connector, "items", queued=claimed(items, run)), SyncRequest(items.connector, "orders")
    ]  # fmt: skip
    outcomes: list[SyncOutcome] = []
    syncing = threading.Thread(
        target=lambda: outcomes.extend(sync_entities(items.database, items.settings, requests, workers=2))
    )
    syncing.start()
    wait_until(lambda: state(items, run).status == "running")

    assert cancel(items, run) == "asked"
    syncing.join(5)
    assert not syncing.is_alive()
    assert {outcome.entity: outcome.error_type for outcome in outcomes} == {
        "erp/items": "SyncCancelled", "erp/orders": None
    }  # fmt: skip


def test_a_run_that_waits_for_another_sync_can_be_cancelled(items: World) -> None:
    run = asked(items)
    request = SyncRequest(items.connector, "items", queued=claimed(items, run), wait_s=60)
    with items.database.dedicated("test") as holder:
        holder.execute(
            "SELECT pg_advisory_lock(hashtextextended('syncflow entity ' || %s, 0))", (str(items.entity("items").uid),)
        )
        outcomes: list[SyncOutcome] = []
        waits = threading.Event()
        syncing = threading.Thread(
            target=lambda: outcomes.append(
                sync_entity(
                    items.database,
                    items.settings,
                    request,
                    progress=lambda told: waits.set() if told.phase == "waiting" else None,
                )
            )
        )
        syncing.start()
        assert waits.wait(LIMIT_S)
        assert cancel(items, run) == "closed"
        syncing.join(5)
        assert not syncing.is_alive()
    assert outcomes[0].error_type == "SyncCancelled"


def test_a_run_that_could_not_even_begin_says_why(items: World) -> None:
    run = asked(items)
    taken = claimed(items, run)
    with items.database.dedicated("test") as holder:
        holder.execute(
            "SELECT pg_advisory_lock(hashtextextended('syncflow entity ' || %s, 0))", (str(items.entity("items").uid),)
        )
        outcome = items.sync("items", queued=taken)
    assert (outcome.error_type, outcome.run_uid) == ("EntityBusy", run)
    assert (state(items, run).status, (state(items, run).error_details or {})["type"]) == ("failed", "EntityBusy")


def test_a_run_whose_connector_is_deleted_ends(items: World) -> None:
    items.store.break_entity("items", SLOW)
    outcomes: list[SyncOutcome] = []
    syncing = threading.Thread(target=lambda: outcomes.append(items.sync("items")))
    syncing.start()
    wait_until(lambda: items.query("SELECT 1 FROM sync_runs WHERE status = 'running'"))
    with items.database.connection() as connection:
        connection.execute("DELETE FROM connectors")
    syncing.join(5)
    assert not syncing.is_alive()
    assert outcomes[0].status == "failed"


def test_who_asks_while_the_queued_run_is_being_cancelled_gets_another(items: World) -> None:
    first = asked(items)
    with ThreadPoolExecutor(1) as threads:
        with items.database.dedicated("cancelling") as connection, connection.transaction():
            assert cancel_run(connection, first) == "closed"
            second = threads.submit(asked, items)
            wait_until(lambda: second.done() or items.query("SELECT 1 FROM pg_locks WHERE NOT granted"))
        assert state(items, second.result()).status == "queued"
    assert second.result() != first
