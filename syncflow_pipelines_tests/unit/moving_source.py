"""A source in memory that changes between any two requests, and what a reader keeps of it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.conversion.decode import Batch, RowDecoder
from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.reading.pages import Page, parse_page
from syncflow_pipelines.sync.reading.reads import VersionRead, WholeRead, read_by_version, read_whole
from syncflow_pipelines.sync.reading.rowversion import precedes

SPEC = EntitySpec(
    slug="things",
    name="Things",
    description=None,
    strategy="rowversion",
    business_keys=("k",),
    rowversion_column=None,
    columns=(
        Column("K", "k", "k", "INTEGER", "integer", is_nullable=False, is_business_key=True),
        Column("V", "v", "v", "TEXT", "text", is_nullable=True, is_business_key=False),
    ),
)


@dataclass
class Row:
    version: int
    value: str
    deleted: bool = False


@dataclass
class Source:
    """An entity in memory; before each of its answers it lets `happens` happen."""

    rows: dict[int, Row] = field(default_factory=dict)
    clock: int = 10
    happens: Callable[[], object] = lambda: None
    spell: Callable[[int], str] | None = str
    tells_more: bool = True
    tells_total: bool = True
    cap: int = 1000
    requests: list[tuple[int, str | None]] = field(default_factory=list)

    def fetch(self, size: int) -> Callable[..., Page]:
        def answer(page: int, above: str | None = None) -> Page:
            self.happens()
            self.requests.append((page, above))
            return parse_page(self.answer(page, min(size, self.cap), above))

        return answer

    def answer(self, page: int, size: int, above: str | None) -> bytes:
        found = self._selected(above)
        shown = found[(page - 1) * size : page * size]
        body: dict[str, Any] = {"rows": [self._wire(key) for key in shown]}
        if self.tells_more:
            body["has_more"] = page * size < len(found)
        if self.tells_total:
            body["total"] = len(found)
        return json.dumps(body).encode()

    def _selected(self, above: str | None) -> list[int]:
        if above is None or self.spell is None:
            return sorted(self.rows)
        spell = self.spell
        chosen = [key for key, row in self.rows.items() if not above or precedes(above, spell(row.version))]
        return sorted(chosen, key=lambda key: (self.rows[key].version, key))

    def _wire(self, key: int) -> dict[str, Any]:
        row = self.rows[key]
        version = None if self.spell is None else self.spell(row.version)
        return {
            "oracle_keys": {"K": key},
            "row_version": version,
            "data": {} if row.deleted else {"k": key, "v": row.value},
            "deleted": row.deleted,
        }


class Kept:
    """What a reader staged: by key, the greatest version, and without one the last."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str | None, str | None]] = {}
        self._decoder = RowDecoder(SPEC)

    def take(self, page: Page) -> Batch:
        batch = self._decoder.decode(page)
        for row in batch.rows:
            (text,) = self._decoder.key(row) or ()
            before = self.rows.get(int(text))
            if before is None or not precedes(row.version, before[0]):
                value = None if row.deleted else json.loads(bytes(row.data))["v"]
                self.rows[int(text)] = (row.version, value)
        return batch


def filled(groups: Iterable[int], **more: Any) -> Source:
    """A source with so many rows of each row version; keys in no order of theirs."""
    rows: dict[int, Row] = {}
    sizes = list(groups)
    number = count()
    for version, size in enumerate(sizes):
        for _ in range(size):
            n = next(number)
            rows[(n * 7919) % 100_003] = Row(version + 1, f"first {n}")
    return Source(rows, clock=len(sizes) + 1, **more)


def by_version(source: Source, kept: Kept, start: str | None = None, size: int = 4) -> VersionRead:
    return read_by_version(source.fetch(size), kept.take, start, page_size=size)


def whole(source: Source, kept: Kept, size: int = 4, concurrency: int = 1) -> WholeRead:
    return read_whole(source.fetch(size), kept.take, page_size=size, concurrency=concurrency)


@dataclass(frozen=True)
class Event:
    """One change at the source: of the row at a place, by key or by row version."""

    kind: str
    place: int
    ticks: bool


EVENTS = st.builds(
    Event,
    st.sampled_from(["insert", "update", "delete", "vanish", "update", "oldest"]),
    st.integers(0, 60),
    st.booleans(),
)


class Unrest:
    """Plays events on a source, some before each request.

    Many rows are stamped with one version by one transaction only: later ones get a later version.
    """

    def __init__(self, source: Source, steps: list[list[Event]], page_size: int) -> None:
        self._source, self._steps, self._page_size = source, iter(steps), page_size
        self._names = count()
        self.touched: set[int] = set()

    def __call__(self) -> None:
        for event in next(self._steps, []):
            self._play(event)

    def _play(self, event: Event) -> None:
        source = self._source
        stamped = sum(row.version == source.clock for row in source.rows.values())
        if event.ticks or stamped >= self._page_size:
            source.clock += 1
        key = self._key(event)
        self.touched.add(key)
        if event.kind == "vanish":
            source.rows.pop(key, None)
        else:
            source.rows[key] = Row(source.clock, f"later {next(self._names)}", deleted=event.kind == "delete")

    def _key(self, event: Event) -> int:
        rows = self._source.rows
        if event.kind == "insert" or not rows:
            return 200_000 + next(self._names) if event.place % 2 else -event.place - 1
        ordered = sorted(rows, key=lambda key: (rows[key].version, key))
        return ordered[0] if event.kind == "oldest" else ordered[event.place % len(ordered)]


def held(source: Source) -> dict[int, tuple[str | None, str | None]]:
    spell = source.spell
    return {
        key: (spell(row.version) if spell else None, None if row.deleted else row.value)
        for key, row in source.rows.items()
    }


UNREST = settings(max_examples=250, derandomize=True, deadline=None)
GROUPS = st.lists(st.sampled_from([1, 1, 2, 3, 4, 5, 9, 13]), max_size=6)
STEPS = st.lists(st.lists(EVENTS, max_size=3), max_size=25)
SPELLINGS = st.sampled_from([str, lambda n: f"0x{n:08X}", lambda n: f"2025-01-01T00:{n // 60:02d}:{n % 60:02d}Z"])
