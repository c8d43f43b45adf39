"""What a benchmark has to tell: figures for programs, tables and verdicts for people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

FULL_ROWS = 1_000_000
QUICK_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    rows: int = FULL_ROWS
    rounds: int = 3
    with_peers: bool = True
    folder: Path | None = None
    """Where data are kept while it runs; None is the system's folder for temporary files."""

    @property
    def is_full(self) -> bool:
        """Whether the targets apply: they are meant for a million rows."""
        return self.rows >= FULL_ROWS

    def scaled(self, rows: int) -> int:
        """So many rows where a full run is asked for, and the same part of them else."""
        return max(rows * min(self.rows, FULL_ROWS) // FULL_ROWS, 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target, and what was measured."""

    what: str
    measured: float
    bound: float
    sense: Literal["at most", "at least"]
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bound if self.sense == "at most" else self.measured >= self.bound

    def __str__(self) -> str:
        verdict = "met" if self.is_met else "NOT met"
        return f"{self.what}: {self.measured:.2f}{self.unit}, {self.sense} {self.bound:g}{self.unit} wanted: {verdict}"


@dataclass(slots=True)
class Outcome:
    """What a benchmark came to."""

    figures: dict[str, Any]
    """Goes into the results file."""
    lines: list[str] = field(default_factory=list)
    """The same for people."""
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Something that can be measured by its name."""

    name: str
    what: str
    run: Callable[[Options], Outcome]
    has_rows: bool = True
    """Whether `--rows` and `--rounds` mean something to it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One side in one case, once, verified."""

    case: str
    side: str
    seconds: float
    """Of the whole process; of the floor, of the COPY and its commit alone."""
    engine_s: float
    cpu_s: float
    peak_mib: float


class Timings:
    """All rounds of all sides in all cases."""

    def __init__(self) -> None:
        self.all: list[Timing] = []

    def add(self, timing: Timing) -> None:
        """Takes one timing, and tells it to whoever waits."""
        self.all.append(timing)

    def median(self, case: str, side: str, figure: str = "seconds") -> float | None:
        """The median of the rounds; None where the side was not measured in this case."""
        found = [getattr(timing, figure) for timing in self.all if (timing.case, timing.side) == (case, side)]
        return median(found) if found else None

    def ratio(self, slower: tuple[str, str], faster: tuple[str, str]) -> float | None:
        """How many times as long the one takes as the other; each is a case and a side."""
        above, below = self.median(*slower), self.median(*faster)
        return above / below if above is not None and below else None

    def as_json(self) -> list[dict[str, Any]]:
        """Every case and side: the medians, and each round's seconds."""
        pairs = list(dict.fromkeys((timing.case, timing.side) for timing in self.all))
        return [self._row(case, side) for case, side in pairs]

    def _row(self, case: str, side: str) -> dict[str, Any]:
        medians = {name: self.median(case, side, name) for name in ("seconds", "engine_s", "cpu_s", "peak_mib")}
        rounds = [timing.seconds for timing in self.all if (timing.case, timing.side) == (case, side)]
        return {"case": case, "side": side, **medians, "rounds_s": rounds}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first column to the left and the others to the right."""
    widths = [max(len(row[at]) for row in [headings, *rows]) for at in range(len(headings))]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [headings, *rows]
    ]


def shown(value: float | None, unit: str = "") -> str:
    """A figure for a table, or a dash."""
    return "-" if value is None else f"{value:.2f}{unit}"
