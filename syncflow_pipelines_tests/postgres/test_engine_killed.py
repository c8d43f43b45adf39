"""A sync whose process is killed (-9) leaves the state of before or the state of after, never one between."""

from typing import Any

import pytest

from syncflow_pipelines.sync.runs import close_dead_runs, list_runs
from syncflow_pipelines_tests.postgres.event_world import published
from syncflow_pipelines_tests.postgres.killed_sync import run_child
from syncflow_pipelines_tests.postgres.world import World, row

POINTS = 10


def _change(world: World, round_: int) -> None:
    with world.store.change() as change:
        change.update("items", [{"site": "A", "number": n, "label": f"round {round_}"} for n in range(0, 1500, 3)])
        change.insert("items", [row(10_000 + 100 * round_ + n) for n in range(40)])
        change.delete("items", [("A", 1 + 3 * round_)])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rowversion", "hash"])
def test_killed_at_ten_points_of_a_sync_nothing_is_torn_and_the_next_sync_mends_all(
    world: World, strategy: str
) -> None:
    world.offer("items", strategy)
    world.store.insert("items", [row(n) for n in range(1500)])
    world.discover()
    for round_ in range(2):  # so that there are deleted rows: a sync that finds none saves a statement
        assert world.sync("items").status == "success"
        _change(world, round_)
    whole = run_child(world, None)
    assert whole is not None
    assert whole["status"] == "success"
    last, kept = whole["exchanges"], []
    for point in range(POINTS):
        _change(world, point + 2)
        rows_before, entity_before = world.live("items"), world.entity("items")
        kill_at = 1 + round((last - 2) * point / (POINTS - 1))  # the last one is the answer to COMMIT
        run_child(world, kill_at, "after" if point % 2 else "before")
        _check_untorn(world, rows_before, entity_before.last_rowversion)
        kept.append(world.live("items") != rows_before)
        _check_history(world, is_new_state=kept[-1])
        assert world.sync("items", wait_s=10).status == "success"
        assert world.live("items") == world.expected("items")
    assert kept == [False] * (POINTS - 1) + [True]
    assert {run.status for run in _runs(world)} == {"success", "failed"}
    told = [(event.data["run"], event.data["status"]) for event in published(world.database, "sync_finished")]
    assert told == [(str(run.uid), run.status) for run in _runs(world)][::-1]


def _check_untorn(world: World, rows_before: Any, cursor_before: str | None) -> None:
    rows_now = world.live("items")
    assert rows_now in (rows_before, world.expected("items"))
    if world.entity("items").spec.strategy == "rowversion":
        assert (world.entity("items").last_rowversion == cursor_before) == (rows_now == rows_before)


def _check_history(world: World, *, is_new_state: bool) -> None:
    """Once its process is gone, no run says that it is running; it succeeded just where its rows are there."""
    with world.database.dedicated("test") as connection:
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'syncflow sync'").fetchone():
            connection.execute("SELECT pg_sleep(0.02)")
        close_dead_runs(connection)
    newest = _runs(world)[0]
    assert newest.status == ("success" if is_new_state else newest.status)
    assert newest.status in ("success", "failed")
    if newest.status == "failed":
        assert not is_new_state
        assert "process ended" in str(newest.error_message)


def _runs(world: World) -> Any:
    with world.database.connection() as connection:
        return list_runs(connection, entity="erp/items", limit=100)
