"""The rows that every benchmark moves: what row `i` holds after its `g`-th change, as JSON and as lines of `COPY`.

The two spellings come from the same values by two ways, so that the one can tell whether the other arrived. The
plain flavour has no character that either format escapes; the rich one has some in every row, and two JSON columns.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5
from typing import Any, Literal, NamedTuple

Flavour = Literal["plain", "rich"]
FLAVOURS: tuple[Flavour, ...] = ("plain", "rich")

ROWS_A_SITE = 20_000
ROWS_A_VERSION = 10
"""So many rows running share a row version, as rows of one transaction do."""

_BEGAN = datetime(2025, 1, 1)  # noqa: DTZ001 - the source writes its times without a zone
_BETWEEN_CHANGES = timedelta(days=30)


class Column(NamedTuple):
    """One column, as the source offers it and as PostgreSQL keeps it."""

    name: str
    alias: str
    data_type: str
    pg_type: str


_KEYS = (
    Column("SITE", "site", "VARCHAR2(10)", "character varying(10)"),
    Column("LINE_NO", "line_no", "NUMBER(9)", "integer"),
)
_COMMON = (
    Column("PART_NO", "part_no", "VARCHAR2(25)", "character varying(25)"),
    Column("DESCR", "description", "VARCHAR2(100)", "character varying(100)"),
    Column("QTY", "qty", "NUMBER(12)", "bigint"),
    Column("PRICE", "price", "NUMERIC(18,4)", "numeric(18,4)"),
    Column("ORDERED", "ordered_on", "date", "date"),
    Column("CHANGED", "changed_at", "TIMESTAMP(6)", "timestamp without time zone"),
    Column("IS_OPEN", "is_open", "BOOLEAN", "boolean"),
    Column("NOTE", "note", "CLOB", "text"),
)
_PLAIN = (
    Column("AMOUNT", "amount", "NUMERIC(18,2)", "numeric(18,2)"),
    Column("PRIO", "priority", "NUMBER(4)", "smallint"),
)
_RICH = (
    Column("ATTRS", "attributes", "JSON", "jsonb"),
    Column("TAGS", "tags", "JSON", "jsonb"),
)

COLUMNS: dict[Flavour, tuple[Column, ...]] = {
    "plain": (*_KEYS, *_COMMON, *_PLAIN),
    "rich": (*_KEYS, *_COMMON, *_RICH),
}
BUSINESS_KEYS = ("site", "line_no")

_QUOTED = ("character varying(10)", "character varying(25)", "date", "timestamp without time zone")
"""Types whose values are text in JSON and need no escape here; the longer texts are spelled beforehand."""


class _Text(NamedTuple):
    """One text in its two spellings."""

    json: str
    copy: str


def version_of(row: int, changes: int) -> int:
    """The row version, as the number that its fourteen digits make."""
    return int(f"{_moment(row, changes):%Y%m%d%H%M%S}")


def key_of(row: int) -> tuple[str, int]:
    """The business key; rows are numbered in its order."""
    return f"S{row // ROWS_A_SITE:05}", row % ROWS_A_SITE + 1


def spelled(flavour: Flavour, rows: Iterator[int] | range, changes: int) -> Iterator[tuple[str, str, int]]:
    """For each row number its JSON object, its line of `COPY` and its row version."""
    pattern, values_of = _json_pattern(flavour), _VALUES[flavour]
    for row in rows:
        site, line = key_of(row)
        moment = _moment(row, changes)
        version = f"{moment:%Y%m%d%H%M%S}"
        changed_at = f"{moment:%Y-%m-%dT%H:%M:%S}.{row % 1000:03}"
        in_json, in_copy = values_of(row, changes, changed_at)
        line_of_copy = f"{site}\t{line}\t{in_copy}"
        digest = md5(line_of_copy.encode(), usedforsecurity=False).hexdigest()
        yield (
            pattern % (site, line, version, site, line, *in_json),
            f"{line_of_copy}\t{digest}\t{version}\n",
            int(version),
        )


def _moment(row: int, changes: int) -> datetime:
    return _BEGAN + changes * _BETWEEN_CHANGES + timedelta(seconds=row // ROWS_A_VERSION)


def _json_pattern(flavour: Flavour) -> str:
    members = [f'"{c.alias}":' + ('"%s"' if c.pg_type in _QUOTED else "%s") for c in COLUMNS[flavour]]
    return '{"oracle_keys":{"SITE":"%s","LINE_NO":%s},"row_version":"%s","data":{' + ",".join(members) + "}}"


def _common(row: int, changes: int, changed_at: str, words: "_Words") -> tuple[tuple[str, ...], tuple[str, ...]]:
    part = f"P-{row * 7919 % 1_000_003:07}-{row % 97:02}"
    description = words.descriptions[row % len(words.descriptions)]
    qty, price = str(row * 31 % 100_000 + changes), f"{row * 37 % 1_000_000}.{(row + changes) % 10_000:04}"
    ordered_on = _DAYS[row % len(_DAYS)]
    note = words.notes[(row + changes) % len(words.notes)]
    is_open = row % 3 == 0
    shared = (part, qty, price, ordered_on, changed_at)
    in_json = (shared[0], description.json, *shared[1:], "true" if is_open else "false", note.json)
    in_copy = (shared[0], description.copy, *shared[1:], "t" if is_open else "f", note.copy)
    return in_json, in_copy


def _plain_values(row: int, changes: int, changed_at: str) -> tuple[tuple[str, ...], str]:
    in_json, in_copy = _common(row, changes, changed_at, _PLAIN_WORDS)
    rest = (f"{row * 41 % 10_000_000}.{row % 100:02}", str(row % 10))
    return (*in_json, *rest), "\t".join((*in_copy, *rest))


def _rich_values(row: int, changes: int, changed_at: str) -> tuple[tuple[str, ...], str]:
    in_json, in_copy = _common(row, changes, changed_at, _RICH_WORDS)
    attributes = _RICH_WORDS.attributes[row % len(_RICH_WORDS.attributes)]
    tags = _RICH_WORDS.tags[row % len(_RICH_WORDS.tags)]
    return (*in_json, attributes.json, tags.json), "\t".join((*in_copy, attributes.copy, tags.copy))


_VALUES: dict[Flavour, Callable[[int, int, str], tuple[tuple[str, ...], str]]] = {
    "plain": _plain_values,
    "rich": _rich_values,
}


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts to choose from; as many as a prime number, so that they do not go in step."""

    descriptions: tuple[_Text, ...]
    notes: tuple[_Text, ...]
    attributes: tuple[_Text, ...] = ()
    tags: tuple[_Text, ...] = ()


