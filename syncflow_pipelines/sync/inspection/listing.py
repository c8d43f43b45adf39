"""Lists out of the metadata tables as JSON, filtered by what is asked for and nothing else.

PostgreSQL writes the JSON: reading rows into Python and writing them out again takes five times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

_JSON: Final = "SELECT row_to_json(line)::text"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list that grows while it is read."""

    items: tuple[str, ...]
    """The JSON of each."""
    next_place: str | None
    """After which place the list goes on: a time and what tells lines of one time apart. None at the end."""


@dataclass(frozen=True, slots=True)
class CountedPart:
    """A part of a list that is counted."""

    items: tuple[str, ...]
    """The JSON of each."""
    total: int
    """How many the whole list has."""


class Listing:
    """Lines of JSON, with conditions that can be left out; made of constants alone, what is asked for are its values.

    A statement that says `x IS NULL OR …` of each would be planned anew every time, and find no index.
    """

    def __init__(
        self, fields: str, source: str, conditions: Mapping[str, str], *, newest_first: tuple[str, str] | None = None
    ) -> None:
        """`fields`: of each line, by their names in the JSON. `conditions`: by the value that they look at.

        `newest_first`: two of the fields, a time and what tells lines of one time apart.
        """
        self._fields, self._source, self._conditions = fields, source, conditions
        self._newest_first = newest_first
        self._one = lru_cache(maxsize=None)(self._made_one)
        self._newest = lru_cache(maxsize=None)(self._made_newest)
        self._sorted = lru_cache(maxsize=None)(self._made_sorted)
        self._count = lru_cache(maxsize=None)(self._made_count)

    def one(self, connection: psycopg.Connection, key: str, value: object, **values: object) -> str | None:
        """The line whose column `key` has that value, or the only one of several."""
        found = _rows(connection, self._one(key), {**values, "_key": value})
        return str(found[0][0]) if found else None

    def newest(self, connection: psycopg.Connection, asked: Mapping[str, Any], limit: int) -> Part:
        """The first of the lines; values that are None do not matter."""
        values = _given(asked)
        found = _rows(connection, self._newest(frozenset(values)), {**values, "_limit": limit + 1})
        items = tuple(line for line, _ in found[:limit])
        return Part(items, str(found[limit - 1][1]) if len(found) > limit else None)

    def sorted(
        self, connection: psycopg.Connection, asked: Mapping[str, Any], order: str, *, limit: int, offset: int
    ) -> CountedPart:
        """The lines in that order."""
        values = _given(asked)
        names = frozenset(values)
        found = _rows(connection, self._sorted(names, order), {**values, "_limit": limit, "_offset": offset})
        if not found and offset:
            found_total = _rows(connection, self._count(names), values)[0][0]
            return CountedPart((), int(found_total))
        return CountedPart(tuple(line for line, _ in found), int(found[0][1]) if found else 0)

    def _made_one(self, key: str) -> str:
        return f"{_JSON} FROM (SELECT {self._fields} {self._source} WHERE {key} = %(_key)s) line"

    def _made_newest(self, names: frozenset[str]) -> str:
        assert self._newest_first is not None
        time, other = self._newest_first
        inner = f"SELECT {self._fields} {self._source} {self._where(names)} ORDER BY {time} DESC, {other} DESC"
        place = f"line.{time.rpartition('.')[2]} || '|' || line.{other.rpartition('.')[2]}"
        return f"{_JSON}, {place} FROM ({inner} LIMIT %(_limit)s) line"

    def _made_sorted(self, names: frozenset[str], order: str) -> str:
        inner = f"SELECT {self._fields} {self._source} {self._where(names)} ORDER BY {order}"
        line = f"({inner} LIMIT %(_limit)s OFFSET %(_offset)s) line"
        return f"{_JSON}, ({self._count(names)}) FROM {line}"

    def _made_count(self, names: frozenset[str]) -> str:
        return f"SELECT count(*) {self._source} {self._where(names)}"

    def _where(self, names: frozenset[str]) -> str:
        wanted = [condition for name, condition in self._conditions.items() if name in names]
        return f"WHERE {' AND '.join(wanted)}" if wanted else ""


def _given(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _rows(connection: psycopg.Connection, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(statement, values).fetchall()
