"""What is read of one answer of the source, however broken, and when a page is the last one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.reading.pages import BadRow, Page, WireRow, parse_page

DEEP = b"[" * 5000 + b"]" * 5000
GOOD_ROWS = (
    b'{"oracle_keys":{"NO":1},"row_version":"7","data":{"no":1,"qty":12345678901234567890.12300}}',
    b'{"oracle_keys":{},"data":{},"deleted":true,"row_version":null}',
    b'{"data":{"text":"\\"},{[\\\\"},"oracle_keys":{"NO":2},"deleted":null,"more":[1,{"a":2}]}',
    '{"data":{"text":"Größe 数 \U0001f600"},"oracle_keys":{},"row_version":20251208}'.encode(),
)
BAD_ROWS = (
    b'{"data":{"no":1,"qty":NaN},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"qty":-Infinity},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"qty":007},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"qty":undefined},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"qty":1.},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"text":"a\x00b\x01\n"},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"deep":' + DEEP + b'},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1},"oracle_keys":{"NO":1},"row_version":"7","deleted":"yes"}',
    b'{"data":{"no":1},"oracle_keys":{"NO":1},"row_version":"7","deleted":1}',
    b'{"data":{"no":1,"text":"\\ud800"},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"text":"\\udc00\\ud800"},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,"text":"\\x41"},"oracle_keys":{"NO":1},"row_version":"7"}',
    b'{"data":{"no":1,\'b\':2},"oracle_keys":{"NO":1},"row_version":"7"}',
)
HOPELESS_ROWS = (b"17", b"null", b'"row"', b"[]", b"[{}]", DEEP, b"{]", b'{"data"}', b"{,}", b"undefined")

BAD_OR_NONE = (b"", *(bad for bad in BAD_ROWS + HOPELESS_ROWS if DEEP not in bad))


def body(*rows: bytes, rest: bytes = b'"has_more":true,"total":9') -> bytes:
    return b'{"rows":[' + b",".join(rows) + b"]," + rest + b"}"


def test_a_page_of_the_contract_is_read_literal_by_literal() -> None:
    page = parse_page(body(*GOOD_ROWS))
    assert (page.size, page.bad, page.has_more, page.total) == (4, [], True, 9)
    assert bytes(page.rows[0].data) == b'{"no":1,"qty":12345678901234567890.12300}'
    assert [row.version for row in page.rows] == ["7", None, None, "20251208"]
    assert [bool(row.deleted) for row in page.rows] == [False, True, False, False]
    assert page.received_bytes == len(body(*GOOD_ROWS))


def test_an_empty_row_version_is_none() -> None:
    assert WireRow(row_version="").version is None
    assert WireRow(row_version=0).version == "0"


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda bad: bad[:40].decode("latin-1"))
def test_a_bad_row_is_kept_whole_and_its_key_and_version_are_found(bad: bytes) -> None:
    page = parse_page(body(GOOD_ROWS[0], bad, GOOD_ROWS[3]))
    assert [bytes(row.data) for row in page.rows] == [bytes(row.data) for row in parse_page(body(*GOOD_ROWS[::3])).rows]
    (found,) = page.bad
    assert found.raw.encode("utf-8", "surrogateescape") == bad
    assert found.reason.startswith("not a row of the contract: ")
    assert found.at == 1
    assert found.row is not None
    assert found.row.version == "7"
    assert msgspec.json.decode(found.row.data)["no"] == 1
    assert msgspec.json.decode(found.row.oracle_keys) == {"NO": 1}
    assert (page.has_more, page.total) == (True, 9)


@pytest.mark.parametrize("bad", HOPELESS_ROWS, ids=lambda bad: bad[:20].decode())
def test_a_row_that_is_no_object_does_not_spoil_the_others(bad: bytes) -> None:
    page = parse_page(body(GOOD_ROWS[0], bad, GOOD_ROWS[1]))
    assert len(page.rows) == 2
    assert [found.raw for found in page.bad] == [bad.decode()]
    assert page.bad[0].row is None or page.bad[0].row.version is None


def test_broken_unicode_of_a_value_is_left_to_the_value() -> None:
    page = parse_page(body(b'{"data":{"text":"\xff\xfe"},"oracle_keys":{}}'))
    assert (len(page.rows), page.bad) == (1, [])


@pytest.mark.parametrize(
    ("data", "member", "value"),
    [
        ('{"no":1,"qty":NaN,"text":tru}', "qty", "NaN"),
        ('{"a\\"b":01}', 'a"b', "01"),
        ('{"\\ud800":1,"no":2}', "\ud800", "1"),
        ('{"no":1,,}', None, None),
        ('{"no":1}', None, None),
        ("NaN", None, None),
    ],
)
def test_the_member_at_fault_is_named(data: str, member: str | None, value: str | None) -> None:
    (bad,) = parse_page(body(f'{{"data":{data},"oracle_keys":[1],"deleted":NaN}}'.encode())).bad
    assert (bad.member, bad.value) == (member, value)


@pytest.mark.parametrize("version", [b"1.5", b"true", b"[]", b'"\\ud800"', b'"\xff"', b"{}", b"9" * 5000])
def test_a_row_version_that_is_neither_text_nor_a_whole_number_makes_its_row_bad(version: bytes) -> None:
    page = parse_page(body(b'{"data":{"no":1},"oracle_keys":{},"row_version":' + version + b"}", GOOD_ROWS[0]))
    assert (len(page.rows), len(page.bad)) == (1, 1)
    assert page.bad[0].row is not None
    assert page.bad[0].row.version is None


def test_a_whole_number_of_any_length_that_python_writes_is_a_row_version() -> None:
    page = parse_page(body(b'{"data":{},"row_version":' + b"9" * 4000 + b"}"))
    assert page.rows[0].version == "9" * 4000


@pytest.mark.parametrize(
    ("rest", "has_more", "total"),
    [
        (b'"has_more":null,"total":null', None, None),
        (b'"page":1', None, None),
        (b'"has_more":"true","total":"9"', None, None),
        (b'"has_more":1,"total":true', None, None),
        (b'"has_more":false,"total":9.0', False, None),
        (b'"has_more":false,"total":1e3', False, None),
        (b'"has_more":false,"total":NaN', False, None),
        (b'"has_more":false,"total":' + b"9" * 5000, False, None),
        (b'"has_more":{"a":[]},"total":[' + DEEP + b"]", None, None),
    ],
)
def test_has_more_and_total_of_another_type_are_not_known(
    rest: bytes, has_more: bool | None, total: int | None
) -> None:
    page = parse_page(body(GOOD_ROWS[0], rest=rest))
    assert (len(page.rows), page.has_more, page.total) == (1, has_more, total)


def test_a_byte_order_mark_is_no_row() -> None:
    assert parse_page(b"\xef\xbb\xbf" + body(GOOD_ROWS[0])).size == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"null",
        b"[]",
        b"<html><body>Bad gateway</body></html>",
        b'{"detail":"busy"}',
        b'{"rows":null}',
        b'{"rows":{}}',
        b'{"rows":"[]"}',
        b'{"rows":[,]}',
        b'{"rows":[{"data":NaN},]}',
        b'{"rows":[]} {"rows":[]}',
        b'{"rows":[{"data":NaN}]}}',
        b'{rows:[{"data":NaN}]}',
        b'{"rows":[],}',
        DEEP,
        b"\xff\xfe",
    ],
    ids=lambda answer: answer[:30].decode("latin-1"),
)
def test_what_is_no_page_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_page(answer)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(GOOD_ROWS + BAD_ROWS[:6]), min_size=1, max_size=3), st.data())
def test_a_page_that_ends_too_early_is_refused_wherever_it_was_torn(rows: list[bytes], data: st.DataObject) -> None:
    whole = body(*rows)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match=r"."):
        parse_page(torn)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROW = st.fixed_dictionaries(
    {"data": st.dictionaries(st.text(max_size=4), JSON, max_size=4), "oracle_keys": st.just({})},
    optional={"row_version": st.none() | st.text(max_size=5), "deleted": st.booleans(), "other": JSON},
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.tuples(ROW, st.sampled_from(BAD_OR_NONE)), max_size=5), st.booleans())
def test_every_row_comes_out_once_in_order_good_or_bad(rows: list[tuple[Any, bytes]], spaced: bool) -> None:
    texts: list[bytes] = []
    for good, bad in rows:
        separators = (" ,\n", " :\t") if spaced else (",", ":")
        texts += [json.dumps(good, ensure_ascii=spaced, separators=separators).encode(), bad]
    page = parse_page(body(*filter(None, texts)))
    assert [json.loads(bytes(row.data)) for row in page.rows] == [good["data"] for good, _ in rows]
    assert [found.raw.encode("utf-8", "surrogateescape") for found in page.bad] == [bad for _, bad in rows if bad]
    places = [n for n, (_, bad) in enumerate(rows, start=1) if bad]
    assert [found.at for found in page.bad] == places


@pytest.mark.parametrize(
    ("rows", "has_more", "total", "seen", "ends"),
    [
        (0, None, None, 0, True),
        (0, True, 50, 0, True),
        (3, False, None, 3, True),
        (3, None, None, 3, False),
        (3, True, None, 3, False),
        (3, False, 3, 3, True),
        (3, False, 4, 3, False),
        (3, False, 103, 103, True),
        (10, False, None, 10, False),
        (12, False, None, 12, False),
    ],
)
def test_a_page_ends_the_read_where_nothing_speaks_against_it(
    rows: int, has_more: bool | None, total: int | None, seen: int, ends: bool
) -> None:
    half = rows // 2
    page = Page([WireRow()] * half, [BadRow("", "")] * (rows - half), has_more, total)
    assert page.ends_the_read(asked=10, seen=seen) is ends
