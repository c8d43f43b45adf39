"""Staged rows settled and applied: which row wins, and what becomes of the table."""

from decimal import Decimal
from itertools import count
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.model import STRATEGIES, Column, Strategy
from syncflow_pipelines_tests.postgres.loading import KEY, LIGHT, column, loader, page, wire

MODEL_ROW = st.tuples(
    st.integers(0, 5), st.sampled_from([None, "9", "10", "010", "11"]), st.sampled_from(["a", "b", "!", None])
)
PAGES = st.lists(st.lists(MODEL_ROW, max_size=5), max_size=3)


class Model:
    """What the table should hold: key to label and whether it is deleted."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[str, bool]] = {}

    def load(self, pages: list[list[tuple[int, str | None, str | None]]], *, whole: bool) -> tuple[int, ...]:
        best: dict[int, tuple[tuple[int, int], str | None]] = {}
        seen: set[int] = set()
        sequence = count()
        for key, version, label in (row for rows in pages for row in rows):
            seen.add(key)
            if label == "!":
                continue
            rank = (-1 if version is None else int(version), next(sequence))
            if key not in best or best[key][0] < rank:
                best[key] = rank, label
        return self._apply({key: label for key, (_, label) in best.items()}, seen, whole)

    def _apply(self, staged: dict[int, str | None], seen: set[int], whole: bool) -> tuple[int, ...]:
        inserted = updated = revived = buried = missing = 0
        for key, label in staged.items():
            before = self.table.get(key)
            if label is None:
                if before and not before[1]:
                    buried += 1
                    self.table[key] = (before[0], True)
                continue
            inserted += before is None
            revived += before is not None and before[1]
            updated += before is not None and (before[1] or before[0] != label)
            self.table[key] = (label, False)
        for key, (label, deleted) in self.table.items():
            if whole and key not in seen and not deleted:
                missing += 1
                self.table[key] = (label, True)
        return inserted, updated, revived, buried, missing


def test_every_sequence_of_pages_leaves_what_the_rules_say(database: Database) -> None:
    with loader(database, KEY, column("label", "VARCHAR2(1)")) as load:

        @settings(LIGHT, max_examples=80)
        @given(st.lists(st.tuples(PAGES, st.sampled_from(STRATEGIES), st.booleans()), max_size=3))
        def holds(loads: list[tuple[list[list[tuple[int, str | None, str | None]]], Strategy, bool]]) -> None:
            load.clear()
            model = Model()
            for pages, strategy, whole in loads:
                bodies = [
                    page(*(wire(k, v, deleted=s is None, label="toolong" if s == "!" else s) for k, v, s in rows))
                    for rows in pages
                ]
                done = load.load(*bodies, strategy=strategy, whole=whole)
                applied = done.applied
                counts = (applied.inserted, applied.updated, applied.revived, applied.buried, done.missing)
                assert counts == model.load(pages, whole=whole)
            kept = load.connection.execute("SELECT n, label, _bridge_deleted FROM hostile.items").fetchall()
            assert {n: (label, deleted) for n, label, deleted in kept} == model.table

        holds()


def test_rows_are_settled_by_version_and_then_by_the_order_they_were_read_in(database: Database) -> None:
    with loader(database, KEY, column("label", "CLOB")) as load:
        first = [
            wire(1, "10", label="ten"),
            wire(2, label="first"),
            wire(3, "5", label="five"),
            wire(4, "0x0a", label="a"),
        ]
        second = [
            wire(1, "9", label="nine"),
            wire(2, label="last"),
            wire(3, "5", label="again"),
            wire(4, "0xB", label="b"),
        ]
        done = load.load(page(*first), page(*second))
        assert (done.left_out, done.fetched, done.applied.inserted) == (4, 4, 4)
        assert load.live("label") == {1: ("ten",), 2: ("last",), 3: ("again",), 4: ("b",)}


def test_a_row_changed_by_hand_is_mended_by_full_alone(database: Database) -> None:
    with loader(database, KEY, column("label", "CLOB")) as load:
        load.load(page(wire(1, label="x")))
        for by_hand in ("'by hand'", "NULL"):
            load.connection.execute(f"UPDATE hostile.items SET label = {by_hand}".encode())
            assert load.load(page(wire(1, label="x")), strategy="hash").applied.updated == 0
            assert load.load(page(wire(1, label="x")), strategy="full").applied.updated == 1
            assert load.live("label") == {1: ("x",)}


def test_equal_keys_in_other_spellings_are_one_row(database: Database) -> None:
    columns = (column("n", "NUMBER", key=True), column("uid", "GUID", key=True), column("label", "CLOB"))
    uid = UUID(int=0xABC)
    with loader(database, *columns) as load:
        load.load(page(wire(1, uid=str(uid), label="x")))
        done = load.load(
            page(wire("1.00", uid=f"{{{str(uid).upper()}}}", label="y"), wire("1e0", uid=uid.hex, label="z"))
        )
        assert (done.applied.updated, done.left_out) == (1, 1)
        assert load.live("label") == {Decimal(1): ("z",)}


def test_a_refused_row_is_still_at_the_source(database: Database) -> None:
    with loader(database, KEY, column("label", "VARCHAR2(1)")) as load:
        load.load(page(wire(1, label="x"), wire(2, label="x")))
        done = load.load(page(wire(1, label="too long")), whole=True)
        assert (done.missing, done.fetched, len(done.rejects)) == (1, 0, 1)
        assert load.live("label") == {1: ("x",)}


def test_text_that_means_something_to_copy_is_only_text(database: Database) -> None:
    texts = [
        "\\.",
        "\\N",
        "\t",
        "\\",
        "a\\",
        "\\t",
        "\r\n",
        "\x7f\b\f\v",
        "",
        " ",
        "\u2028",
        "\ufeff",
        "'; DROP TABLE x; --",
    ]
    with loader(database, KEY, column("label", "CLOB")) as load:
        load.load(page(*(wire(number, label=text) for number, text in enumerate(texts))))
        assert [load.live("label")[number][0] for number in range(len(texts))] == texts


def test_columns_with_hostile_names_are_only_columns(database: Database) -> None:
    names = ['a"b', "a;b", "a%sb", "a{b}", "select", "größe", "ж" * 31, "a'b", "n n", "_bridge_x"]
    columns = tuple(Column(name, name, name, "CLOB", "text", is_nullable=True, is_business_key=False) for name in names)
    key = Column('k"k', 'k"k', 'k"k', "INTEGER", "integer", is_nullable=False, is_business_key=True)
    with loader(database, key, *columns) as load:
        data = {name: name for name in names}
        row = {"data": {'k"k': 1, **data}, "oracle_keys": {}}
        assert load.load(page(row), strategy="full").applied.inserted == 1
        row["data"]["select"] = "changed"
        assert load.load(page(row), strategy="full").applied.updated == 1
        assert load.live(*names)[1] == tuple({**data, "select": "changed"}.values())
        bad = {"data": {'k"k': 2, "größe": "a\0"}, "oracle_keys": {}}
        assert load.load(page(bad)).rejects[0].column == "größe"
