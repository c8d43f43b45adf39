"""The SQLite file of a demo source: opening it, and connections to read it from many threads."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from threading import Lock

from syncflow_pipelines.errors import ConfigurationError

_FORMAT = 1
_BUSY_TIMEOUT_S = 60.0


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA mmap_size = 1073741824")  # pages of rows lie all over the file
    return connection


def create_tables(path: Path) -> None:
    """Make the file, or leave one that is already made as it is. Raises `ConfigurationError` for another format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(connect(path)) as connection:
        if _format(connection) == 0:
            _make_tables(connection, path.parent)
        found = _format(connection)
    if found != _FORMAT:
        raise ConfigurationError(
            f"{path} has format {found} and this program reads format {_FORMAT}: "
            "move the file away and a new source is built"
        )


@contextmanager
def transaction(connection: sqlite3.Connection, mode: str = "write") -> Iterator[None]:
    """One transaction; a `read` sees one state of the file for as long as it lasts."""
    connection.execute("BEGIN IMMEDIATE" if mode == "write" else "BEGIN DEFERRED")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class Readers:
    """Connections for threads to borrow; as many are made as are in use at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection within one read transaction."""
        connection = self._take()
        try:
            with transaction(connection, "read"):
                yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections now and the borrowed ones as they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return connect(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _format(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def _make_tables(connection: sqlite3.Connection, folder: Path) -> None:
    """One process at a time: SQLite does not wait for others when it changes the journal mode."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _format(connection) == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            with transaction(connection):
                _run_script(connection)
    finally:
        os.close(descriptor)


def _run_script(connection: sqlite3.Connection) -> None:
    """Statement by statement: `executescript` would commit the transaction around it."""
    script = files("syncflow_pipelines.demo").joinpath("store.sql").read_text("utf-8")
    for statement in script.split(";\n"):
        connection.execute(statement)
