"""The server itself goes away or fills up in the middle of a sync, and comes back."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.database.embedded import release
from syncflow_pipelines.database.embedded.account import account_for
from syncflow_pipelines.database.embedded.lease import lease
from syncflow_pipelines.database.embedded.place import Place
from syncflow_pipelines.database.embedded.server import server_pid
from syncflow_pipelines.database.url import url_parts
from syncflow_pipelines_tests.postgres.embedded_world import is_running
from syncflow_pipelines_tests.postgres.own_faults import (
    check_failed_cleanly,
    check_next_sync_is_right,
    eventually,
    make_items,
    state_of,
    sync_with,
)
from syncflow_pipelines_tests.postgres.world import World, row


@pytest.fixture
def embedded_world(world: World, embedded_home: Path) -> Iterator[World]:
    """The world on a server of its own."""
    settings = Settings(config_dir=embedded_home, home=embedded_home)
    with open_database(settings) as database:
        yield replace(world, settings=settings, database=database)
    release(embedded_home)


@pytest.mark.slow
@pytest.mark.parametrize("shutdown", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
@pytest.mark.parametrize("phase", ["reading", "writing"])
def test_a_server_that_is_restarted(embedded_world: World, shutdown: signal.Signals, phase: str) -> None:
    home = embedded_world.settings.home
    make_items(embedded_world, "rowversion")
    before = state_of(embedded_world)

    def restart() -> None:
        os.kill(server_pid(Place.of(home)) or 0, shutdown)
        eventually(lambda: not is_running(home))
        lease(home)

    outcome = sync_with(embedded_world, restart, phase)
    check_failed_cleanly(embedded_world, outcome, before, "The connection to PostgreSQL", "was lost")
    check_next_sync_is_right(embedded_world)


def test_a_disk_that_is_full(world: World) -> None:
    make_items(world)
    before = state_of(world)
    with small_disk() as disk, tables_on(world, disk):
        with world.store.change() as change:
            change.insert("items", [row(n, f"{n} " * 5) for n in range(1000, 31_000)])
        outcome = world.sync("items")
    check_failed_cleanly(world, outcome, before, "No space left on device")
    check_next_sync_is_right(world)


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder of the server's account that holds two megabytes."""
    folder = Path(tempfile.mkdtemp(prefix="syncflow-disk-"))
    folder.chmod(0o755)
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs", folder], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def tables_on(world: World, disk: Path) -> Iterator[None]:
    """What is made in the database lies on that disk, and `items` does, for the block."""
    place = disk / "tables"
    place.mkdir(mode=0o700)
    account_for(disk, place).own(place)
    name = sql.Identifier(url_parts(world.database.url)["dbname"])
    space = sql.Identifier(disk.name)
    with world.database.dedicated("somebody") as other:
        other.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(space, sql.Literal(str(place))))
        try:
            for setting in ("default_tablespace", "temp_tablespaces"):
                other.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, sql.Identifier(setting), space))
            yield
        finally:
            for setting in ("default_tablespace", "temp_tablespaces"):
                other.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(name, sql.Identifier(setting)))
            other.execute(sql.SQL("DROP TABLESPACE {}").format(space))
