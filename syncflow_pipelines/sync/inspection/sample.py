"""A few rows of an entity's table, as JSON that loses nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.model import Entity, Table
from syncflow_pipelines.sync.schema.table_plans import columns_of

Scalar = str | int | float | bool | None

AUDIT = "_bridge_"
"""How the names of SyncFlow's own columns begin."""
DELETED = "_bridge_deleted"

_SAFE = 2**53 - 1
"""Whole numbers up to here are the same to every reader of JSON."""
_DEEPEST = 50
"""JSON with more brackets than that is shown as a text: not every reader could take it in."""
_AT_ONCE = 10

_SELECT = sql.SQL("SELECT {values} FROM {table} WHERE {conditions} {order} LIMIT %(limit)s")
# A value too long for the answer never leaves the server.
_VALUE = sql.SQL(
    "CASE WHEN length({column}::text) > %(longest)s THEN "
    "json_build_object('cut', left({column}::text, %(longest)s), 'length', length({column}::text)) "
    "ELSE json_build_array({column}) END::text"
)


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Which rows, and how much of them."""

    limit: int = 10
    equals: Mapping[str, Scalar] = field(default_factory=dict)
    """Only rows with these values, by column; None is a column without a value."""
    columns: tuple[str, ...] = ()
    """Only these; empty: all but SyncFlow's own."""
    with_deleted: bool = False
    longest: int = 500
    """Characters of one value."""
    budget: int = 200_000
    """Characters of all values together."""


@dataclass(frozen=True, slots=True)
class CutValue:
    """A value that was too long to be shown whole."""

    row: int
    """Its place in the sample, from 0."""
    column: str
    characters: int
    """Of the whole value."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows, by business key."""

    rows: tuple[dict[str, Any], ...]
    """By column, as JSON. A number that some readers would round is a text with all its digits."""
    cut: tuple[CutValue, ...]
    has_more: bool
    """Whether further rows fit what was asked for."""


def sample(connection: psycopg.Connection, entity: Entity, request: SampleRequest) -> Sample:
    """The first rows that fit.

    Raises `UnknownEntity` for a column that the table does not have, and for a value that its type cannot hold.
    """
    existing = columns_of(connection, entity.table)
    if not existing:
        raise UnknownEntity(f"table {entity.table} of {entity.key} does not exist; `syncflow discover` makes it anew")
    for name in (*request.columns, *request.equals):
        if name not in existing:
            raise UnknownEntity(f"table {entity.table} has no column {name[:100]!r}; it has {', '.join(existing)}")
    names = request.columns or tuple(name for name in existing if not name.startswith(AUDIT))
    statement = _statement(entity, names, existing, request)
    values: dict[str, Any] = {f"value{place}": _literal(value) for place, value in enumerate(request.equals.values())}
    values |= {"limit": request.limit + 1, "longest": request.longest}
    try:
        with connection.cursor("sample") as cursor:
            cursor.itersize = _AT_ONCE
            return _taken(iter(cursor.execute(statement, values)), names, request)
    except (psycopg.DataError, UnicodeError) as error:
        types = ", ".join(f"{name} is {existing[name]}" for name in request.equals)
        raise UnknownEntity(f"no row of {entity.key} can have these values: {types}") from error


def _statement(
    entity: Entity, names: tuple[str, ...], existing: Mapping[str, str], request: SampleRequest
) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("{} IS NULL").format(sql.Identifier(name))
        if value is None
        else sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(f"value{place}"))
        for place, (name, value) in enumerate(request.equals.items())
    ]
    if not request.with_deleted:
        conditions.append(sql.SQL("NOT {}").format(sql.Identifier(DELETED)))
    keys = [sql.Identifier(key) for key in entity.spec.business_keys if key in existing]
    return _SELECT.format(
        values=sql.SQL(", ").join(_VALUE.format(column=sql.Identifier(name)) for name in names),
        table=_identifier(entity.table),
        conditions=sql.SQL(" AND ").join(conditions or [sql.SQL("true")]),
        order=sql.SQL("ORDER BY {}").format(sql.SQL(", ").join(keys)) if keys else sql.SQL(""),
    )


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def _literal(value: Scalar) -> str | None:
    """The value as a text without a type, which PostgreSQL reads as the column's own."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _taken(found: Iterator[tuple[str, ...]], names: tuple[str, ...], request: SampleRequest) -> Sample:
    rows: list[dict[str, Any]] = []
    cut: list[CutValue] = []
    left = request.budget
    for texts in found:
        left -= sum(map(len, texts))
        if len(rows) == request.limit or (rows and left < 0):
            return Sample(tuple(rows), tuple(cut), has_more=True)
        row = {}
        for name, text in zip(names, texts, strict=True):
            row[name], characters = _read(text)
            if characters is not None:
                cut.append(CutValue(len(rows), name, characters))
        rows.append(row)
    return Sample(tuple(rows), tuple(cut), has_more=False)


def _read(text: str) -> tuple[Any, int | None]:
    """The value, and how long it is where it was cut."""
    if text.startswith("{"):
        told = json.loads(text)
        return told["cut"] + "…", told["length"]
    if text.count("[") + text.count("{") > _DEEPEST:
        return text[1:-1], None
    return json.loads(text, parse_int=_whole, parse_float=_fraction)[0], None


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= len(str(_SAFE)) + 1 and abs(int(text)) <= _SAFE else text


def _fraction(text: str) -> float | str:
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else text
