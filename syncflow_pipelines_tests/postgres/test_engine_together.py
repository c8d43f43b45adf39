"""Many entities at once, two syncs of one entity, and syncs that are told to stop."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psutil

from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.engine import Progress, SyncRequest, sync_entities, sync_entity
from syncflow_pipelines.sync.model import Counts
from syncflow_pipelines_tests.postgres.world import World, row

LOCK_HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SLOW = Fault(status=None, delay_s=1.5)


def _ten(world: World) -> list[str]:
    slugs = [f"entity_{n}" for n in range(10)]
    for n, slug in enumerate(slugs):
        world.offer(slug, ("rowversion", "hash", "full")[n % 3])
        world.store.insert(slug, [row(k) for k in range(200 + n)])
    world.discover()
    return slugs


def test_ten_entities_at_once_one_of_them_failing(world: World) -> None:
    slugs = _ten(world)
    world.store.break_entity("entity_4", Fault(404))
    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    outcomes = {o.entity: o for o in sync_entities(world.database, world.settings, requests, workers=10)}
    assert len(outcomes) == 10
    assert [name for name, outcome in outcomes.items() if outcome.status == "failed"] == ["erp/entity_4"]
    for slug in set(slugs) - {"entity_4"}:
        assert world.live(slug) == world.expected(slug)
    assert world.live("entity_4") == {}
    world.store.heal_entity("entity_4")
    assert world.sync("entity_4").counts.inserted == 204


def test_the_entities_really_run_at_the_same_time(world: World) -> None:
    slugs = _ten(world)
    everybody, arrived = threading.Barrier(10), set[str]()

    def progress(step: Progress) -> None:
        if step.phase == "reading" and step.entity not in arrived:
            arrived.add(step.entity)
            everybody.wait(timeout=60)

    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    outcomes = list(sync_entities(world.database, world.settings, requests, workers=10, progress=progress))
    assert {outcome.status for outcome in outcomes} == {"success"}


def test_entities_share_a_workers_connection_until_one_of_them_fails(world: World) -> None:
    slugs = _ten(world)
    world.store.break_entity("entity_4", Fault(404))
    backends: dict[str, object] = {}

    def progress(step: Progress) -> None:
        if step.phase == "reading":
            backends[step.entity] = world.query(LOCK_HOLDERS)

    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    outcomes = list(sync_entities(world.database, world.settings, requests, workers=1, progress=progress))
    assert [outcome.status for outcome in outcomes].count("success") == 9
    used = [backends[f"erp/entity_{n}"] for n in (*range(4), *range(5, 10))]
    assert used == [used[0]] * 4 + [used[-1]] * 5
    assert used[0] != used[-1]


def test_an_error_that_nobody_foresaw_stays_with_its_entity(world: World) -> None:
    slugs = _ten(world)

    def progress(step: Progress) -> None:
        if step.phase == "writing" and step.entity == "erp/entity_2":
            raise KeyError("a slip in the program")

    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    outcomes = list(sync_entities(world.database, world.settings, requests, workers=3, progress=progress))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert [outcome.entity for outcome in failed] == ["erp/entity_2"]
    assert failed[0].error == "erp/entity_2: an unexpected KeyError ended the sync; its traceback is in the log"
    assert world.query("SELECT status, count(*) FROM sync_runs GROUP BY 1 ORDER BY 1") == [
        ("failed", 1),
        ("success", 9),
    ]


def test_a_second_sync_of_an_entity_is_refused_by_name(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(50)])
    world.discover()
    began, refused = threading.Event(), threading.Event()

    def progress(step: Progress) -> None:
        if step.phase == "reading":
            began.set()
            refused.wait(30)

    request = SyncRequest(world.connector, "items")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sync_entity, world.database, world.settings, request, progress=progress)
        assert began.wait(30)
        second = world.sync("items")
        refused.set()
        assert first.result().counts == Counts(fetched=50, inserted=50)
    assert (second.status, second.error_type, second.run_uid) == ("failed", "EntityBusy", None)
    assert "erp/items is being synced since" in str(second.error)
    assert world.query("SELECT status, records_inserted FROM sync_runs") == [("success", 50)]


def test_a_second_sync_that_waits_finds_nothing_left_to_do(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(50)])
    world.discover()
    began, waits = threading.Event(), threading.Event()

    def first_progress(step: Progress) -> None:
        if step.phase == "reading":
            began.set()
            waits.wait(30)

    def second_progress(step: Progress) -> None:
        if step.phase == "waiting":
            waits.set()

    request = SyncRequest(world.connector, "items", wait_s=30)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sync_entity, world.database, world.settings, request, progress=first_progress)
        assert began.wait(30)
        second = pool.submit(sync_entity, world.database, world.settings, request, progress=second_progress)
        assert first.result().counts == Counts(fetched=50, inserted=50)
        assert second.result().counts == Counts(fetched=50, unchanged=50)


def test_a_cancelled_sync_keeps_nothing_and_its_record_says_so(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(2500)])
    world.discover()
    stop = threading.Event()

    def progress(step: Progress) -> None:
        if step.phase == "reading" and step.rows >= 1000:
            stop.set()

    request = SyncRequest(world.connector, "items")
    outcome = sync_entity(world.database, world.settings, request, cancelled=stop.is_set, progress=progress)
    assert (outcome.status, outcome.error_type) == ("failed", "SyncCancelled")
    assert world.live("items") == {}
    assert world.query("SELECT status, error_details->>'type' FROM sync_runs") == [("failed", "SyncCancelled")]
    assert world.entity("items").consecutive_failures == 0
    assert world.sync("items").counts.inserted == 2500


def test_leaving_the_outcomes_early_cancels_the_rest(world: World) -> None:
    slugs = _ten(world)
    world.store.break_entity("entity_9", SLOW)
    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    outcomes = sync_entities(world.database, world.settings, requests, workers=1)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert world.query("SELECT count(*) FROM sync_runs WHERE status = 'running'") == [(0,)]
    assert world.query("SELECT count(*) < 10 FROM sync_runs WHERE status = 'success'") == [(True,)]


def test_the_source_never_sees_more_connections_than_the_connector_says(world: World) -> None:
    slugs = _ten(world)
    requests = [SyncRequest(world.connector, slug) for slug in slugs]
    seen: list[int] = []

    def progress(step: Progress) -> None:
        seen.append(_open_connections(world))

    list(sync_entities(world.database, world.settings, requests, workers=10, progress=progress))
    assert max(seen) <= world.connector.concurrency


def _open_connections(world: World) -> int:
    """Established connections to the source's port, as this process holds them."""
    port = int(world.connector.base_url.rpartition(":")[2])
    connections = psutil.Process().net_connections("tcp")
    return sum(1 for c in connections if c.raddr[1:] == (port,) and c.status == psutil.CONN_ESTABLISHED)
