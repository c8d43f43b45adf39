"""Values and rows that cannot be kept: each is one reject, and the rest of its page is in."""

import base64
from datetime import date
from uuid import UUID

import numpy as np
import pytest

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.loading.apply import Applied
from syncflow_pipelines.sync.model import EntitySpec
from syncflow_pipelines_tests.postgres.loading import KEY, Loader, column, literal, loader, page, wire

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
