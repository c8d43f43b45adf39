"""SIGINT and SIGTERM in each phase of `syncflow sync`: its record is closed, nothing kept, the code the signal's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.postgres.embedded_world import CHECKOUT
from syncflow_pipelines_tests.postgres.own_faults import (
    AT_WORK,
    check_next_sync_is_right,
    eventually,
    held,
    make_items,
    state_of,
)
from syncflow_pipelines_tests.postgres.world import World

RUNNING = "SELECT 1 FROM sync_runs WHERE status = 'running'"
SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


@contextmanager
def hanging_page(world: World) -> Iterator[Callable[[], object]]:
    world.store.break_entity("items", Fault(status=None, delay_s=20))
    yield lambda: world.query(RUNNING)
    world.store.heal_entity("items")


@contextmanager
def backing_off(world: World) -> Iterator[Callable[[], object]]:
    world.store.break_entity("items", Fault(status=503, retry_after="30"))
    yield lambda: world.query(RUNNING)
    world.store.heal_entity("items")


@contextmanager
def waiting_for_a_lock(world: World) -> Iterator[Callable[[], object]]:
    with held(world):
        yield lambda: world.query(AT_WORK)


@contextmanager
def long_statement(world: World) -> Iterator[Callable[[], object]]:
    """Every row that is inserted or updated takes a second."""
    with world.database.dedicated("somebody") as other:
        other.execute(
            "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_sleep(1); RETURN new; END'"
        )
        other.execute(
            "CREATE TRIGGER dawdle BEFORE INSERT OR UPDATE ON erp.items FOR EACH ROW EXECUTE FUNCTION public.dawdle()"
        )
        yield lambda: world.query(SLEEPING)
        other.execute("DROP FUNCTION public.dawdle() CASCADE")


PHASES = (hanging_page, backing_off, waiting_for_a_lock, long_statement)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_ends_a_sync_whatever_it_is_at(
    phase: Callable[[World], AbstractContextManager[Callable[[], object]]],
    number: signal.Signals,
    world: World,
    tmp_path: Path,
) -> None:
    make_items(world)
    before = state_of(world)
    with phase(world) as is_reached:
        code, said, took_s = interrupted(world, tmp_path, number, is_reached)
        # Still in the phase: it was the sync that gave way, and the record that tells of it is there already.
        how = world.query("SELECT status, error_details->>'type' FROM sync_runs ORDER BY started_at DESC LIMIT 1")
    assert code == 128 + number, said
    assert how == [("failed", "SyncCancelled")], said
    assert "Traceback" not in said
    assert took_s < LIMIT_S
    assert state_of(world) == before
    check_next_sync_is_right(world)


LIMIT_S = 15.0
"""Of five seconds, on a machine that has other things to do."""


def interrupted(
    world: World, folder: Path, number: signal.Signals, is_reached: Callable[[], object]
) -> tuple[int, str, float]:
    """Exit code and stderr of a sync that got the signal as soon as it was there, and how long it took."""
    with syncing(world, folder) as process:
        eventually(lambda: is_reached() or process.poll() is not None)
        started = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        return process.returncode, said, time.monotonic() - started


@contextmanager
def syncing(world: World, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`syncflow sync erp/items` as a process of its own."""
    config = folder / "settings"
    config.mkdir()
    auth = f"{{type: bearer, token_file: '{world.connector.auth.token_file}'}}"  # type: ignore[union-attr]
    (config / "connectors.yaml").write_text(
        f"connectors: [{{name: erp, base_url: '{world.connector.base_url}', auth: {auth}}}]"
    )
    environment = {
        **os.environ, "PYTHONPATH": str(CHECKOUT), "SYNCFLOW_DATABASE_URL": world.database.url,
        "SYNCFLOW_CONFIG_DIR": str(config), "SYNCFLOW_HOME": str(folder / "state"),
    }  # fmt: skip
    command = [sys.executable, "-m", "syncflow_pipelines.cli", "sync", "erp/items"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
