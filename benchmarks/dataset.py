"""Rows rendered ahead, in files: what a source serves, and what must have arrived afterwards.

A state is all rows of the source at one moment. Whoever serves it copies bytes and spells nothing.
"""

import mmap
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Flavour, spelled

Changed = Callable[[int], bool]
"""Whether the row of that number changed."""

_AT_ONCE = 10_000


class Spelling(NamedTuple):
    """Rows of one format, one after the other."""

    data: Path
    offsets: Path
    """Where each row begins, and where the last one ends, as a NumPy array."""


@dataclass(frozen=True, slots=True)
class State:
    """All rows at one moment."""

    folder: Path
    flavour: Flavour
    rows: int
    changes: int = 0
    """How many times rows were changed before."""
    changed: int = 0
    """Rows that differ from the state before."""

    @property
    def json(self) -> Spelling:
        """JSON objects in the order of their keys, each with a comma behind it."""
        return Spelling(self.folder / "rows.json", self.folder / "json.npy")

    @property
    def copy(self) -> Spelling:
        """Lines for `COPY`: the columns, 32 hexadecimal digits and the row version."""
        return Spelling(self.folder / "rows.copy", self.folder / "copy.npy")

    @property
    def versions(self) -> Path:
        """The row versions in the order of the keys, as a NumPy array of whole numbers."""
        return self.folder / "versions.npy"

    def remove(self) -> None:
        """Frees what the files take; whoever serves them has to be given others."""
        shutil.rmtree(self.folder)


def render(folder: Path, flavour: Flavour, rows: int) -> State:
    """The state in which no row was changed yet; the folder is made."""
    state = _new(State(folder, flavour, rows))
    versions = np.empty(rows, dtype=np.int64)
    source, at = spelled(flavour, range(rows), 0), 0
    with _Writer(state.json) as as_json, _Writer(state.copy) as as_copy:
        while some := list(islice(source, _AT_ONCE)):
            as_json.rows([f"{row[0]},".encode() for row in some])
            as_copy.rows([row[1].encode() for row in some])
            versions[at : at + len(some)] = [row[2] for row in some]
            at += len(some)
    np.save(state.versions, versions)
    return state


def change(before: State, folder: Path, changed: Changed) -> State:
    """The state after it, in which the rows that `changed` picks were changed once more."""
    numbers = [row for row in range(before.rows) if changed(row)]
    state = _new(State(folder, before.flavour, before.rows, before.changes + 1, len(numbers)))
    versions = np.load(before.versions)
    new = spelled(before.flavour, iter(numbers), state.changes)
    with _Splice(before.json, state.json) as as_json, _Splice(before.copy, state.copy) as as_copy:
        for number, row in zip(numbers, new, strict=True):
            as_json.replace(number, f"{row[0]},".encode())
            as_copy.replace(number, row[1].encode())
            versions[number] = row[2]
    np.save(state.versions, versions)
    return state


def every(step: int, offset: int = 0) -> Changed:
    """Picks one row of `step`, evenly spread."""
    return lambda row: row % step == offset % step


def _new(state: State) -> State:
    state.folder.mkdir(parents=True)
    return state


class _Writer:
    """Writes rows and keeps where each begins."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._lengths: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]

    def __enter__(self) -> "_Writer":
        self._file: BinaryIO = self._spelling.data.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            np.save(self._spelling.offsets, np.cumsum(np.concatenate(self._lengths)))

    def rows(self, some: list[bytes]) -> None:
        self._lengths.append(np.fromiter(map(len, some), dtype=np.int64, count=len(some)))
        self._file.write(b"".join(some))

    def block(self, data: bytes, lengths: NDArray[np.int64]) -> None:
        self._lengths.append(lengths)
        self._file.write(data)


class _Splice:
    """Copies rows, but for those that are replaced; they have to come in order."""

    def __init__(self, before: Spelling, after: Spelling) -> None:
        self._before, self._writer, self._next = before, _Writer(after), 0

    def __enter__(self) -> "_Splice":
        self._offsets = cast("NDArray[np.int64]", np.load(self._before.offsets))
        self._old = self._before.data.open("rb")
        self._writer.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._copy_until(len(self._offsets) - 1)
        self._old.close()
        self._writer.__exit__(kind, *rest)

    def replace(self, row: int, data: bytes) -> None:
        self._copy_until(row)
        self._writer.rows([data])
        self._next = row + 1

    def _copy_until(self, row: int) -> None:
        for first in range(self._next, row, _AT_ONCE):
            piece = self._offsets[first : min(first + _AT_ONCE, row) + 1]
            self._old.seek(piece[0])
            self._writer.block(self._old.read(int(piece[-1] - piece[0])), np.diff(piece))


def mapped(path: Path) -> mmap.mmap:
    """The file's bytes, without reading them."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def blocks(path: Path, size: int = 2**20) -> Iterator[bytes]:
    """The file's bytes, piece by piece."""
    with path.open("rb") as file:
        while block := file.read(size):
            yield block
