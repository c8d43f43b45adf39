"""From a page as it came over the wire to the rows of the table, in PostgreSQL."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.apply import Applied, Target
from syncflow_pipelines.sync.decode import Reject, RowDecoder
from syncflow_pipelines.sync.model import STRATEGIES, Column, EntitySpec, Strategy, Table
from syncflow_pipelines.sync.pages import parse_page
from syncflow_pipelines.sync.staging import Staging
from syncflow_pipelines.sync.tables import ensure_table
from syncflow_pipelines.sync.types import postgres_type

LIGHT = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TABLE = Table("hostile", "items")


def column(name: str, data_type: str, *, key: bool = False) -> Column:
    return Column(name.upper(), name, name, data_type, postgres_type(data_type).pg_type, not key, key)


def entity(*columns: Column) -> EntitySpec:
    keys = tuple(column.identifier for column in columns if column.is_business_key)
    return EntitySpec("items", "Items", None, "rowversion", keys, None, columns)


@dataclass
class Load:
    """What one staging and application came to."""

    applied: Applied
    rejects: list[Reject]
    left_out: int
    fetched: int
    missing: int


class Loader:
    """Loads pages into one entity's table, each load a transaction of its own."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec) -> None:
        self.connection, self.spec = connection, spec
        self._decoder = RowDecoder(spec)
        with connection.transaction():
            ensure_table(connection, spec, TABLE)

    def load(self, *pages: bytes, strategy: Strategy = "hash", whole: bool = False) -> Load:
        with self.connection.transaction():
            staging = Staging(self.connection, self.spec, self._decoder)
            staging.create()
            rejects = [reject for page in pages for reject in staging.add(self._decoder.decode(parse_page(page)))]
            left_out = staging.settle()
            target = Target(self.connection, self.spec, TABLE)
            applied = target.apply(strategy)
            missing = target.bury_missing() if whole else 0
            return Load(applied, rejects, left_out, staging.count(), missing)

    def live(self, *names: str) -> dict[Any, tuple[Any, ...]]:
        """Live rows by the first column of the key."""
        chosen = names or tuple(column.identifier for column in self.spec.columns)
        statement = sql.SQL("SELECT {} FROM hostile.items WHERE NOT _bridge_deleted").format(
            sql.SQL(", ").join(map(sql.Identifier, (self.spec.business_keys[0], *chosen)))
        )
        return {row[0]: row[1:] for row in self.connection.execute(statement)}

    def clear(self) -> None:
        self.connection.execute("TRUNCATE hostile.items")


@contextmanager
def loader(database: Database, *columns: Column) -> Iterator[Loader]:
    with database.dedicated("test") as connection:
        yield Loader(connection, entity(*columns))


def page(*rows: bytes | dict[str, Any]) -> bytes:
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return b'{"rows":[' + b",".join(texts) + b"]}"


def wire(number: Any, version: Any = None, *, deleted: bool = False, **values: Any) -> dict[str, Any]:
    return {"data": {"n": number, **values}, "oracle_keys": {}, "row_version": version, "deleted": deleted}


def literal(number: int, name: str, value: bytes) -> bytes:
    """A row with a value that is no JSON, or none that Python would write."""
    return b'{"data":{"n":%d,"%b":%b},"oracle_keys":{"N":%d}}' % (number, name.encode(), value, number)


KEY = column("n", "INTEGER", key=True)

# Every type, there and back

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
MOMENTS = st.integers(-62_135_596_800 + 90_000, 253_402_214_400).map(
    lambda second: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
MICROS = st.integers(0, 999_999)
ZONES = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda units: Decimal(units).scaleb(-scale))


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


def is_same(one: Any, other: Any) -> bool:
    return bool(one == other)


def is_same_real(one: Any, other: Any) -> bool:
    return bool(np.float32(one) == np.float32(other))


