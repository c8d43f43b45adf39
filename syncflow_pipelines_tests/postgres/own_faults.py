"""A world of one entity, and what a fault of our own side leaves of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from syncflow_pipelines.sync.engine import Progress, SyncRequest, sync_entity
from syncflow_pipelines.sync.model import SyncOutcome
from syncflow_pipelines_tests.postgres.world import TOKEN, World, row

LABEL = "a value that no error may show"
AT_WORK = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'syncflow sync' AND wait_event_type = 'Lock'
"""


def make_items(world: World, strategy: str = "hash", rows: int = 40) -> None:
    """Offers, discovers and syncs `items`; then the source changes half of its rows and gets as many new ones."""
    world.offer("items", strategy)
    world.store.insert("items", [row(n, LABEL) for n in range(rows)])
    world.discover()
    assert world.sync("items").status == "success"
    with world.store.change() as change:
        change.insert("items", [row(rows + n, LABEL) for n in range(rows)])
        change.update("items", [{"site": "A", "number": n, "label": f"{LABEL}, twice"} for n in range(0, rows, 2)])


def sync_with(world: World, fault: Callable[[], object], phase: str = "reading") -> SyncOutcome:
    """A sync of `items` to which the fault happens once, at the first news from that phase."""
    pending = [fault]

    def report(progress: Progress) -> None:
        if progress.phase == phase and pending:
            pending.pop()()

    outcome = sync_entity(world.database, world.settings, SyncRequest(world.connector, "items"), progress=report)
    assert not pending, "the phase never came"
    return outcome


def check_failed_cleanly(world: World, outcome: SyncOutcome, before: Any, *words: str) -> None:
    """One sentence without secrets; rows and cursor as before; the record closed, and as clean."""
    error = str(outcome.error)
    assert outcome.status == "failed", outcome
    assert all(word in error for word in words), error
    assert "\n" not in error
    assert LABEL not in error
    assert TOKEN not in error
    assert "psycopg" not in error
    assert state_of(world) == before
    status, recorded = newest_run(world)
    assert status == "failed"
    assert "\n" not in recorded
    assert not any(secret in recorded for secret in (LABEL, TOKEN, "psycopg"))


def check_next_sync_is_right(world: World) -> None:
    outcome = world.sync("items", wait_s=30)
    assert outcome.status == "success", outcome.error
    assert world.live("items") == world.expected("items")
    assert world.query("SELECT count(*) FROM sync_runs WHERE status = 'running'") == [(0,)]


def state_of(world: World) -> Any:
    """The rows and the cursor."""
    return world.live("items"), world.entity("items").last_rowversion


def newest_run(world: World) -> tuple[Any, ...]:
    (found,) = world.query("SELECT status, error_message FROM sync_runs ORDER BY started_at DESC LIMIT 1")
    return found


@contextmanager
def held(world: World) -> Iterator[None]:
    """Somebody else has the table of `items` for the block."""
    with world.database.dedicated("somebody") as other, other.transaction():
        other.execute("LOCK TABLE erp.items IN ACCESS EXCLUSIVE MODE")
        yield


def eventually(holds: Callable[[], object], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
