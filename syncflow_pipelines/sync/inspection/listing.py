"""Lists out of the metadata tables, filtered by what is asked for and nothing else."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.rows import args_row

T = TypeVar("T")


class Listing:
    """A statement with conditions that can be left out; made of constants alone, what is asked for are its values.

    One that says `x IS NULL OR …` of each would be planned anew every time, and find no index.
    """

    def __init__(self, select: str, conditions: Mapping[str, str]) -> None:
        """`conditions`: by the name of the value that they look at."""
        self._select, self._conditions = select, conditions
        self._statement = lru_cache(maxsize=None)(self._made)

    def rows(
        self,
        connection: psycopg.Connection,
        made: Callable[..., T],
        asked: Mapping[str, Any],
        *,
        order: str,
        limit: int,
        offset: int = 0,
    ) -> list[T]:
        """What `made` makes of each row's columns; values of `asked` that are None do not matter."""
        values = {name: value for name, value in asked.items() if value is not None}
        statement = self._statement(frozenset(values), f"ORDER BY {order} LIMIT %(_limit)s OFFSET %(_offset)s")
        with connection.cursor(row_factory=args_row(made)) as cursor:
            return cursor.execute(statement, {**values, "_limit": limit, "_offset": offset}).fetchall()

    def count(self, connection: psycopg.Connection, asked: Mapping[str, Any]) -> int:
        """How many rows there are."""
        values = {name: value for name, value in asked.items() if value is not None}
        inner = self._statement(frozenset(values), "")
        row = connection.execute(f"SELECT count(*) FROM ({inner}) listed", values).fetchone()  # noqa: S608 - of constants
        return int(row[0]) if row else 0

    def _made(self, given: frozenset[str], end: str) -> str:
        wanted = [condition for name, condition in self._conditions.items() if name in given]
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        return f"{self._select} {where} {end}"
