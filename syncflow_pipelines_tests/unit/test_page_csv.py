"""A page's rows as CSV lines, written column by column, and the rows that are left to be looked at alone."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.conversion.decode import ROW, TOMBSTONE, RowDecoder
from syncflow_pipelines.sync.conversion.page_csv import ASKED_PAGES, PageEncoder
from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.reading.pages import WireRow, parse_page
from syncflow_pipelines_tests.unit.csv_lines import read_fields, read_line

HARD_NAMES = ['a"b', "a\\b", "a\tb", "a\nb"]
"""Of such no struct can have a field."""


def column(alias: str, pg_type: str = "text", *, key: bool = False) -> Column:
    return Column(alias.upper(), alias, f"c_{alias}", "", pg_type, not key, key)


def entity(*columns: Column) -> EntitySpec:
    keys = tuple(column.identifier for column in columns if column.is_business_key)
    return EntitySpec("items", "Items", None, "rowversion", keys, None, columns)


SPEC = entity(column("n", "integer", key=True), column("label"))


def encoder(spec: EntitySpec = SPEC, longest_key: int = 100) -> PageEncoder:
    return PageEncoder(spec, longest_key)


def row(data: Any, **more: Any) -> WireRow:
    return WireRow(msgspec.Raw(data if isinstance(data, bytes) else json.dumps(data).encode()), **more)


def lines(encoding: PageEncoder, *rows: WireRow) -> list[list[str | None] | None]:
    encoded = encoding.encode(rows)
    assert len(encoded.keys) == len(encoded.lines) == len(rows)
    assert encoded.all_plain is None or list(encoded.lines) == encoded.all_plain
    return [None if line is None else read_fields(line) for line in encoded.lines]


def test_members_are_written_in_the_order_of_the_columns_whatever_theirs_is() -> None:
    rows = [row({"label": "a", "n": 1}), row({"n": 2, "label": None}), row({"n": 3})]
    assert lines(encoder(), *rows) == [["1", "a"], ["2", None], ["3", None]]


def test_of_a_member_that_is_there_twice_the_last_counts_as_it_does_for_a_row_alone() -> None:
    twice = row(b'{"n":1,"label":"first","n":2,"lab\\u0065l":"last"}')
    assert lines(encoder(), twice) == [["2", "last"]]
    decoder = RowDecoder(SPEC)
    (line,) = decoder.alone(twice).lines
    assert read_line(line, ROW).columns == ["2", "last"]


@pytest.mark.parametrize("data", [b"[]", b"null", b"17", b'"x"', b"true", b"[[1]]"])
def test_data_that_is_no_object_leaves_its_row_alone_and_no_other(data: bytes) -> None:
    rows = [row({"n": 1, "label": "a"}), row(data), row({"n": 2, "label": "b"})]
    assert lines(encoder(), *rows) == [["1", "a"], None, ["2", "b"]]
    assert lines(encoder(), row(data)) == [None]


def test_a_page_without_a_row_that_can_be_read_has_no_lines() -> None:
    assert lines(encoder()) == []
    assert lines(encoder(), row({"n": 1}, deleted=True), row(b"[]")) == [None, None]


def test_a_row_that_is_not_plain_is_left_alone_and_the_others_are_written() -> None:
    rows = [row({"n": 1, "label": []}), row({"n": None, "label": "b"}), row({"n": "3", "label": "c"}), row({})]
    assert lines(encoder(), *rows) == [None, None, ["3", "c"], None]


def test_a_page_with_a_key_too_long_for_an_index_is_looked_at_row_by_row() -> None:
    spec = entity(column("k", key=True), column("label"))
    assert lines(encoder(spec, 10), row({"k": "x" * 8})) == [["x" * 8, None]]
    assert lines(encoder(spec, 10), row({"k": "x" * 9}), row({"k": "y"})) == [None, None]
    batch = RowDecoder(spec).decode(parse_page(b'{"rows":[{"data":{"k":"%b"}},{"data":{"k":"y"}}]}' % (b"x" * 400)))
    assert [read_line(line, ROW).columns for line in batch.lines] == [["x" * 400, None], ["y", None]]


def test_unknown_names_are_found_and_the_rows_are_written_all_the_same() -> None:
    encoding = encoder()
    assert lines(encoding, row({"n": 1, "label": "a", "more": 1}), row({"n": 2, "other": [2]})) == [
        ["1", "a"],
        ["2", None],
    ]
    assert encoding.unknown == {"more", "other"}


def test_names_are_looked_up_on_few_pages_with_unknown_ones_and_the_rows_are_written_on_all() -> None:
    encoding = encoder()
    for page in range(ASKED_PAGES + 5):
        assert lines(encoding, row({"n": page, f"new_{page}": 1, "label": "a"})) == [[str(page), "a"]]
    assert encoding.unknown == {f"new_{page}" for page in range(ASKED_PAGES)}


def test_pages_without_unknown_names_are_not_counted() -> None:
    encoding = encoder()
    for page in range(ASKED_PAGES * 2):
        assert lines(encoding, row({"n": page}), row(b"[]")) == [[str(page), None], None]
    assert lines(encoding, row({"n": 1, "late": 1})) == [["1", None]]
    assert encoding.unknown == {"late"}


@pytest.mark.parametrize(
    "alias", [*HARD_NAMES, "", "'", "\x7f", "größe", "c0", "\U0001f600", "null", "class", "__init__"]
)
def test_an_alias_may_be_any_text(alias: str) -> None:
    encoding = encoder(entity(column("n", "integer", key=True), column(alias)))
    for is_ascii in (True, False):
        data = json.dumps({alias: "x", "n": 1}, ensure_ascii=is_ascii).encode()
        assert lines(encoding, row(data), row(b"[]")) == [["1", "x"], None]


@pytest.mark.parametrize("alias", HARD_NAMES)
def test_unknown_names_are_found_beside_an_alias_of_any_text(alias: str) -> None:
    encoding = encoder(entity(column("n", "integer", key=True), column(alias)))
    assert lines(encoding, row({"n": 1, alias: "x", "more": 1})) == [["1", "x"]]
    assert encoding.unknown == {"more"}


def test_a_row_may_have_as_many_columns_as_postgresql() -> None:
    names = [f"column_{number}" for number in range(1500)]
    spec = entity(column("n", "integer", key=True), *map(column, names))
    values: list[str | None] = [f"{number},\n" if number % 3 else None for number in range(1500)]
    data = {"n": 1, **dict(zip(names, values, strict=True))}
    assert lines(encoder(spec), row(data), row({"n": 2})) == [["1", *values], ["2"] + [None] * 1500]


ROWS = st.lists(
    st.sampled_from(["plain", "escaped", "tombstone", "key elsewhere", "no object", "bad value", "unreadable"]),
    max_size=8,
)


def sent(kind: str, number: int) -> bytes:
    data = {
        "plain": b'{"k":"%d","label":"x"}',
        "escaped": b'{"k":"%d","label":"\\n"}',
        "tombstone": b'{"k":"%d"}',
        "key elsewhere": b'{"label":"%d"}',
        "no object": b"[%d]",
        "bad value": b'{"k":"%d","label":{}}',
        "unreadable": b'{"k":"%d","label":NaN}',
    }[kind] % number
    deleted = b"true" if kind == "tombstone" else b"false"
    return b'{"data":%b,"oracle_keys":{"K":%d},"row_version":"%d","deleted":%b}' % (data, number, number, deleted)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(ROWS)
def test_versions_and_digests_of_mixed_rows_stand_in_the_order_of_the_source(kinds: list[str]) -> None:
    decoder = RowDecoder(entity(column("k", key=True), column("label")))
    rows = [sent(kind, number) for number, kind in enumerate(kinds)]
    batch = decoder.decode(parse_page(b'{"rows":[%b]}' % b",".join(rows)))
    assert batch.versions == [str(number) for number in range(len(kinds))]
    alone = [decoder.decode(parse_page(b'{"rows":[%b]}' % sent)).digests for sent in rows]
    assert batch.digests == [digest for (digest,) in alone]
    kept = [(str(at), kind) for at, kind in enumerate(kinds) if kind not in ("no object", "bad value", "unreadable")]
    read = [read_line(line, kind) for line, kind in zip(batch.lines, batch.kinds, strict=True)]
    assert [(line.columns[0], line.version) for line in read] == [(at, at) for at, _ in kept]
    assert [line.kind for line in read] == [TOMBSTONE if kind == "tombstone" else ROW for _, kind in kept]
    assert [decoder.key(row) for row in batch.rows] == [(at,) for at, _ in kept]
    assert len(batch.rejects) == len(kinds) - len(kept)


def test_digests_of_plain_rows_are_those_of_their_keys() -> None:
    encoding = encoder(entity(column("a", key=True), column("b", key=True), column("label")))
    rows = [{"a": "x", "b": "y"}, {"a": "x", "b": "y", "label": "z"}, {"a": "x,y", "b": ""}, {"a": "x", "b": ",y"}]
    first, second, *others = encoding.encode([row(data) for data in rows]).keys
    assert first == second
    assert len({first, *others}) == 3


@pytest.mark.parametrize("other", [b'"2"', b"null"])
def test_the_digest_of_a_row_is_the_same_whatever_else_is_on_its_page(other: bytes) -> None:
    decoder = RowDecoder(SPEC)
    one, another = b'{"data":{"n":1}}', b'{"data":{"n":%b},"oracle_keys":{"N":2}}' % other
    beside = decoder.decode(parse_page(b'{"rows":[%b,%b]}' % (one, another))).digests
    assert beside[0] == decoder.decode(parse_page(b'{"rows":[%b]}' % one)).digests[0]
