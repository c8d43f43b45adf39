"""Reading a demo source's file: the entities and the true rows."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from syncflow_pipelines.demo.entity import SourceEntity
from syncflow_pipelines.demo.exact_json import read_json
from syncflow_pipelines.demo.keys import key_order
from syncflow_pipelines.errors import UnknownEntity

_ENTITY = "SELECT id, spec, clock, generation FROM entities WHERE slug = ?"
_LIVE = "SELECT json FROM rows WHERE entity = ? AND deleted = 0 ORDER BY key_order"
_LIVE_COUNT = "SELECT count(*) FROM rows WHERE entity = ? AND deleted = 0"
_ONE_LIVE = "SELECT json FROM rows WHERE entity = ? AND key_order = ? AND deleted = 0"
_LAST_VERSION = "SELECT version FROM rows WHERE entity = ? ORDER BY version_order DESC LIMIT 1"


class LiveRow(NamedTuple):
    """A row that the source holds. Numbers with a point are `Decimal`; the rest is as JSON has it."""

    key: tuple[Any, ...]
    data: dict[str, Any]
    row_version: str | None


@dataclass(frozen=True, slots=True)
class KeptEntity:
    """An entity as the file keeps it."""

    id: int
    spec: SourceEntity
    clock: int
    """The number of the greatest row version ever given."""
    generation: int
    """Grows with every transaction that touches the entity."""


def find_entity(connection: sqlite3.Connection, slug: str) -> KeptEntity:
    """The entity of that slug. Raises `UnknownEntity`."""
    found = connection.execute(_ENTITY, (slug,)).fetchone()
    if found is None:
        raise UnknownEntity(f"the demo source has no entity {slug!r}")
    return KeptEntity(found[0], msgspec.json.decode(found[1], type=SourceEntity), found[2], found[3])


def read_entities(connection: sqlite3.Connection) -> tuple[SourceEntity, ...]:
    """Every entity on offer, in the order they were created."""
    specs = connection.execute("SELECT spec FROM entities ORDER BY id")
    return tuple(msgspec.json.decode(spec, type=SourceEntity) for (spec,) in specs)


def read_live_rows(connection: sqlite3.Connection, slug: str) -> Iterator[LiveRow]:
    """The rows that are not deleted, in key order."""
    entity = find_entity(connection, slug)
    for (json,) in connection.execute(_LIVE, (entity.id,)):
        yield _live_row(entity.spec, json)


def read_live_count(connection: sqlite3.Connection, slug: str) -> int:
    """How many rows are not deleted."""
    count: int = connection.execute(_LIVE_COUNT, (find_entity(connection, slug).id,)).fetchone()[0]
    return count


def read_live_row(connection: sqlite3.Connection, slug: str, key: Sequence[Any]) -> LiveRow:
    """The live row of that key. Raises `ValueError` where there is none."""
    entity = find_entity(connection, slug)
    found = connection.execute(_ONE_LIVE, (entity.id, key_order(key))).fetchone()
    if found is None:
        raise ValueError(f"{slug} has no live row with the key {tuple(key)!r}")
    return _live_row(entity.spec, found[0])


def read_last_version(connection: sqlite3.Connection, slug: str) -> str | None:
    """The greatest row version of the entity, tombstones included."""
    found = connection.execute(_LAST_VERSION, (find_entity(connection, slug).id,)).fetchone()
    return found[0] if found else None


def read_note(connection: sqlite3.Connection, name: str) -> str | None:
    """A word kept beside the rows, or None."""
    found = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    return found[0] if found else None


def _live_row(spec: SourceEntity, json: bytes) -> LiveRow:
    row = read_json(json)
    return LiveRow(tuple(row["data"][name] for name in spec.business_keys), row["data"], row["row_version"])
