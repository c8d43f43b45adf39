"""How row versions compare, and how far they are set back."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.sync.reading.rowversion import precedes, rewind

COUNTERS = st.integers(0, 10**40).map(str)
PADDED = st.tuples(st.integers(0, 10**12), st.integers(0, 20)).map(lambda pair: f"{pair[0]:0{pair[1]}d}")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("9", "10"),
        ("0x9", "0x10"),
        ("0x00000000000007D1", "0x00000000000007d2"),
        ("20251208120000", "20251208120001"),
        ("2025-12-08T12:00:00Z", "2025-12-08T12:00:01Z"),
        ("10a", "9"),
        ("Z", "a"),
        ("z", "ä"),
        ("\uffff", "\U00010000"),
        ("", "0"),
        (None, ""),
    ],
)
def test_numbers_compare_as_numbers_and_all_else_by_code_point(earlier: str | None, later: str) -> None:
    assert precedes(earlier, later)
    assert not precedes(later, earlier)


@pytest.mark.parametrize("pair", [("7", "007"), ("0x0A", "0X000a"), ("a", "a"), (None, None), ("0", "0000")])
def test_neither_of_two_equal_versions_precedes_the_other(pair: tuple[str, str]) -> None:
    assert not any(precedes(a, b) for a, b in permutations(pair))


def test_digits_of_other_scripts_are_text() -> None:
    assert precedes("10", "\u0669")  # by code point; as a number it would be 9


def test_numbers_of_any_length_compare_by_value() -> None:
    assert precedes("9" * 4999, "1" + "0" * 4999)
    assert precedes("0" * 5000 + "10", "12")
    assert precedes("0x" + "f" * 5000, "0x1" + "0" * 5000)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.one_of(COUNTERS, PADDED), min_size=3, max_size=3))
def test_the_order_of_counters_is_that_of_their_numbers(versions: list[str]) -> None:
    for a, b in permutations(versions, 2):
        assert precedes(a, b) == (int(a) < int(b))


@pytest.mark.parametrize(
    ("version", "overlap", "earlier"),
    [
        ("20251208120000", 60, "20251208115900"),
        ("20260101000030", 60, "20251231235930"),
        ("20251208120000123", 60, "20251208115900123"),
        ("2025-12-08T12:00:00", 1, "2025-12-08T11:59:59"),
        ("2025-12-08 12:00:00", 1, "2025-12-08 11:59:59"),
        ("2025-12-08T12:00:00Z", 1, "2025-12-08T11:59:59Z"),
        ("2025-12-08T12:00:00.123Z", 1, "2025-12-08T11:59:59.123Z"),
        ("2025-12-08T12:00:00.1234567+01:00", 3600, "2025-12-08T11:00:00.1234567+01:00"),
        ("2025-12-08", 60, "2025-12-07"),
        ("0001-01-01T00:00:05", 5, "0001-01-01T00:00:00"),
        ("1001", 5, "0996"),
        ("10", 3, "07"),
        ("0x00000000000007D1", 2, "0x00000000000007CF"),
        ("0x0b", 1, "0x0a"),
        ("99999999999999", 9, "99999999999990"),
    ],
)
def test_a_version_is_set_back_in_its_own_spelling(version: str, overlap: int, earlier: str) -> None:
    assert rewind(version, overlap) == earlier
    assert precedes(rewind(version, overlap), version)


@pytest.mark.parametrize("version", ["5", "0x5", "0"])
def test_nothing_comes_before_the_beginning(version: str) -> None:
    assert rewind(version, 5) is None


@pytest.mark.parametrize("version", ["v17", "", "9" * 5000, "0001-01-01T00:00:04", "2025-13-01T00:00:00"])
def test_what_is_neither_a_time_nor_a_counter_stays_where_it_is(version: str) -> None:
    assert rewind(version, 5) == version


@pytest.mark.parametrize("overlap", [0, -5])
def test_without_overlap_nothing_is_set_back(overlap: int) -> None:
    assert rewind("20251208120000", overlap) == "20251208120000"
    assert rewind(None, 60) is None


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.integers(-60_000_000_000, 250_000_000_000), st.integers(1, 10**7))
def test_every_time_is_set_back_by_so_many_seconds(second: int, overlap_s: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    version = moment.isoformat().replace("+00:00", "Z")
    earlier = rewind(version, overlap_s)
    assert earlier is not None
    assert datetime.fromisoformat(version) - datetime.fromisoformat(earlier) == timedelta(seconds=overlap_s)
