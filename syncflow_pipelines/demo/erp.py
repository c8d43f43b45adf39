"""The demo ERP in a home folder: building it once, its token, its rows."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from syncflow_pipelines.demo.changes import SourceChange
from syncflow_pipelines.demo.erp_rows import ERP, ErpEntity, Row
from syncflow_pipelines.demo.reading import LiveRow
from syncflow_pipelines.demo.sqlite_file import connect, create_tables, transaction
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines.demo.tokens import ensure_token
from syncflow_pipelines.demo.versions import TIED_STYLES, VersionStyle, format_version
from syncflow_pipelines.errors import ConfigurationError

ROWS = 200_000
SEED = 20251208
_FIRST_MOMENT = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp())
_FIRST_HEX = 2000
_SECONDS_BETWEEN_TRANSACTIONS = 60
_LARGEST_TRANSACTION = 2500
"""Rows; more than a page holds, so that the rows of one version fill several pages."""
_STRIDE = 7919
_VERSION_INDEX = "CREATE INDEX rows_by_version ON rows (entity, version_order, key_order)"


def erp_path(home: Path) -> Path:
    """The SQLite file of the demo ERP."""
    return home / "demo" / "erp.sqlite"


def token_path(home: Path) -> Path:
    """The file that holds the demo ERP's bearer token, readable by its owner only."""
    return home / "demo" / "erp.token"


def ensure_erp(home: Path, rows: int = ROWS, seed: int = SEED) -> Path:
    """The demo ERP's file, built with about so many rows if there is none; one that is there stays as it is.

    Equal `rows` and `seed` give equal rows. Processes that call this at once wait for the first.
    """
    path = erp_path(home)
    with _only_builder(home):
        if not path.exists():
            draft = path.with_name(f"{path.name}.draft")
            _remove_leftovers(path, draft)
            _build(draft, rows, seed)
            draft.replace(path)
    return path


def erp_token(home: Path) -> str:
    """The bearer token of the demo ERP; a random one is made where there is none."""
    return ensure_token(token_path(home))


def open_erp(home: Path) -> SourceStore:
    """The rows of the demo ERP. Raises `ConfigurationError` where it was never built."""
    path = erp_path(home)
    if not path.exists():
        raise ConfigurationError(f"there is no demo source at {path}: start it once with `syncflow demo source`")
    return SourceStore(path)


def expected_rows(home: Path, slug: str) -> Iterator[LiveRow]:
    """The rows that the demo ERP holds now, in key order: `(key, data, row_version)` each."""
    with open_erp(home) as store:
        yield from store.live_rows(slug)


def row_counts(rows: int) -> dict[str, int]:
    """How many rows each entity gets of so many in all; each gets one at least."""
    counts = {entity.spec.slug: max(1, round(rows * entity.share)) for entity in ERP}
    counts["order_lines"] = max(1, rows - sum(counts.values()) + counts["order_lines"])
    return counts


@contextmanager
def _only_builder(home: Path) -> Iterator[None]:
    folder = erp_path(home).parent
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "build.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_leftovers(path: Path, draft: Path) -> None:
    """Of a builder that was killed, and of a file that was removed: SQLite would take its journal for the new one's."""
    for file in (draft, path):
        for suffix in ("", "-journal", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


def _build(path: Path, rows: int, seed: int) -> None:
    """Fill a file that nobody else sees yet: without a journal, and with the second index last."""
    create_tables(path)
    counts = row_counts(rows)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        with transaction(connection):
            connection.execute("DROP INDEX rows_by_version")
            _note(connection, "erp.seed", seed)
            for entity in ERP:
                _fill(connection, entity, counts[entity.spec.slug], seed)
            connection.execute(_VERSION_INDEX)
        connection.execute("PRAGMA journal_mode = WAL")


def _fill(connection: sqlite3.Connection, entity: ErpEntity, count: int, seed: int) -> None:
    spec = entity.spec
    connection.execute(
        "INSERT INTO entities (slug, spec, clock) VALUES (?, ?, ?)",
        (spec.slug, msgspec.json.encode(spec), _first_clock(spec.versions)),
    )
    _note(connection, f"erp.next.{spec.slug}", count)
    change, made = SourceChange(connection), _rows(entity, count, seed)
    size = max(1, min(_LARGEST_TRANSACTION, count // 8))
    for number in range(-(-count // size)):
        change.insert(spec.slug, islice(made, size), _stamp(spec.versions, number))
    change.finish()


def _rows(entity: ErpEntity, count: int, seed: int) -> Iterator[Row]:
    """Its first rows, shuffled, so that the order of versions is not the order of keys."""
    rng = Random(f"{seed}/{entity.spec.slug}")
    stride = _STRIDE if count % _STRIDE else 1
    return (entity.row(rng, step * stride % count) for step in range(count))


def _first_clock(style: VersionStyle | None) -> int:
    if style in TIED_STYLES:
        return _FIRST_MOMENT
    return _FIRST_HEX if style == "hex" else 0


def _stamp(style: VersionStyle | None, transaction_number: int) -> str | None:
    """One version for all rows of an early transaction; None where every row gets its own."""
    if style not in TIED_STYLES:
        return None
    return format_version(style, _FIRST_MOMENT + _SECONDS_BETWEEN_TRANSACTIONS * (transaction_number + 1))


def _note(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, str(value)))
