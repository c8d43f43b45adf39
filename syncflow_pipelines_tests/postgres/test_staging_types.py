"""Every type of column, from the page to the table and back out."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.loading.apply import Applied
from syncflow_pipelines_tests.postgres.loading import KEY, LIGHT, column, loader, page

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
MOMENTS = st.integers(-62_135_596_800 + 90_000, 253_402_214_400).map(
    lambda second: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
MICROS = st.integers(0, 999_999)
ZONES = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(lambda units: Decimal(f"{units}E-{scale}"))


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
