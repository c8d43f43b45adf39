"""Pages of an entity's rows, in key order or in row-version order."""

import sqlite3
from dataclasses import dataclass, field
from threading import Lock

from syncflow_pipelines.demo.reading import KeptEntity, find_entity
from syncflow_pipelines.demo.versions import format_version, version_form, version_order

_Place = tuple[str, bytes]
"""Row-version order and key order of a row; the first is empty where the keys alone decide."""

_COUNT = "SELECT count(*) FROM rows WHERE entity = :entity"
_COUNT_AFTER = "SELECT count(*) FROM rows WHERE entity = :entity AND version_order > :after"
_COUNT_AFTER_TEXT = "SELECT count(*) FROM rows WHERE entity = :entity AND version > :after"
_BY_KEY = """
SELECT id, json FROM rows WHERE entity = :entity AND key_order > :key
ORDER BY key_order LIMIT :size OFFSET :skip
"""
_BY_VERSION = """
SELECT id, json FROM rows WHERE entity = :entity AND (version_order, key_order) > (:version, :key)
ORDER BY version_order, key_order LIMIT :size OFFSET :skip
"""
# A cursor that is not written as the entity's versions are compares with them as a string.
_BY_VERSION_TEXT = """
SELECT id, json FROM rows WHERE entity = :entity AND version > :after
AND (version_order, key_order) > (:version, :key)
ORDER BY version_order, key_order LIMIT :size OFFSET :skip
"""
_PLACE = "SELECT version_order, key_order FROM rows WHERE id = ?"
_BEFORE_ALL = ("", b"")
# Sorts after every key, whose first byte says its type.
_AFTER_ALL_KEYS = b"\xff"
_MOST_SELECTIONS = 64


@dataclass(slots=True)
class _Selection:
    """What a request pages through, and what is known of it while the entity does not change."""

    count: str
    select: str
    after: str
    start: _Place
    total: int | None = None
    places: dict[int, _Place] = field(default_factory=dict)
    """Offset to the place of the row before it, so that no page has to be counted off from the first."""


class PageReader:
    """Reads pages, and remembers where the next ones begin for as long as the entity is not changed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[int, int, str | None], _Selection] = {}

    def read(self, connection: sqlite3.Connection, slug: str, page: int, page_size: int, after: str | None) -> bytes:
        """A page as the contract has it; within a transaction, so that its total is that of its rows.

        Raises `UnknownEntity`.
        """
        entity = find_entity(connection, slug)
        selection = self._selection(entity, after)
        offset = (page - 1) * page_size
        total = self._total(connection, entity, selection)
        rows = self._rows(connection, entity, selection, offset, page_size) if offset < total else []
        has_more = b"true" if offset + len(rows) < total else b"false"
        body = b",".join([json for _, json in rows])
        return b'{"rows":[%b],"page":%d,"page_size":%d,"total":%d,"has_more":%b}' % (
            body,
            page,
            page_size,
            total,
            has_more,
        )

    def _selection(self, entity: KeptEntity, after: str | None) -> _Selection:
        name = (entity.id, entity.generation, after)
        with self._lock:
            if name not in self._known:
                if len(self._known) >= _MOST_SELECTIONS:
                    self._known.pop(next(iter(self._known)))
                self._known[name] = _select(entity, after)
            return self._known[name]

    def _total(self, connection: sqlite3.Connection, entity: KeptEntity, selection: _Selection) -> int:
        if selection.total is None:
            values = {"entity": entity.id, "after": selection.after}
            selection.total = connection.execute(selection.count, values).fetchone()[0]
        return selection.total

    def _rows(
        self, connection: sqlite3.Connection, entity: KeptEntity, selection: _Selection, offset: int, size: int
    ) -> list[tuple[int, bytes]]:
        with self._lock:
            known = max((place for place in selection.places if place <= offset), default=0)
            version, key = selection.places.get(known, selection.start)
        values = {"entity": entity.id, "after": selection.after, "version": version, "key": key}
        rows = connection.execute(selection.select, {**values, "size": size, "skip": offset - known}).fetchall()
        place = connection.execute(_PLACE, (rows[-1][0],)).fetchone()
        with self._lock:
            selection.places[offset + len(rows)] = place
        return rows


def _select(entity: KeptEntity, after: str | None) -> _Selection:
    if after is None:
        return _Selection(_COUNT, _BY_KEY, "", _BEFORE_ALL)
    if after == "":
        return _Selection(_COUNT, _BY_VERSION, "", _BEFORE_ALL)
    style = entity.spec.versions
    if style and version_form(format_version(style, 0)) != version_form(after):
        return _Selection(_COUNT_AFTER_TEXT, _BY_VERSION_TEXT, after, _BEFORE_ALL)
    order = version_order(after)
    return _Selection(_COUNT_AFTER, _BY_VERSION, order, (order, _AFTER_ALL_KEYS))