@dataclass(frozen=True)
class Kind:
    """A column type: what a source may send, and what has to come out."""

    data_type: str
    values: st.SearchStrategy[tuple[bytes, Any]]
    same: Callable[[Any, Any], bool] = is_same


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KINDS = {
    "c_text": Kind("CLOB", TEXT.map(lambda value: (json.dumps(value, ensure_ascii=False).encode(), value))),
    "c_varchar": Kind("VARCHAR2(8 CHAR)", TEXT.map(lambda value: (said(value), value))),
    "c_small": Kind("NUMBER(4)", st.integers(-(2**15), 2**15 - 1).map(lambda n: (said(n), n))),
    "c_int": Kind("INTEGER", st.integers(-(2**31), 2**31 - 1).map(lambda n: (said(str(n)), n))),
    "c_big": Kind("NUMBER(18)", st.integers(-(2**63), 2**63 - 1).map(lambda n: (said(n), n))),
    "c_number": Kind("NUMBER", decimals(60, 30).map(lambda n: (str(n).encode(), n))),
    "c_decimal": Kind("NUMBER(38,10)", decimals(38, 10).map(lambda n: (said(format(n, "f")), n))),
    "c_tiny": Kind("NUMBER(3,5)", decimals(3, 5).map(lambda n: (str(n).encode(), n))),
    "c_double": Kind("FLOAT", st.floats(allow_nan=False, allow_infinity=False).map(lambda n: (said(n), n))),
    "c_real": Kind(
        "REAL",
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda n: (said(n), n)),
        is_same_real,
    ),
    "c_bool": Kind("BOOLEAN", st.booleans().map(lambda truth: (said("Y" if truth else 0), truth))),
    "c_date": Kind("date", st.dates().map(lambda day: (said(day.isoformat()), day))),
    "c_stamp": Kind(
        "TIMESTAMP(6)",
        st.builds(lambda moment, micros: moment.replace(microsecond=micros, tzinfo=None), MOMENTS, MICROS).map(
            lambda moment: (said(moment.isoformat(" ")), moment)
        ),
    ),
    "c_stamp_utc": Kind(
        "DATE",
        st.builds(lambda moment, zone: moment.astimezone(zone), MOMENTS, ZONES).map(
            lambda moment: (said(moment.isoformat()), moment.astimezone(UTC).replace(tzinfo=None))
        ),
    ),
    "c_stamptz": Kind(
        "TIMESTAMP WITH TIME ZONE",
        st.builds(lambda moment, zone: moment.astimezone(zone), MOMENTS, ZONES).map(
            lambda moment: (said(moment.isoformat()), moment)
        ),
    ),
    "c_time": Kind("TIME", st.times().map(lambda clock: (said(clock.isoformat()), clock))),
    "c_timetz": Kind(
        "TIME WITH TIME ZONE",
        st.builds(lambda clock, zone: clock.replace(tzinfo=zone), st.times(), ZONES).map(
            lambda clock: (said(clock.isoformat()), clock)
        ),
    ),
    "c_bytes": Kind("BLOB", st.binary(max_size=9).map(lambda value: (said("0x" + value.hex()), value))),
    "c_base64": Kind(
        "RAW(12)",
        st.binary(min_size=10, max_size=10).map(lambda value: (said(base64.b64encode(value).decode()), value)),
    ),
    "c_json": Kind("JSON", JSON.filter(lambda value: value is not None).map(lambda value: (said(value), value))),
    "c_uuid": Kind("GUID", st.uuids().map(lambda uid: (said(str(uid).upper()), uid))),
    "c_unknown": Kind("SDO_GEOMETRY", TEXT.map(lambda value: (said(value), value))),
}  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | kind.values for name, kind in KINDS.items()}), min_size=1, max_size=3
)


def test_what_comes_out_of_every_column_is_what_the_source_said(database: Database) -> None:
    with loader(database, KEY, *(column(name, kind.data_type) for name, kind in KINDS.items())) as load:

        @LIGHT
        @given(ROWS)
        def there_and_back(rows: list[dict[str, tuple[bytes, Any] | None]]) -> None:
            load.clear()
            texts = []
            for number, row in enumerate(rows):
                members = [b'"n":%d' % number]
                members += [b'"%b":%b' % (name.encode(), value[0]) for name, value in row.items() if value]
                texts.append(b'{"oracle_keys":{},"data":{' + b",".join(members) + b"}}")
            done = load.load(page(*texts))
            assert done.rejects == []
            assert done.applied.inserted == len(rows)
            live = load.live(*KINDS)
            for number, row in enumerate(rows):
                for (name, kind), found in zip(KINDS.items(), live[number], strict=True):
                    value = row[name]
                    assert found is None if value is None else kind.same(found, value[1]), (name, found, value)
            assert load.load(page(*texts), strategy="full").applied == Applied(0, 0, 0, 0)

        there_and_back()


# Bad values

