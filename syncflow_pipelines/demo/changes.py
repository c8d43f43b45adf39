"""Changing the rows of a demo source, within one transaction of its file."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from random import Random
from typing import Any

import msgspec

from syncflow_pipelines.demo.entity import SourceEntity
from syncflow_pipelines.demo.exact_json import read_json, write_json
from syncflow_pipelines.demo.keys import key_order
from syncflow_pipelines.demo.reading import (
    LiveRow,
    find_entity,
    read_last_version,
    read_live_count,
    read_live_row,
    read_live_rows,
    read_note,
)
from syncflow_pipelines.demo.versions import TIED_STYLES, VersionStyle, format_version, version_number, version_order

_PUT = """
INSERT INTO rows (entity, key_order, version_order, version, deleted, json) VALUES (?, ?, ?, ?, 0, ?)
ON CONFLICT (entity, key_order) DO UPDATE
SET version_order = excluded.version_order, version = excluded.version, deleted = 0, json = excluded.json
"""
_INSERT = _PUT + "WHERE rows.deleted = 1"
_BURY = """
UPDATE rows SET version_order = ?, version = ?, deleted = 1, json = ?
WHERE entity = ? AND key_order = ? AND deleted = 0
"""
_REMOVE = "DELETE FROM rows WHERE entity = ? AND key_order = ? AND deleted = 0"
_TOUCH = "UPDATE entities SET clock = ?, generation = generation + 1 WHERE id = ?"
_LIVE_IDS = "SELECT id FROM rows WHERE entity = ? AND deleted = 0 ORDER BY key_order"
_FIND_LIVE = "SELECT json FROM rows WHERE entity = ? AND key_order = ? AND deleted = 0"

Row = Mapping[str, Any]


class _StoredRow(msgspec.Struct):
    data: dict[str, msgspec.Raw]


@dataclass(slots=True)
class _Open:
    """An entity that this transaction writes to."""

    id: int
    spec: SourceEntity
    clock: int
    key_names: tuple[str, ...]
    """Of the business key's columns, as the source names them."""
    stamp: str | None = None
    """What this transaction stamps rows with, where it stamps them alike."""


