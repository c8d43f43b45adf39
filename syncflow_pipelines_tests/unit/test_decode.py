"""How a page's rows become lines for the staging table, and what of them is rejected."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.conversion.decode import (
    MAX_KEY_BYTES,
    ROW,
    SEEN_ONLY,
    TOMBSTONE,
    Batch,
    RowDecoder,
    key_digest,
)
from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.reading.pages import parse_page
from syncflow_pipelines_tests.unit.csv_lines import Line, read_line


def column(
    name: str, pg_type: str = "text", *, key: bool = False, nullable: bool = True, data_type: str = ""
) -> Column:
    return Column(name.upper(), name, name, data_type, pg_type, nullable and not key, key)


SPEC = EntitySpec(
    slug="items",
    name="Items",
    description=None,
    strategy="rowversion",
    business_keys=("site", "number"),
    rowversion_column=None,
    columns=(
        column("label"),
        column("number", "integer", key=True),
        column("qty", "numeric(12,3)", nullable=False),
        column("site", key=True),
    ),
)
DECODER = RowDecoder(SPEC)


def wire(data: Any = None, keys: Any = None, **more: Any) -> bytes:
    given = {"site": "A", "number": 1, "label": "x", "qty": 1} if data is None else data
    return json.dumps({"data": given, "oracle_keys": {} if keys is None else keys, **more}).encode()


def staged(batch: Batch) -> list[Line]:
    assert len(batch.rows) == len(batch.lines)
    return [read_line(line, kind) for line, kind in zip(batch.lines, batch.kinds, strict=True)]


def only(batch: Batch) -> Line:
    (line,) = staged(batch)
    assert batch.rejects == []
    return line


def key_of(line: Line) -> tuple[str | None, str | None]:
    return line.columns[3], line.columns[1]


def decode(*rows: bytes, decoder: RowDecoder = DECODER) -> Batch:
    return decoder.decode(parse_page(b'{"rows":[' + b",".join(rows) + b"]}"))


def test_a_row_becomes_a_line_in_the_order_of_the_columns() -> None:
    batch = decode(wire({"site": 'A\t"B', "number": 7, "label": None, "qty": 1.5}, row_version="9"))
    line = only(batch)
    assert line.columns == [None, "7", "1.5", 'A\t"B']
    assert (line.version, line.kind) == ("9", ROW)
    assert re.fullmatch("[0-9a-f]{32}", line.digest or "")
    assert DECODER.key(batch.rows[0]) == ('A\t"B', "7")
    assert (batch.rejects, batch.versions, batch.unversioned) == ([], ["9"], False)


@pytest.mark.parametrize("text", ["null", r"\N", "", "NULL", '"null"'])
@pytest.mark.parametrize("other", [{}, {"qty": "1"}])
def test_text_that_looks_like_null_is_not_null(text: str, other: dict[str, Any]) -> None:
    row = wire({"site": "A", "number": 1, "label": text, "qty": 1, **other}, row_version="null")
    line = only(decode(row))
    assert line.columns[0] == text
    assert line.version == "null"
    assert only(DECODER.alone(decode(row).rows[0])) == line


def test_a_missing_member_is_null() -> None:
    line = only(decode(wire({"site": "A", "number": 1, "qty": 1})))
    assert line.columns[0] is None


@pytest.mark.parametrize("data", [{"label": "x", "qty": 1}, {"site": None, "number": None, "qty": 1}])
def test_a_key_that_data_does_not_hold_is_taken_from_oracle_keys(data: dict[str, Any]) -> None:
    batch = decode(wire(data, {"SITE": "A", "NUMBER": "07"}))
    assert key_of(only(batch)) == DECODER.key(batch.rows[0]) == ("A", "7")


def test_data_wins_over_oracle_keys() -> None:
    batch = decode(wire(None, {"SITE": "Z", "NUMBER": 99}))
    assert key_of(only(batch)) == DECODER.key(batch.rows[0]) == ("A", "1")


@pytest.mark.parametrize(
    ("row", "reason", "at", "value"),
    [
        (wire({"site": "A", "number": 1, "qty": None}), "not nullable", "qty", "null"),
        (wire({"site": "A", "number": 1}), "not nullable", "qty", "null"),
        (wire({"site": "A", "number": 1, "qty": "many"}), "is not a number", "qty", '"many"'),
        (wire({"site": "A", "number": 1, "qty": [1]}), "object or array", "qty", "[1]"),
        (wire({"site": "A", "number": 1, "qty": 1, "label": "a\0"}), "NUL", "label", '"a\\u0000"'),
        (wire({"number": 1, "qty": 1}), "no value in a business-key column", "site", None),
        (wire([1]), "its data is not an object", None, None),
        (wire({"qty": 1}, [1]), "its oracle_keys is not an object", None, None),
        (wire({"site": "A"}, deleted=True), "without its business key", None, None),
        (wire(None, row_version="a\0b"), "row_version holds a NUL", None, None),
        (wire(None, row_version="9" * 501), "more than 500 characters", None, None),
        (wire({"site": "é" * MAX_KEY_BYTES, "number": 1, "qty": 1}), "bytes long in an indexed column", "site", None),
        (wire({"site": "é" * 2000, "number": 1}, deleted=True), "bytes long in an indexed column", "site", None),
        (wire(None, deleted=1), "not a row of the contract", None, None),
        (b'{"data":{"site":"A","number":1,"qty":NaN,"label":"x"}}', "not a row of the contract", "qty", "NaN"),
        (b'{"data":{"site":"A","number":1,"qty":1,"label":"\\ud800"}}', "not a row", "label", '"\\ud800"'),
        (b'{"data":{"site":"A","number":1,"qty":1,"other":NaN}}', "not a row of the contract", None, "NaN"),
    ],
)
def test_a_row_that_cannot_be_kept_is_one_reject_and_the_others_are_staged(
    row: bytes, reason: str, at: str | None, value: str | None
) -> None:
    batch = decode(wire(row_version="1"), row, wire(row_version="2"))
    assert len(batch.rows) == 2
    (reject,) = batch.rejects
    assert reason in reject.reason
    assert (reject.column, reject.value) == (at, value)
    assert len(batch.versions) == len(batch.digests) == 3
    assert batch.versions[0] == "1"
    assert batch.versions[2] == "2"


@pytest.mark.parametrize(
    ("row", "reason", "at", "value"),
    [
        (wire({"site": "A", "number": 2**31, "qty": 1}), "out of range", "number", "2147483648"),
        (wire({"site": "A", "number": 1, "qty": 10**9}), "10 digits before the point", "qty", "1000000000"),
        (b'{"data":{"site":"A","number":1,"qty":1,"label":"\xff"}}', "not valid Unicode", "label", '"\\xff"'),
    ],
)
def test_a_row_that_postgresql_refuses_is_rejected_with_its_column_once_it_is_looked_at_alone(
    row: bytes, reason: str, at: str, value: str
) -> None:
    (left_to_postgresql,) = decode(row).rows
    alone = DECODER.alone(left_to_postgresql)
    (reject,) = alone.rejects
    assert reason in reject.reason
    assert (reject.column, reject.value) == (at, value)
    assert (alone.rows, alone.lines, alone.kinds) == ([], [], [])


def test_a_reject_holds_the_whole_row_and_its_key() -> None:
    row = wire({"site": "A", "number": 5, "qty": "many", "more": "é"}, {"SITE": "A"}, row_version="3")
    (reject,) = decode(row).rejects
    assert json.loads(reject.raw) == {**json.loads(row), "deleted": False}
    assert reject.key == ("A", "5")


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (wire([1], {"SITE": "A", "NUMBER": 5}), ("A", "5")),
        (wire({"site": "A", "number": "five", "qty": 1}, {"NUMBER": 5}), ("A", "5")),
        (wire({"site": "A", "number": "five", "qty": 1}), None),
        (b'{"data":{"site":"A","qty":NaN},"oracle_keys":{"NUMBER":5}}', ("A", "5")),
        (b'{"data":{"site":"\\ud800","qty":1},"oracle_keys":{"NUMBER":5,"SITE":"B"}}', ("B", "5")),
        (b'{"data":17,"oracle_keys":NaN}', None),
        (b"17", None),
    ],
)
def test_the_key_of_a_rejected_row_is_found_wherever_it_can_be_read(row: bytes, key: tuple[str, ...] | None) -> None:
    (reject,) = decode(row).rejects
    assert reject.key == key
    line = DECODER.seen_only(reject)
    assert (line is None) == (key is None)
    if line and key:
        seen = read_line(line, SEEN_ONLY)
        assert key_of(seen) == key
        assert (seen.columns[0], seen.columns[2], seen.digest, seen.version) == (None,) * 4


@pytest.mark.parametrize(
    "row",
    [
        wire({"site": "A", "number": 1}, deleted=True),
        wire({}, {"SITE": "A", "NUMBER": 1}, deleted=True),
        b'{"data":null,"oracle_keys":{"SITE":"A","NUMBER":1},"deleted":true}',
        b'{"oracle_keys":{"SITE":"A","NUMBER":1},"deleted":true}',
        b'{"data":{"site":"A","number":1},"oracle_keys":null,"deleted":true}',
        b'{"data":{"site":null,"number":1},"oracle_keys":{"SITE":"A"},"deleted":true}',
    ],
)
def test_a_tombstone_needs_no_more_than_its_key(row: bytes) -> None:
    batch = decode(row)
    line = only(batch)
    assert key_of(line) == DECODER.key(batch.rows[0]) == ("A", "1")
    assert (line.kind, line.digest, line.columns[0]) == (TOMBSTONE, None, None)


def test_rows_without_a_row_version_are_told_from_rows_whose_version_cannot_be_read() -> None:
    assert decode(wire(row_version="1")).unversioned is False
    assert decode(wire(row_version="1"), wire()).unversioned is True
    assert decode(wire(row_version="")).unversioned is True
    for unreadable in (wire(row_version="\0"), wire(row_version=1.5), b"17"):
        batch = decode(unreadable)
        assert (batch.unversioned, batch.versions) == (False, [None])


def test_a_version_that_cannot_be_kept_is_refused_beside_rows_without_one() -> None:
    for unusable in ("a\0b", "9" * 501):
        batch = decode(wire(), wire(row_version=unusable), wire(row_version="1"))
        assert [reject.reason for reject in batch.rejects if "row_version" in reject.reason]
        assert (len(batch.lines), batch.unversioned, batch.versions) == (2, True, [None, None, "1"])


def test_versions_of_bad_rows_stand_where_the_rows_stood() -> None:
    def bad(version: str) -> bytes:
        return b'{"data":{"qty":NaN},"row_version":"%b"}' % version.encode()

    batch = decode(bad("1"), wire(row_version="2"), b"17", bad("4"), wire(row_version="5"), bad("6"))
    assert batch.versions == ["1", "2", None, "4", "5", "6"]


def test_columns_that_the_catalogue_does_not_name_are_told_in_printable_words() -> None:
    row = wire({"site": "A", "number": 1, "qty": 1, "a\0b": 1, "größe": 2, "x" * 500: 3})
    decoder = RowDecoder(SPEC)
    decode(wire(), decoder=decoder)
    assert decoder.unknown_names == set()
    decode(row, decoder=decoder)
    assert decoder.unknown_names == {r"a\x00b", "größe", "x" * 100}


def test_a_row_version_column_that_no_index_could_hold_is_refused() -> None:
    decoder = RowDecoder(replace(SPEC, rowversion_column="label"))
    row = {"site": "A", "number": 1, "qty": 1}
    assert decode(wire({**row, "label": "x" * 2000}), decoder=decoder).rejects == []
    (reject,) = decode(wire({**row, "label": "x" * 3000}), decoder=decoder).rejects
    assert reject.column == "label"
    assert decode(wire({**row, "label": "x" * 3000})).rejects == []


def test_digests_tell_keys_apart_and_deletions_from_rows() -> None:
    one, two = wire({"site": "A", "number": 1, "qty": 1}), wire({"site": "A", "number": 2, "qty": 1})
    changed = wire({"site": "A", "number": 1, "qty": 99}, row_version="7")
    gone = wire({"site": "A", "number": 1}, deleted=True)
    first = decode(one).digests
    assert decode(changed).digests == first
    assert len({*first, *decode(two).digests, *decode(gone).digests}) == 3


def test_a_long_key_is_measured_in_bytes_of_all_its_columns() -> None:
    half = "x" * (MAX_KEY_BYTES // 2)
    spec = replace(SPEC, business_keys=("site", "label"), columns=(column("site", key=True), column("label", key=True)))
    decoder = RowDecoder(spec)
    assert decode(wire({"site": half[20:], "label": half}), decoder=decoder).rejects == []
    assert len(decode(wire({"site": half, "label": half}), decoder=decoder).rejects) == 1


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["site", "number", "label", "qty", "more"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    ),
    st.dictionaries(st.sampled_from(["SITE", "NUMBER"]), st.none() | st.integers() | st.text(max_size=3)),
    st.none() | st.text(max_size=4) | st.integers(),
    st.sampled_from([None, False, True]),
)
def test_every_row_is_either_staged_or_rejected(
    data: dict[str, Any], keys: dict[str, Any], version: Any, deleted: bool | None
) -> None:
    batch = decode(wire(data, keys, row_version=version, deleted=deleted))
    assert len(batch.rows) + len(batch.rejects) == 1
    assert len(batch.versions) == len(batch.digests) == 1
    for line in staged(batch):
        assert len(line.columns) == len(SPEC.columns)
        left_to_postgresql = DECODER.alone(batch.rows[0]).rejects
        assert left_to_postgresql or key_of(line) == DECODER.key(batch.rows[0])
        assert (line.kind == TOMBSTONE) == (deleted is True)
    for reject in batch.rejects:
        assert json.loads(reject.raw)["data"] == data


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text("ab\t\n\\N", max_size=4), st.text("ab\t\n\\N", max_size=4))
def test_equal_rows_hash_alike_and_others_do_not(one: str, other: str) -> None:
    def hashed(site: str, label: str) -> str | None:
        return only(decode(wire({"site": site, "number": 1, "label": label, "qty": 1}))).digest

    assert (hashed(one, other) == hashed(other, one)) == (one == other)


def test_the_hash_of_a_row_is_that_of_what_the_source_said_but_for_its_version() -> None:
    def hashed(data: bytes, keys: bytes = b"{}", more: bytes = b"") -> bytes:
        page = parse_page(b'{"rows":[{"data":%b,"oracle_keys":%b%b}]}' % (data, keys, more))
        return DECODER.hashes(page.rows)[0]

    data = b'{"site":"A","number":1,"qty":1}'
    first = hashed(data)
    assert len(first) == 16
    assert hashed(data, more=b',"row_version":"7"') == hashed(data, more=b',"deleted":null') == first
    others = [
        hashed(data, b'{"SITE":"A"}'),
        hashed(data, more=b',"deleted":true'),
        hashed(data.replace(b"1}", b"1.0}")),
        hashed(data.replace(b"}", b',"more":1}')),
    ]
    assert len({first, *others}) == 5


def test_a_row_keeps_its_hash_where_it_is_looked_at_alone() -> None:
    batch = decode(wire(), wire(None, {"SITE": "A"}))
    for row, line in zip(batch.rows, staged(batch), strict=True):
        assert only(DECODER.alone(row)) == line


def test_a_new_column_or_type_changes_every_hash_once() -> None:
    def hashed(spec: EntitySpec) -> str | None:
        return only(decode(wire(), decoder=RowDecoder(spec))).digest

    wider = replace(SPEC, columns=(*SPEC.columns[:2], column("qty", "numeric(14,3)"), SPEC.columns[3]))
    longer = replace(SPEC, columns=(*SPEC.columns, column("more")))
    assert len({hashed(SPEC), hashed(wider), hashed(longer)}) == 3
    assert hashed(SPEC) == hashed(replace(SPEC, description="other words"))


def test_key_digests_depend_on_the_key_alone() -> None:
    (good,) = decode(wire({"site": "A", "number": 1, "qty": 1})).rows
    (bad,) = decode(wire({"site": "A", "number": "1", "qty": "many"})).rejects
    key = DECODER.key(good)
    assert key is not None
    assert bad.key is not None
    assert key_digest(key) == key_digest(bad.key)
    assert key_digest(("a\tb", "c")) != key_digest(("a", "b\tc"))