GOOD = {
    "CLOB": "x",
    "JSON": {},
    "date": "2025-12-08",
    "GUID": str(UUID(int=1)),
    "BLOB": "00",
    "BOOLEAN": True,
    "DATE": "2025-12-08T01:02:03",
    "TIMESTAMP WITH TIME ZONE": "2025-12-08T01:02:03Z",
    "TIME": "01:02:03",
}
NO_JSON = "not a row of the contract"
BAD = [
    ("CLOB", rb'"a\u0000b"', "NUL character"),
    ("CLOB", rb'"\ud800"', NO_JSON),
    ("CLOB", rb'"\udc00\ud800"', NO_JSON),
    ("CLOB", b'"a\xff\xfeb"', "not valid Unicode"),
    ("CLOB", b'"a\x00\x01b"', NO_JSON),
    ("CLOB", b'{"a":1}', "object or array"),
    ("CLOB", b"[" * 3000 + b"]" * 3000, NO_JSON),
    ("VARCHAR2(3)", b'"abcd"', "4 characters long"),
    ("NUMBER(9)", b"NaN", NO_JSON),
    ("NUMBER(9)", b"Infinity", NO_JSON),
    ("NUMBER(9)", b'"NaN"', "not a number"),
    ("NUMBER(9)", b"2147483648", "out of range"),
    ("NUMBER(9)", b"1.5", "not a whole number"),
    ("NUMBER(9)", b"1." + b"0" * 9 + b"x", NO_JSON),
    ("NUMBER(9,2)", b"12345678", "digits before the point"),
    ("NUMBER(9,2)", b"1.234", "decimals"),
    ("NUMBER", b"1e131072", "out of range"),
    ("NUMBER", b"1e-16384", "out of range"),
    ("NUMBER", b'"-Infinity"', "not a number"),
    ("FLOAT", b"1e-400", "out of range"),
    ("FLOAT", b"1e400", "out of range"),
    ("REAL", b"1e39", "out of range"),
    ("REAL", b"1e-46", "out of range"),
    ("BOOLEAN", b"2", "not true or false"),
    ("BOOLEAN", b"tru", NO_JSON),
    ("date", b'"2025-02-30"', "no moment of the calendar"),
    ("date", b'"0000-01-01"', "no moment of the calendar"),
    ("date", b'"yesterday"', "not a date"),
    ("DATE", b'"2025-12-08T25:00:00"', "no moment of the calendar"),
    ("DATE", b'"2025-12-08T12:00:00+99:00"', "no moment of the calendar"),
    ("DATE", b'"infinity"', "not a time stamp"),
    ("TIMESTAMP WITH TIME ZONE", b'"2025-12-08T12:00:00+16:00"', "in no time zone"),
    ("TIMESTAMP WITH TIME ZONE", b'"2025-12-08T12:00:00.' + b"1" * 200 + b'"', "not a date or time"),
    ("TIME", b'"12:60"', "no moment of the calendar"),
    ("BLOB", b'"xyz"', "neither hexadecimal nor base64"),
    ("RAW(2)", b'"0x010203"', "3 bytes long"),
    ("JSON", rb'{"a":"\u0000"}', "NUL character"),
    ("JSON", b'{"a":1e200000}', "out of range"),
    ("JSON", b'{"a":NaN}', NO_JSON),
    ("JSON", rb'"\ud800"', NO_JSON),
    ("GUID", b'"{12345678-1234-1234-1234-123456789012"', "not a value of the column's type"),
    ("GUID", b'"17"', "not a UUID"),
]


def test_a_bad_value_of_any_type_is_one_reject_with_its_column_and_reason(database: Database) -> None:
    types = sorted({data_type for data_type, _, _ in BAD})
    names = {data_type: f"c{number}" for number, data_type in enumerate(types)}
    with loader(database, KEY, *(column(names[data_type], data_type) for data_type in types)) as load:
        for start in range(0, len(BAD), 14):
            some = BAD[start : start + 14]
            load.clear()
            bad = [literal(number, names[data_type], value) for number, (data_type, value, _) in enumerate(some, 100)]
            values = {names[data_type]: value for data_type, value in GOOD.items()}
            good = [{"data": {"n": number, **values}, "oracle_keys": {}} for number in range(5)]
            done = load.load(page(*good[:2], *bad[:7], *good[2:4], *bad[7:], good[4]))
            assert set(load.live()) == {0, 1, 2, 3, 4}
            assert (done.applied.inserted, done.fetched) == (5, 5)
            found = {reject.key: reject for reject in done.rejects}
            for number, (data_type, value, reason) in enumerate(some, 100):
                reject = found[(str(number),)]
                assert reason in reject.reason, (data_type, value, reject.reason)
                assert reject.column == names[data_type], (data_type, value)
                assert reject.value == value.decode("utf-8", "backslashreplace"), (data_type, value)
            assert len(done.rejects) == len(some)


