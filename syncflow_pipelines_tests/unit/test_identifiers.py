"""Names from outside become identifiers: safe, short, and never two alike."""

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.sync.schema.identifiers import (
    MAX_BYTES,
    SYSTEM_COLUMNS,
    column_identifiers,
    identifier,
)

FOREIGN = st.text(max_size=90) | st.text(alphabet="aA_-. 1é", max_size=90) | st.text(alphabet="日本Ａ", max_size=40)
NAMES = st.lists(FOREIGN, unique=True, max_size=12) | st.lists(
    st.text(alphabet="aA_ ", min_size=1, max_size=3), unique=True, max_size=12
)
DIGEST = re.compile(r"_[0-9a-f]{8}$")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("item_number", "item_number"),
        ("PART_NO", "part_no"),
        ("Item Number", "item_number"),
        ("weight (kg)", "weight_kg"),
        ("order-lines", "order_lines"),
        ("a.b/c", "a_b_c"),
        ("  spaced  ", "spaced"),
        ("_private", "_private"),
        ("double__under", "double__under"),
        ("2024_sales", "_2024_sales"),
        ("select", "select"),
        ("Größe", "größe"),
        ("cafe\u0301", "café"),
        ("CAFE\u0301", "café"),
        ("ITEM\u200bNO", "item_no"),
        ("名前", "名前"),
        ("हिन्दी", "हिन्दी"),
        ('x"; DROP TABLE items; --', "x_drop_table_items"),
        ("nul\0byte", "nul_byte"),
        ("a\ud800b", "a_b"),
        ("a" * 63, "a" * 63),
    ],
)
def test_identifier_is_what_a_person_would_type(name: str, made: str) -> None:
    assert identifier(name) == made


@pytest.mark.parametrize("name", ["", "---", "💥", "\0", "___-", " "])
def test_name_of_which_nothing_is_left_gets_a_digest(name: str) -> None:
    assert re.fullmatch(r"_[0-9a-f]{8}", identifier(name))


def test_long_name_is_cut_within_bytes_and_keeps_a_digest_of_the_whole() -> None:
    first, second = identifier("ä" * 60 + "1"), identifier("ä" * 60 + "2")
    assert first != second
    assert first.startswith("ä" * 27 + "_")
    assert len(first.encode()) == MAX_BYTES


@given(FOREIGN)
def test_identifier_is_short_lower_case_and_final(name: str) -> None:
    made = identifier(name)
    assert 1 <= len(made.encode()) <= MAX_BYTES
    assert unicodedata.normalize("NFC", made) == made
    assert all(char == "_" or unicodedata.category(char)[0] in "LMN" for char in made)
    assert not made[0].isdigit()
    assert identifier(made) == made


@given(NAMES, st.randoms())
def test_columns_do_not_depend_on_the_order_of_the_aliases(names: list[str], chance: Any) -> None:
    names = list(dict.fromkeys([*names, "xmin", "source_xmin"]))
    expected = dict(zip(names, column_identifiers(names), strict=True))
    shuffled = list(names)
    chance.shuffle(shuffled)
    assert dict(zip(shuffled, column_identifiers(shuffled), strict=True)) == expected


@pytest.mark.parametrize(
    "alias",
    ["item_number", "ItemNumber", "PART NO", 'x"; DROP TABLE items; --', "100 %", "a.b", "Größe", "名前", "1st"],
)
def test_column_is_called_what_its_alias_says(alias: str) -> None:
    assert column_identifiers([alias]) == [alias]


def test_aliases_that_differ_in_case_alone_are_two_columns() -> None:
    assert column_identifiers(["Qty", "qty", "QTY"]) == ["Qty", "qty", "QTY"]


@pytest.mark.parametrize(
    ("alias", "made"), [("nul\0byte", "nul_byte"), ("a\ud800b", "a_b"), ("two\nlines", "two_lines")]
)
def test_what_no_name_can_hold_becomes_an_underscore(alias: str, made: str) -> None:
    assert column_identifiers([alias]) == [made]


def test_long_and_empty_aliases_carry_a_digest() -> None:
    first, second, empty = column_identifiers(["ä" * 60 + "1", "ä" * 60 + "2", ""])
    assert first != second
    assert all(len(made.encode()) <= MAX_BYTES and DIGEST.search(made) for made in (first, second, empty))


@pytest.mark.parametrize("alias", sorted(SYSTEM_COLUMNS))
def test_system_column_is_renamed(alias: str) -> None:
    assert column_identifiers([alias]) == [f"source_{alias}"]


def test_audit_columns_are_renamed() -> None:
    aliases = ["_bridge_id", "_BRIDGE_HASH", "_bridge_", "bridge_id", "x_bridge_id", "_bridge_" + "x" * 80]
    made = column_identifiers(aliases)
    assert made[:5] == ["source_bridge_id", "source_BRIDGE_HASH", "source_bridge_", "bridge_id", "x_bridge_id"]
    assert len(made[5].encode()) <= MAX_BYTES


def test_renamed_column_never_takes_the_place_of_a_real_one() -> None:
    made = dict(zip(["xmin", "source_xmin"], column_identifiers(["xmin", "source_xmin"]), strict=True))
    assert made["source_xmin"] == "source_xmin"
    assert DIGEST.search(made["xmin"])
    assert column_identifiers(["source_xmin", "xmin"]) == [made["source_xmin"], made["xmin"]]


@given(NAMES)
def test_columns_are_never_system_or_audit_columns(aliases: list[str]) -> None:
    made = column_identifiers([*aliases, "_bridge_id", "ctid"])
    assert len(set(made)) == len(made)
    assert not any(one in SYSTEM_COLUMNS or one.startswith("_bridge_") for one in made)
