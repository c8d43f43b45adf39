"""Fixtures for everybody: a PostgreSQL server for the whole run, and a fresh database a test.

The server is SyncFlow's embedded one, in a home of its own that all workers share. A template database is
migrated once; each test works on a clone of it.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database, stop_embedded
from syncflow_pipelines.database import database_url as leased_url
from syncflow_pipelines.errors import DatabaseError

SHARED_HOME = pytest.StashKey[Path]()
TEMPLATE = "syncflow_template"
HOMES = "syncflow-tests-"

# What one run finds, every run finds. At random: pytest --hypothesis-profile=default
hypothesis.settings.register_profile("steady", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    _listen_to_signals()
    given = getattr(config, "workerinput", {}).get("syncflow_home")
    # not below pytest's own temporary folder: pytest closes that to other users each time it starts, and as
    # root the server runs as another user
    config.stash[SHARED_HOME] = Path(given or Path(tempfile.gettempdir(), f"{HOMES}{uuid4().hex[:12]}"))


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        _remove_homes_of_killed_runs()


def _listen_to_signals() -> None:
    """What a shell runs in the background ignores Ctrl-C, and so would every program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for other in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(other) is signal.SIG_IGN:
            signal.signal(other, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["syncflow_home"] = str(node.config.stash[SHARED_HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        home = config.stash[SHARED_HOME]
        stop_embedded(_settings(home), force=True)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> str:
    """URL of a database of the shared server to do administration from; the server is left running."""
    return _prepared(leased_url(_settings(pytestconfig.stash[SHARED_HOME])))


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """URL of a database of the test's own, with the metadata tables, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    _administer(server_url, "CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
    yield _with_database(server_url, name)
    _administer(server_url, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings that name the test's own database and empty folders."""
    return Settings(config_dir=tmp_path / "config", home=tmp_path / "home", database_url=database_url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's own database, open."""
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def embedded_home() -> Iterator[Path]:
    """A home for an embedded server of the test's own, not made yet; stopped and removed afterwards.

    So is every other home beside it. All users can pass through the folder that it lies in.
    """
    parent = Path(tempfile.mkdtemp(prefix="syncflow-home-"))
    parent.chmod(0o755)
    home = parent / "home"
    yield home
    for used in parent.glob("*/postgres"):
        stop_embedded(_settings(used.parent), force=True)
    shutil.rmtree(parent, ignore_errors=True)


def _remove_homes_of_killed_runs() -> None:
    an_hour_ago = time.time() - 3600
    for home in Path(tempfile.gettempdir()).glob(f"{HOMES}*"):
        status = home.stat()
        if status.st_uid == os.geteuid() and status.st_mtime < an_hour_ago:
            with suppress(DatabaseError):  # it is in use: a long run
                stop_embedded(_settings(home))
                shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, url: str | None = None) -> Settings:
    return Settings(config_dir=home / "config", home=home, database_url=url)


def _prepared(url: str) -> str:
    """The server's URL, once it has the template; whoever comes first makes it."""
    with _administration(url) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            _make_template(connection, url)
    return url


def _make_template(connection: psycopg.Connection, url: str) -> None:
    unfinished = f"{TEMPLATE}_unfinished"
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(unfinished)))
    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    open_database(_settings(Path("/nonexistent"), _with_database(url, unfinished))).close()
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(TEMPLATE))
    )


def _with_database(url: str, name: str) -> str:
    return url.replace("@/syncflow?", f"@/{name}?")


def _administer(url: str, statement: str, *names: str) -> None:
    with _administration(url) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def _administration(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