def test_a_deeply_nested_value_is_kept_or_rejected_but_never_ends_the_load(database: Database) -> None:
    with loader(database, KEY, column("doc", "JSON")) as load:
        deep = [literal(depth, "doc", b"[" * depth + b"]" * depth) for depth in (500, 900, 980, 2000, 100_000)]
        done = load.load(page(wire(1, doc=1), *deep, wire(2, doc=[2])))
        assert set(load.live()) >= {1, 2, 500, 900}
        assert len(load.live()) + len(done.rejects) == 7


def test_a_page_of_bad_rows_only_is_rejected_row_by_row(database: Database) -> None:
    with loader(database, KEY, column("day", "date")) as load:
        done = load.load(page(*(wire(number, day="2025-02-30") for number in range(300))))
        assert len(done.rejects) == 300
        assert {reject.column for reject in done.rejects} == {"day"}
        assert done.applied == Applied(0, 0, 0, 0)


def test_a_key_that_postgresql_refuses_is_a_reject_without_a_key(database: Database) -> None:
    day = column("day", "date", key=True)
    with loader(database, day, column("label", "CLOB")) as load:
        rows = [
            {"data": {"day": said_day, "label": label}, "oracle_keys": {}, "deleted": deleted}
            for said_day, label, deleted in [
                ("2025-12-08", "x", False),
                ("2025-02-30", "x", False),
                ("2025-02-31", "a\0", False),
                ("2025-02-32", None, True),
                ("2025-12-09", "y\0", False),
            ]
        ]
        done = load.load(page(*rows))
        assert load.live() == {date(2025, 12, 8): (date(2025, 12, 8), "x")}
        assert [reject.key for reject in done.rejects] == [None, ("2025-12-09",), None, None]


def test_keys_and_row_versions_up_to_the_limit_fit_the_indexes(database: Database) -> None:
    noise = base64.b85encode(np.random.default_rng(1).bytes(4000)).decode()
    columns = (column("n", "CLOB", key=True), column("stamp", "CLOB"))
    spec = EntitySpec("items", "Items", None, "rowversion", ("n",), "stamp", columns)
    with database.dedicated("test") as connection:
        load = Loader(connection, spec)
        lengths = (2000, 2590, 2592, 2593, 2700, 2800, 4000)
        rows = [wire(noise[:length], version=noise[:500], stamp=noise[:200]) for length in lengths]
        rows += [wire(str(length), version=noise[:501], stamp=noise[:length]) for length in lengths]
        rows += [wire(f"stamp {length}", stamp=noise[:length]) for length in lengths]
        done = load.load(page(*rows), strategy="rowversion")
        assert done.applied.inserted == 6
        assert len(done.rejects) == len(rows) - 6


def test_a_json_key_that_grows_in_the_index_is_refused_in_time(database: Database) -> None:
    with loader(database, column("n", "JSON", key=True)) as load:
        rows = [wire(list(range(1000, 1000 + length))) for length in (10, 50, 65, 70, 200, 450)]
        done = load.load(page(*rows))
        assert done.applied.inserted + len(done.rejects) == 6
        assert done.applied.inserted >= 2


@pytest.mark.parametrize("columns", [399, 1590])
def test_a_row_too_wide_for_a_page_of_postgresql_is_one_reject(database: Database, columns: int) -> None:
    names = [f"c{number:04d}" for number in range(columns - 1)]
    with loader(database, KEY, *(column(name, "BIGINT" if columns > 1000 else "CLOB") for name in names)) as load:
        fills = [*range(0, columns, 300), *range(985, min(1010, columns))]
        rows = [{"data": {"n": fill, **dict.fromkeys(names[:fill], fill)}, "oracle_keys": {}} for fill in fills]
        done = load.load(page(*rows))
        live = load.live("n")
        assert set(live) | {int((reject.key or ("",))[0]) for reject in done.rejects} == set(fills)
        assert {reject.reason for reject in done.rejects} <= {"is too large for PostgreSQL"}
        assert bool(done.rejects) == (columns > 1000)


# Settling and applying


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
        load.connection.execute("UPDATE hostile.items SET label = 'by hand'")
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