class SourceChange:
    """Changes of a source's rows. They are seen by others all at once, when the transaction ends.

    A row is a mapping by alias. `row_version` stamps the rows of one call with a version of the
    caller's choice, one from the past included (a row that was committed late).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._open: dict[str, _Open] = {}

    def insert(self, slug: str, rows: Iterable[Row], row_version: str | None = None) -> str | None:
        """Add rows, whole; one that left a tombstone comes back to life. The last row version.

        Raises `ValueError` where a live row has the key already.
        """
        entity = self._entity(slug)
        return self._put(_INSERT, entity, rows, row_version)

    def put(self, slug: str, rows: Iterable[Row], row_version: str | None = None) -> str | None:
        """Add rows, or replace whole those that have the key already. The last row version."""
        entity = self._entity(slug)
        return self._put(_PUT, entity, rows, row_version)

    def update(self, slug: str, changes: Iterable[Row], row_version: str | None = None) -> str | None:
        """Change some columns of live rows; each change holds its row's key. The last row version.

        Raises `ValueError` where no live row has the key.
        """
        entity = self._entity(slug)
        return self._put(_PUT, entity, (self._changed(entity, change) for change in changes), row_version)

    def delete(
        self,
        slug: str,
        keys: Iterable[Sequence[Any]],
        row_version: str | None = None,
        leave_tombstone: bool | None = None,
    ) -> str | None:
        """Delete live rows by key, leaving tombstones where the entity does (or as said). The last row version.

        Raises `ValueError` where no live row has the key.
        """
        entity = self._entity(slug)
        buries = entity.spec.leaves_tombstones if leave_tombstone is None else leave_tombstone
        version = None
        for key, version in zip(keys, self._versions(entity, row_version), strict=False):
            if buries:
                found = self._connection.execute(_BURY, _tombstone(entity, key, version))
            else:
                found = self._connection.execute(_REMOVE, (entity.id, key_order(key)))
            if found.rowcount != 1:
                raise ValueError(f"{slug} has no live row with the key {tuple(key)!r}")
        return version

    def live_count(self, slug: str) -> int:
        """How many rows are not deleted, this transaction's own changes included."""
        return read_live_count(self._connection, slug)

    def live_keys(self, slug: str) -> list[tuple[Any, ...]]:
        """The keys of the live rows, in order, this transaction's own changes included."""
        return [row.key for row in read_live_rows(self._connection, slug)]

    def sample_keys(self, slug: str, count: int, rng: Random) -> list[tuple[Any, ...]]:
        """The keys of so many live rows, or of all that there are, in no order."""
        ids = [number for (number,) in self._connection.execute(_LIVE_IDS, (self._entity(slug).id,))]
        return [self._key_of(slug, number) for number in rng.sample(ids, min(len(ids), count))]

    def live_row(self, slug: str, key: Sequence[Any]) -> LiveRow:
        """The live row of that key, as this transaction left it. Raises `ValueError` where there is none."""
        return read_live_row(self._connection, slug, key)

    def last_version(self, slug: str) -> str | None:
        """The entity's greatest row version, this transaction's own included."""
        return read_last_version(self._connection, slug)

    def note(self, name: str) -> str | None:
        """A word kept beside the rows, or None."""
        return read_note(self._connection, name)

    def set_note(self, name: str, value: str) -> None:
        """Keep a word beside the rows."""
        self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def finish(self) -> None:
        """Write down how far the row versions got; to be called before the transaction ends."""
        for entity in self._open.values():
            self._connection.execute(_TOUCH, (entity.clock, entity.id))
        self._open.clear()

    def _entity(self, slug: str) -> _Open:
        if slug not in self._open:
            kept = find_entity(self._connection, slug)
            key_names = tuple(column.name for column in kept.spec.key_columns)
            self._open[slug] = _Open(kept.id, kept.spec, kept.clock, key_names)
        return self._open[slug]

    def _key_of(self, slug: str, number: int) -> tuple[Any, ...]:
        (json,) = self._connection.execute("SELECT json FROM rows WHERE id = ?", (number,)).fetchone()
        data = read_json(json)["data"]
        return tuple(data[name] for name in self._entity(slug).spec.business_keys)

    def _put(self, statement: str, entity: _Open, rows: Iterable[Row], row_version: str | None) -> str | None:
        versions = self._versions(entity, row_version)
        count, version = 0, None

        def encoded() -> Iterator[tuple[Any, ...]]:
            nonlocal count, version
            for row, version in zip(rows, versions, strict=False):
                count += 1
                yield _encode(entity, row, version)

        cursor = self._connection.executemany(statement, encoded())
        if count and cursor.rowcount != count:
            raise ValueError(f"{entity.spec.slug} has a live row with the key of one of the new rows already")
        return version

    def _changed(self, entity: _Open, change: Row) -> Row:
        key = tuple(change[name] for name in entity.spec.business_keys)
        found = self._connection.execute(_FIND_LIVE, (entity.id, key_order(key))).fetchone()
        if found is None:
            raise ValueError(f"{entity.spec.slug} has no live row with the key {key!r}")
        return {**msgspec.json.decode(found[0], type=_StoredRow).data, **change}

    def _versions(self, entity: _Open, chosen: str | None) -> Iterator[str | None]:
        """Row versions for the rows of one call, without end; only those taken count as given."""
        style = entity.spec.versions
        if chosen is not None:
            if style is None:
                raise ValueError(f"{entity.spec.slug} has no row versions, so no row can be stamped {chosen!r}")
            entity.clock = max(entity.clock, version_number(style, chosen))
            return repeat(chosen)
        if style is None:
            return repeat(None)
        return self._tied(entity, style) if style in TIED_STYLES else self._numbered(entity, style)

    def _tied(self, entity: _Open, style: VersionStyle) -> Iterator[str]:
        if entity.stamp is None:
            entity.clock += 1
            entity.stamp = format_version(style, entity.clock)
        return repeat(entity.stamp)

    def _numbered(self, entity: _Open, style: VersionStyle) -> Iterator[str]:
        while True:
            entity.clock += 1
            yield format_version(style, entity.clock)


def _encode(entity: _Open, row: Row, version: str | None) -> tuple[Any, ...]:
    spec = entity.spec
    data = row if spec.rowversion_column is None else {**row, spec.rowversion_column: version}
    keys = [row[name] for name in spec.business_keys]
    json = _envelope(entity, keys, version, data, False)
    return entity.id, key_order(keys), version_order(version or ""), version, json


def _tombstone(entity: _Open, key: Sequence[Any], version: str | None) -> tuple[Any, ...]:
    json = _envelope(entity, key, version, {}, True)
    return version_order(version or ""), version, json, entity.id, key_order(key)


def _envelope(entity: _Open, key: Sequence[Any], version: str | None, data: Row, deleted: bool) -> bytes:
    oracle_keys = dict(zip(entity.key_names, key, strict=True))
    return write_json({"oracle_keys": oracle_keys, "row_version": version, "data": data, "deleted": deleted})
