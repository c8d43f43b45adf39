"""The PostgreSQL of a benchmark: SyncFlow's embedded one, as it is shipped, in a folder of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import database_url, stop_embedded

_SHOWN = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "wal_level")
_CREATE = sql.SQL("CREATE DATABASE {name}")
_CLONE = sql.SQL("CREATE DATABASE {name} TEMPLATE {template}")
_DROP = sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Postgres:
    """A server, and databases on it that come and go."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, database: str) -> str:
        return self._url.replace("@/syncflow?", f"@/{database}?")

    def create(self, database: str, template: str | None = None) -> str:
        """A fresh database, or a copy of another; its URL."""
        self.drop(database)
        statement = _CLONE if template else _CREATE
        names = {"name": sql.Identifier(database), "template": sql.Identifier(template or "")}
        self._run("postgres", statement.format(**names) if template else statement.format(name=names["name"]))
        return self.url(database)

    def drop(self, database: str) -> None:
        self._run("postgres", _DROP.format(name=sql.Identifier(database)))

    def settle(self) -> None:
        """Writes out what earlier runs have left in memory, so that no later one pays for it."""
        self._run("postgres", "CHECKPOINT")

    def tidy(self, database: str) -> None:
        """Does what PostgreSQL itself would do some time after a sync."""
        self._run(database, "VACUUM (ANALYZE)")

    def settings(self) -> dict[str, str]:
        """What decides about speed and durability."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            return {name: _shown(connection, name) for name in _SHOWN}

    def _run(self, database: str, statement: LiteralString | sql.Composed) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)


def _shown(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row
    return str(row[0])


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is gone when the block has ended; all users can pass through it, as PostgreSQL has to."""
    folder = Path(tempfile.mkdtemp(prefix="syncflow-benchmark-", dir=parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_postgres(home: Path) -> Iterator[Postgres]:
    """A server whose data are in `home`; it has ended when the block has."""
    settings = Settings(home / "config", home)
    try:
        yield Postgres(database_url(settings))
    finally:
        stop_embedded(settings, force=True)
