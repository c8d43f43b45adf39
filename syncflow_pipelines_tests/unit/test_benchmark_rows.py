"""The rows of the benchmarks: many kinds of values, the same in JSON and in lines of COPY."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.dataset import State, change, every, render
from benchmarks.rows import COLUMNS, FLAVOURS, Flavour, spelled

_UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def _fields(line: str) -> list[str | None]:
    """The values of a line of COPY, as https://www.postgresql.org/docs/current/sql-copy.html describes its text."""
    return [None if field == "\\N" else _unescaped(field) for field in line.removesuffix("\n").split("\t")]


def _unescaped(field: str) -> str:
    found, at = "", 0
    while at < len(field):
        piece = field[at : at + 2] if field[at] == "\\" else field[at]
        found, at = found + _UNESCAPED.get(piece, piece), at + len(piece)
    return found


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_both_spellings_of_a_row_say_the_same(flavour: Flavour) -> None:
    for in_json, line, version in spelled(flavour, range(0, 60_000, 997), 2):
        row = json.loads(in_json, parse_float=str)
        *fields, digest, row_version = _fields(line)
        for column, field in zip(COLUMNS[flavour], fields, strict=True):
            value = row["data"][column.alias]
            found = json.loads(field or "null") if column.pg_type == "jsonb" else field
            assert found == (value if column.pg_type == "jsonb" else _as_text(value)), column
        assert row["row_version"] == row_version == str(version)
        assert digest is not None
        assert len(digest) == 32


def test_a_plain_row_has_about_350_bytes_and_twelve_columns() -> None:
    rows = [in_json for in_json, _, _ in spelled("plain", range(1000), 0)]
    assert 330 <= sum(map(len, rows)) / len(rows) <= 380
    assert all(len(columns) == 12 for columns in COLUMNS.values())


def test_every_rich_row_has_escapes_letters_beyond_ascii_and_json() -> None:
    for in_json, line, _ in spelled("rich", range(500), 0):
        assert "\\" in in_json
        assert not in_json.isascii()
        assert "\\\\" in line
        assert all(isinstance(json.loads(in_json)["data"][name], dict | list) for name in ("attributes", "tags"))


def _lines(state: State) -> list[str]:
    return state.copy.data.read_text("utf-8").splitlines(keepends=True)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_change_replaces_the_picked_rows_and_no_others(tmp_path: Path, flavour: Flavour) -> None:
    first = render(tmp_path / "first", flavour, 500)
    state = change(first, tmp_path / "changed", every(50, 49))
    before, after = _lines(first), _lines(state)
    assert [at for at in range(500) if before[at] != after[at]] == list(range(49, 500, 50))
    assert state.changed == 10
    again = dict(zip(range(49, 500, 50), spelled(flavour, range(49, 500, 50), 1), strict=True))
    assert all(after[at] == row[1] for at, row in again.items())
    rows = json.loads(f"[{state.json.data.read_text('utf-8')[:-1]}]")
    assert [row["row_version"] for row in rows] == [line.rstrip("\n").split("\t")[-1] for line in after]


@pytest.mark.parametrize("number", [0, 1])
def test_offsets_cut_a_state_into_its_rows(tmp_path: Path, number: int) -> None:
    first = render(tmp_path / "first", "rich", 300)
    state = [first, change(first, tmp_path / "changed", every(7))][number]
    for spelling, ends_with in ((state.json, b"},"), (state.copy, b"\n")):
        data, offsets = spelling.data.read_bytes(), np.load(spelling.offsets)
        assert (len(offsets), offsets[0], offsets[-1]) == (301, 0, len(data))
        assert all(data[: int(end)].endswith(ends_with) for end in offsets[1:])
