"""The store behind a demo source, driven by any sequence of changes."""

import random
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines.demo.exact_json import read_json
from syncflow_pipelines.demo.keys import key_order
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines.demo.versions import VersionStyle, format_version, is_greater, version_number, version_order
from syncflow_pipelines.errors import ConfigurationError, UnknownEntity

STYLES: tuple[VersionStyle, ...] = ("time", "counter", "hex", "iso")
KEYS = st.integers(0, 7)


def things(versions: VersionStyle | None = "counter", repeats_version: bool = False) -> SourceEntity:
    columns = [SourceColumn("ID", "INTEGER", None, False), SourceColumn("WORD", "text")]
    if repeats_version:
        columns.append(SourceColumn("VERSION", "text"))
    return SourceEntity(
        slug="things",
        name="Things",
        strategy="rowversion" if versions else "hash",
        business_keys=("id",),
        columns=tuple(columns),
        versions=versions,
        rowversion_column="version" if repeats_version else None,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SourceStore]:
    with SourceStore(tmp_path / "source.sqlite") as store:
        yield store


def rows_of(store: SourceStore, page_size: int = 1000, after: str | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page, body = 0, {"has_more": True}
    while body["has_more"]:
        page += 1
        body = read_json(store.page("things", page, page_size, after))
        rows += body["rows"]
    assert body["total"] == len(rows)
    return rows


class StoreAgainstDict(RuleBasedStateMachine):
    """After any sequence of changes the store holds what a dict would, and its versions only grew."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, str] = {}
        self.buried: set[int] = set()
        self.greatest: str | None = None

    @initialize(style=st.sampled_from((*STYLES, None)), folder=st.uuids())
    def begin(self, style: VersionStyle | None, folder: UUID) -> None:
        self.path = Path(FOLDERS[0], f"{folder}.sqlite")
        self.path.unlink(missing_ok=True)
        self.style = style
        self.store = SourceStore(self.path)
        self.store.create_entity(things(style), clock=8)

    @rule(key=KEYS, word=st.text(max_size=3))
    def insert(self, key: int, word: str) -> None:
        if key in self.live:
            with pytest.raises(ValueError, match="already"):
                self.store.insert("things", [{"id": key, "word": word}])
            return
        self.took(self.store.insert("things", [{"id": key, "word": word}]))
        self.live[key] = word
        self.buried.discard(key)

    @rule(rows=st.dictionaries(KEYS, st.text(max_size=3), min_size=1))
    def put(self, rows: dict[int, str]) -> None:
        self.took(self.store.put("things", [{"id": key, "word": word} for key, word in rows.items()]))
        self.live.update(rows)
        self.buried -= rows.keys()

    @rule(key=KEYS, word=st.text(max_size=3))
    def update(self, key: int, word: str) -> None:
        if key not in self.live:
            with pytest.raises(ValueError, match="no live row"):
                self.store.update("things", [{"id": key, "word": word}])
            return
        self.took(self.store.update("things", [{"id": key, "word": word}]))
        self.live[key] = word

    @rule(key=KEYS, tombstone=st.sampled_from([None, True, False]))
    def delete(self, key: int, tombstone: bool | None) -> None:
        if key not in self.live:
            with pytest.raises(ValueError, match="no live row"):
                self.store.delete("things", [(key,)])
            return
        self.took(self.store.delete("things", [(key,)], leave_tombstone=tombstone))
        del self.live[key]
        if tombstone if tombstone is not None else self.style is not None:
            self.buried.add(key)

    @rule(key=KEYS)
    def fail_in_the_middle(self, key: int) -> None:
        rows = ({"id": key // left, "word": "never seen"} for left in (1, 0))
        with pytest.raises(ZeroDivisionError):
            self.store.put("things", rows)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = SourceStore(self.path)

    @invariant()
    def live_rows_are_those_of_the_dict(self) -> None:
        live = {row.key[0]: row.data["word"] for row in self.store.live_rows("things")}
        assert live == self.live
        assert list(live) == sorted(live)
        assert self.store.live_count("things") == len(live)

    @invariant()
    def both_orders_hold_every_row_once(self) -> None:
        by_key, by_version = rows_of(self.store, 3), rows_of(self.store, 2, "")
        assert [row["oracle_keys"]["ID"] for row in by_key] == sorted(self.live.keys() | self.buried)
        assert sorted(by_version, key=lambda row: int(row["oracle_keys"]["ID"])) == by_key
        assert {row["oracle_keys"]["ID"] for row in by_key if row["deleted"]} == self.buried
        versions = [row["row_version"] for row in by_version]
        assert not any(is_greater(before, after) for before, after in pairwise(versions) if self.style)

    @invariant()
    def a_cursor_parts_the_rows(self) -> None:
        rows = rows_of(self.store, 1000, "")
        for row in rows[:2] if self.style else []:
            cursor = row["row_version"]
            assert rows_of(self.store, 2, cursor) == [one for one in rows if is_greater(one["row_version"], cursor)]

    def took(self, version: str | None) -> None:
        assert (version is None) == (self.style is None)
        if version is not None and self.greatest is not None:
            assert is_greater(version, self.greatest)
        self.greatest = version

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            for file in self.path.parent.glob(f"{self.path.name}*"):
                file.unlink()


FOLDERS: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def folder_of_the_machine(tmp_path_factory: pytest.TempPathFactory) -> None:
    FOLDERS[:] = [tmp_path_factory.mktemp("machine")]


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


TWO_TEXTS = st.lists(st.text(max_size=4), min_size=2, max_size=2)
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-5, 5)


@given(left=NUMBERS, right=NUMBERS)
def test_keys_that_are_numbers_sort_by_value(left: int | Decimal, right: int | Decimal) -> None:
    assert (key_order([left]) < key_order([right])) == (left < right)
    assert (key_order([left]) == key_order([right])) == (left == right)


@given(left=TWO_TEXTS, right=TWO_TEXTS)
@example(left=["a", ""], right=["a\0", ""])
@example(left=["a\0", ""], right=["a\1", ""])
def test_keys_that_are_texts_sort_by_code_point_column_by_column(left: list[str], right: list[str]) -> None:
    assert (key_order(left) < key_order(right)) == (left < right)
    assert (key_order(left) == key_order(right)) == (left == right)


@given(values=st.lists(st.none() | st.booleans() | st.integers() | st.text()))
def test_keys_of_every_type_sort_before_the_end_of_a_row_version(values: list[Any]) -> None:
    assert b"" <= key_order(values) < b"\xff"


def test_keys_of_different_types_are_different() -> None:
    values = [None, False, True, 0, 1, "", "0", "1", "a"]
    orders = [key_order([value]) for value in values]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(values)


@given(left=st.integers(0, 10**25), right=st.integers(0, 10**25), zeros=st.integers(0, 3))
def test_whole_and_hexadecimal_versions_compare_as_numbers(left: int, right: int, zeros: int) -> None:
    pairs = [("0" * zeros + str(left), str(right)), (f"0x{'0' * zeros}{left:x}", f"0X{right:X}")]
    assert [is_greater(one, than) for one, than in pairs] == [left > right] * 2
    assert [version_order(one) > version_order(than) for one, than in pairs] == [left > right] * 2


@given(left=st.text(), right=st.text(alphabet="abcxyz-", min_size=1))
def test_other_versions_compare_as_strings(left: str, right: str) -> None:
    assert is_greater(left, right) == (left > right)


@given(style=st.sampled_from(STYLES), number=st.integers(0, 253_402_300_799))
def test_a_version_is_written_and_read_back(style: VersionStyle, number: int) -> None:
    assert version_number(style, format_version(style, number)) == number


@pytest.mark.parametrize("version", ["", "9z", "0x9", "2025-12-08", "009", "-1"])
def test_a_version_of_another_style_is_refused(store: SourceStore, version: str) -> None:
    store.create_entity(things("counter"))
    with pytest.raises(ValueError, match="not written in the style 'counter'"):
        store.insert("things", [{"id": 1}], row_version=version)


def test_a_chosen_version_stamps_the_rows_of_the_call_and_later_ones_are_greater(store: SourceStore) -> None:
    store.create_entity(things("counter"))
    assert store.insert("things", [{"id": 1}, {"id": 2}], row_version="40") == "40"
    assert store.insert("things", [{"id": 3}]) == "41"
    assert store.insert("things", [{"id": 4}], row_version="7") == "7"
    assert store.insert("things", [{"id": 5}]) == "42"
    assert [row["row_version"] for row in rows_of(store, after="")] == ["7", "40", "40", "41", "42"]
    assert store.last_version("things") == "42"


def test_times_stamp_a_transaction_alike_and_counters_number_its_rows(tmp_path: Path) -> None:
    for style, distinct in (("time", 1), ("iso", 1), ("counter", 4), ("hex", 4)):
        with SourceStore(tmp_path / f"{style}.sqlite") as store:
            store.create_entity(things(style))  # type: ignore[arg-type]
            with store.change() as change:
                change.insert("things", [{"id": 1}, {"id": 2}, {"id": 3}])
                change.delete("things", [(3,)])
                change.insert("things", [{"id": 4}])
            assert len({row["row_version"] for row in rows_of(store)}) == min(distinct, 4)


def test_an_entity_without_versions_cannot_be_stamped(store: SourceStore) -> None:
    store.create_entity(things(None))
    with pytest.raises(ValueError, match="no row versions"):
        store.insert("things", [{"id": 1}], row_version="1")


def test_the_row_version_column_repeats_the_row_version(store: SourceStore) -> None:
    store.create_entity(things("hex", repeats_version=True))
    store.insert("things", [{"id": 1, "word": "a"}])
    store.update("things", [{"id": 1, "word": "b"}])
    row = rows_of(store)[0]
    assert row["data"] == {"id": 1, "word": "b", "version": row["row_version"]}


def test_an_update_changes_what_it_names_and_keeps_the_spelling_of_the_rest(store: SourceStore) -> None:
    store.create_entity(things())
    store.insert("things", [{"id": 1, "word": "a", "amount": Decimal("1.2300"), "raw": msgspec.Raw(b"1e5")}])
    store.update("things", [{"id": 1, "word": "b"}])
    assert b'"data":{"id":1,"word":"b","amount":1.2300,"raw":1e5}' in store.page("things")


def test_a_refused_change_leaves_everything_as_it_was(store: SourceStore) -> None:
    store.create_entity(things())
    store.insert("things", [{"id": 1, "word": "a"}])
    before = store.page("things")
    with pytest.raises(ValueError, match="already"):
        store.insert("things", [{"id": 2}, {"id": 1}])
    assert store.page("things") == before


def test_an_altered_entity_keeps_its_rows(store: SourceStore) -> None:
    store.create_entity(things())
    store.insert("things", [{"id": 1, "word": "a"}])
    wider = SourceEntity(
        "things",
        "Things",
        "rowversion",
        ("id",),
        (*things().columns, SourceColumn("SIZE", "NUMBER(5)")),
        versions="counter",
    )
    store.alter_entity(wider)
    store.insert("things", [{"id": 2, "word": "b", "size": 5}])
    assert store.entities() == (wider,)
    assert [len(row.data) for row in store.live_rows("things")] == [2, 3]
    with pytest.raises(ValueError, match="stay written"):
        store.alter_entity(things("time"))


def test_mistaken_entities_are_refused(store: SourceStore) -> None:
    with pytest.raises(ValueError, match="not columns: \\['nothing'\\]"):
        store.create_entity(SourceEntity("x", "X", "full", ("nothing",), things().columns))
    with pytest.raises(ValueError, match="needs business keys"):
        store.create_entity(SourceEntity("x", "X", "full", (), things().columns))
    store.create_entity(things())
    with pytest.raises(ValueError, match="already"):
        store.create_entity(things())
    with pytest.raises(UnknownEntity, match="no entity 'nothing'"):
        store.insert("nothing", [])


def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "source.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"source\.sqlite has format 99"):
        SourceStore(path)


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}" / "source.sqlite"
        with ThreadPoolExecutor(8) as openers:
            opened = list(openers.map(SourceStore, [path] * 8))
        assert [store.entities() for store in opened] == [()] * 8


def test_a_snapshot_is_not_disturbed_by_writers(store: SourceStore) -> None:
    store.create_entity(things())
    store.insert("things", [{"id": number, "word": "before"} for number in range(3000)])
    rows = store.live_rows("things")
    first = next(rows)
    store.put("things", [{"id": number, "word": "after"} for number in range(1500, 4000)])
    assert {row.data["word"] for row in (first, *rows)} == {"before"}


def test_every_page_is_of_one_moment_under_concurrent_writers(store: SourceStore) -> None:
    """Each writer's transaction moves one unit between two rows: no reader may see it half done."""
    store.create_entity(things())
    store.insert("things", [{"id": number, "word": "0", "units": 10} for number in range(20)])
    stop = threading.Event()

    def write(seed: int) -> None:
        rng = random.Random(seed)
        while not stop.is_set():
            giver, taker = rng.sample(range(20), 2)
            with store.change() as change:
                units = {key: change.live_row("things", (key,)).data["units"] for key in (giver, taker)}
                change.update("things", [{"id": giver, "units": units[giver] - 1}])
                change.delete("things", [(taker,)], leave_tombstone=False)
                change.insert("things", [{"id": taker, "units": units[taker] + 1}])

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, seed) for seed in (1, 2)]
        try:
            pages = _read_while_it_moves(store)
        finally:
            stop.set()
    assert [writer.result() for writer in writers] == [None, None]
    assert {(page["total"], sum(row["data"]["units"] for row in page["rows"])) for page in pages} == {(20, 200)}


def _read_while_it_moves(store: SourceStore) -> list[Any]:
    """Many pages in either order, and more until three of them differ."""
    pages: list[Any] = []
    states: set[str] = set()
    while len(pages) < 200 or len(states) < 3:
        pages.append(read_json(store.page("things", 1, 1000, None if len(pages) % 2 else "")))
        states.add(str(pages[-1]["rows"]))
    return pages
