"""Reading a demo source's file: what a request asks for, and the true rows."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from syncflow_pipelines.demo.entity import SourceEntity
from syncflow_pipelines.demo.exact_json import read_json
from syncflow_pipelines.demo.keys import key_order
from syncflow_pipelines.demo.versions import format_version, version_form, version_order
from syncflow_pipelines.errors import UnknownEntity

_COUNT = "SELECT count(*) FROM rows WHERE entity = ?"
_BY_KEY = "SELECT json FROM rows WHERE entity = ? ORDER BY key_order LIMIT ? OFFSET ?"
_BY_VERSION = "SELECT json FROM rows WHERE entity = ? ORDER BY version_order, key_order LIMIT ? OFFSET ?"
_COUNT_AFTER = "SELECT count(*) FROM rows WHERE entity = ? AND version_order > ?"
_AFTER = """
SELECT json FROM rows WHERE entity = ? AND version_order > ? ORDER BY version_order, key_order LIMIT ? OFFSET ?
"""
# For a cursor that is written otherwise than the entity's versions: those compare as strings.
_COUNT_AFTER_TEXT = "SELECT count(*) FROM rows WHERE entity = ? AND version > ?"
_AFTER_TEXT = """
SELECT json FROM rows WHERE entity = ? AND version > ? ORDER BY version_order, key_order LIMIT ? OFFSET ?
"""
_LIVE = "SELECT json FROM rows WHERE entity = ? AND deleted = 0 ORDER BY key_order"
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


def find_entity(connection: sqlite3.Connection, slug: str) -> KeptEntity:
    """The entity of that slug. Raises `UnknownEntity`."""
    found = connection.execute("SELECT id, spec, clock FROM entities WHERE slug = ?", (slug,)).fetchone()
    if found is None:
        raise UnknownEntity(f"the demo source has no entity {slug!r}")
    return KeptEntity(found[0], msgspec.json.decode(found[1], type=SourceEntity), found[2])


def read_entities(connection: sqlite3.Connection) -> tuple[SourceEntity, ...]:
    """Every entity on offer, in the order they were created."""
    specs = connection.execute("SELECT spec FROM entities ORDER BY id")
    return tuple(msgspec.json.decode(spec, type=SourceEntity) for (spec,) in specs)


def read_page(connection: sqlite3.Connection, slug: str, page: int, page_size: int, after: str | None) -> bytes:
    """A page of rows as the contract has it; within a transaction, or its total may not be its rows'."""
    count, select, values = _selection(find_entity(connection, slug), after)
    offset = (page - 1) * page_size
    total: int = connection.execute(count, values).fetchone()[0]
    rows = connection.execute(select, (*values, page_size, offset)).fetchall() if offset < total else []
    has_more = b"true" if offset + len(rows) < total else b"false"
    return b'{"rows":[%b],"page":%d,"page_size":%d,"total":%d,"has_more":%b}' % (
        b",".join([row for (row,) in rows]), page, page_size, total, has_more,
    )  # fmt: skip


def read_live_rows(connection: sqlite3.Connection, slug: str) -> Iterator[LiveRow]:
    """The rows that are not deleted, in key order."""
    entity = find_entity(connection, slug)
    for (json,) in connection.execute(_LIVE, (entity.id,)):
        yield _live_row(entity.spec, json)


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


def _selection(entity: KeptEntity, after: str | None) -> tuple[str, str, tuple[Any, ...]]:
    """How to count and how to read what a request asks for, and the values that both take."""
    if after is None:
        return _COUNT, _BY_KEY, (entity.id,)
    if after == "":
        return _COUNT, _BY_VERSION, (entity.id,)
    style = entity.spec.versions
    if style and version_form(format_version(style, 0)) != version_form(after):
        return _COUNT_AFTER_TEXT, _AFTER_TEXT, (entity.id, after)
    return _COUNT_AFTER, _AFTER, (entity.id, version_order(after))
