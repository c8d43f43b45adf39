"""The rows of a demo source, in one SQLite file that many processes may use at once."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from syncflow_pipelines.demo.changes import Row, SourceChange
from syncflow_pipelines.demo.entity import SourceEntity, catalogue_entry
from syncflow_pipelines.demo.exact_json import write_json
from syncflow_pipelines.demo.paging import PageReader
from syncflow_pipelines.demo.reading import (
    LiveRow,
    find_entity,
    read_entities,
    read_last_version,
    read_live_count,
    read_live_rows,
)
from syncflow_pipelines.demo.sqlite_file import Readers, connect, create_tables, transaction


@dataclass(frozen=True, slots=True)
class Fault:
    """What a source does instead of serving an entity's page."""

    status: int | None = 500
    """The status it answers; None serves the page, after the delay."""
    retry_after: str | None = None
    delay_s: float = 0.0


class SourceStore:
    """A source's entities and rows. Safe for many threads; every read sees one state of the file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises `ConfigurationError` for one of another format."""
        create_tables(path)
        self.path = path
        self._readers = Readers(path)
        self._pages = PageReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; may be called twice."""
        self._readers.close()

    def create_entity(self, spec: SourceEntity, clock: int = 0) -> None:
        """Offer an entity, without rows; row versions begin after `clock`. Raises `ValueError` if it is there."""
        _check(spec)
        with self._writing() as connection:
            try:
                connection.execute(
                    "INSERT INTO entities (slug, spec, clock) VALUES (?, ?, ?)",
                    (spec.slug, msgspec.json.encode(spec), clock),
                )
            except sqlite3.IntegrityError as error:
                raise ValueError(f"the demo source has an entity {spec.slug!r} already") from error

    def alter_entity(self, spec: SourceEntity) -> None:
        """Offer the entity of that slug with other columns or words; its rows stay as they are.

        Raises `ValueError` where row versions would be written otherwise: theirs could not be compared.
        """
        _check(spec)
        with self._writing() as connection:
            entity = find_entity(connection, spec.slug)
            if spec.versions != entity.spec.versions:
                raise ValueError(f"the row versions of {spec.slug!r} stay written as {entity.spec.versions!r}")
            connection.execute("UPDATE entities SET spec = ? WHERE id = ?", (msgspec.json.encode(spec), entity.id))

    def drop_entity(self, slug: str) -> None:
        """No longer offer an entity; its rows go with it, and what was put on it to break it."""
        with self._writing() as connection:
            connection.execute("DELETE FROM entities WHERE id = ?", (find_entity(connection, slug).id,))
            connection.execute("DELETE FROM faults WHERE slug = ?", (slug,))

    @contextmanager
    def change(self) -> Iterator[SourceChange]:
        """Several changes in one transaction: all of them are seen, or, after an error, none."""
        with self._writing() as connection:
            change = SourceChange(connection)
            yield change
            change.finish()

    def insert(self, slug: str, rows: Iterable[Row], row_version: str | None = None) -> str | None:
        """`SourceChange.insert` in a transaction of its own."""
        with self.change() as change:
            return change.insert(slug, rows, row_version)

    def put(self, slug: str, rows: Iterable[Row], row_version: str | None = None) -> str | None:
        """`SourceChange.put` in a transaction of its own."""
        with self.change() as change:
            return change.put(slug, rows, row_version)

    def update(self, slug: str, changes: Iterable[Row], row_version: str | None = None) -> str | None:
        """`SourceChange.update` in a transaction of its own."""
        with self.change() as change:
            return change.update(slug, changes, row_version)

    def delete(
        self,
        slug: str,
        keys: Iterable[Sequence[Any]],
        row_version: str | None = None,
        leave_tombstone: bool | None = None,
    ) -> str | None:
        """`SourceChange.delete` in a transaction of its own."""
        with self.change() as change:
            return change.delete(slug, keys, row_version, leave_tombstone)

    def entities(self) -> tuple[SourceEntity, ...]:
        """Every entity on offer, in the order they were created."""
        with self._readers.snapshot() as connection:
            return read_entities(connection)

    def catalogue(self) -> bytes:
        """The answer to `GET /api/v1/apis`."""
        return write_json([catalogue_entry(entity) for entity in self.entities()])

    def page(self, slug: str, page: int = 1, page_size: int = 1000, rowversion_gt: str | None = None) -> bytes:
        """The answer to `GET /api/v1/data/{slug}`. Raises `UnknownEntity`."""
        with self._readers.snapshot() as connection:
            return self._pages.read(connection, slug, page, page_size, rowversion_gt)

    def live_rows(self, slug: str) -> Iterator[LiveRow]:
        """The rows that are not deleted, in key order, all of one moment. Raises `UnknownEntity`."""
        with self._readers.snapshot() as connection:
            yield from read_live_rows(connection, slug)

    def live_count(self, slug: str) -> int:
        """How many rows are not deleted. Raises `UnknownEntity`."""
        with self._readers.snapshot() as connection:
            return read_live_count(connection, slug)

    def last_version(self, slug: str) -> str | None:
        """The greatest row version that any row of the entity has, tombstones included."""
        with self._readers.snapshot() as connection:
            return read_last_version(connection, slug)

    def break_entity(self, slug: str, fault: Fault = Fault(), times: int | None = None) -> None:
        """Answer the entity's next pages with `fault`: so many times, or until it is healed.

        The catalogue has the slug `""`.
        """
        values = (slug, fault.status, times, fault.retry_after, fault.delay_s)
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO faults VALUES (?, ?, ?, ?, ?)", values)

    def heal_entity(self, slug: str) -> None:
        """Serve the entity's pages again."""
        with self._writing() as connection:
            connection.execute("DELETE FROM faults WHERE slug = ?", (slug,))

    def next_fault(self, slug: str) -> Fault | None:
        """What is to be done instead of serving this request; counts it."""
        with self._readers.snapshot() as connection:
            if connection.execute("SELECT 1 FROM faults WHERE slug = ?", (slug,)).fetchone() is None:
                return None
        with self._writing() as connection:
            found = connection.execute(
                "SELECT status, retry_after, delay_s FROM faults WHERE slug = ? AND remaining IS NOT 0", (slug,)
            ).fetchone()
            connection.execute("UPDATE faults SET remaining = remaining - 1 WHERE slug = ? AND remaining > 0", (slug,))
        return Fault(*found) if found else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(connect(self.path)) as connection, transaction(connection):
            yield connection


def _check(spec: SourceEntity) -> None:
    missing = set(spec.business_keys) - {column.key for column in spec.columns}
    if missing or not spec.business_keys:
        raise ValueError(f"{spec.slug!r} needs business keys that are columns; not columns: {sorted(missing)}")