_DAYS = [f"{datetime(2023, 1, 1) + timedelta(days=day):%Y-%m-%d}" for day in range(991)]  # noqa: DTZ001
_NULL = _Text("null", "\\N")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _text(value: str, *, ascii_only: bool = False) -> _Text:
    return _Text(json.dumps(value, ensure_ascii=ascii_only), value.translate(_ESCAPES))


def _json(value: Any) -> _Text:
    literal = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _Text(literal, literal.translate(_ESCAPES))


def _plain_words() -> _Words:
    return _Words(
        descriptions=tuple(_text(f"Bolt M{n % 40} hexagon galvanised {n:04}") for n in range(997)),
        notes=tuple(_NULL if n % 5 == 0 else _text(f"Deliver with order {n:05}") for n in range(1009)),
    )


def _rich_words() -> _Words:
    return _Words(
        descriptions=tuple(_text(f'Bolt 1/{n % 16}" \\ Güte "{n:04}" ☃', ascii_only=n % 2 == 0) for n in range(997)),
        notes=tuple(_text(f"Größe\t{n:05}\n電話 “ok” \\ 🚚") for n in range(1009)),
        attributes=tuple(_json({"colour": "grün", "size": n, "path": "a\\b"}) for n in range(499)),
        tags=tuple(_json([f"tag {n}", n % 2 == 0, None]) for n in range(503)),
    )


_PLAIN_WORDS, _RICH_WORDS = _plain_words(), _rich_words()
