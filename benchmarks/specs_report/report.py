"""One document after the other, each step in a process of its own."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import table
from benchmarks.processes import ChildFailed, child_environment, run_python

CHILD = "benchmarks.specs_report.child"
SUFFIXES = (".json", ".yaml", ".yml")
HEADINGS = (
    "spec", "version", "operations", "quarantined", "normalise s", "tools", "list bytes", "mode", "start s",
    "Connexion loads", "peak MiB",
)  # fmt: skip
MAX_START_S = 3.0
MAX_LIST_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class SpecFigures:
    """What became of one document; what is None was not come to."""

    name: str
    version: str | None = None
    operations: int | None = None
    quarantined: int | None = None
    normalise_s: float | None = None
    tools: int | None = None
    list_bytes: int | None = None
    mode: str | None = None
    start_s: float | None = None
    loads: bool | None = None
    """Whether Connexion loads the resolver's application."""
    peak_mib: float = 0.0
    """The largest of all steps."""
    problem: str | None = None
    """Why it ended before the end."""

    @property
    def is_good(self) -> bool:
        """Whether it came through, its tools listed soon and in few bytes."""
        if self.problem is not None or not self.loads:
            return False
        return (self.start_s or 0.0) <= MAX_START_S and (self.list_bytes or 0) <= MAX_LIST_BYTES

    def row(self) -> list[str]:
        """For a table."""
        loads = {True: "yes", False: "NO", None: "-"}[self.loads]
        numbers = (self.operations, self.quarantined, self.normalise_s, self.tools, self.list_bytes)
        shown = [_shown(number) for number in numbers]
        return [
            self.name,
            self.version or "-",
            *shown,
            self.mode or "-",
            _shown(self.start_s),
            loads,
            _whole(self.peak_mib),
        ]


def documents(folder: Path) -> list[Path]:
    """The files of the folder that may be OpenAPI documents, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)


def measured(files: Sequence[Path]) -> Iterator[SpecFigures]:
    """The figures of each, as it is done."""
    for file in files:
        with tempfile.TemporaryDirectory(prefix="syncflow-specs-") as folder:
            yield _measure(file, Path(folder))


def _measure(file: Path, folder: Path) -> SpecFigures:
    request = {"file": str(file), "form": str(folder / "form"), "folder": str(folder), "package": str(folder / "made")}
    told: dict[str, Any] = {}
    peak = 0.0
    for step in ("normalise", "generate", "serve", "resolve"):
        try:
            report = run_python(CHILD, {"step": step, **request}, child_environment()).report
        except ChildFailed as failure:
            report = {"error": f"the process that was to {step} failed: {str(failure)[-300:]}"}
        peak = max(peak, report.pop("peak_mib", 0.0))
        problem = report.pop("error", None)
        told |= report
        if problem is not None:
            return _figures(file, told, peak, loads=False if step == "resolve" else None, problem=problem)
    return _figures(file, told, peak, loads=True, problem=None)


def _figures(file: Path, told: dict[str, Any], peak: float, *, loads: bool | None, problem: str | None) -> SpecFigures:
    names = ("version", "operations", "quarantined", "normalise_s", "tools", "list_bytes", "mode", "start_s")
    found = {name: told.get(name) for name in names}
    return SpecFigures(file.name, **found, loads=loads, peak_mib=peak, problem=problem)


def lines(figures: Sequence[SpecFigures]) -> list[str]:
    """The table, and below it why documents could not be used."""
    problems = [f"{one.name}: {one.problem}" for one in figures if one.problem is not None]
    return [*table(HEADINGS, [one.row() for one in figures]), *(["", *problems] if problems else [])]


def _shown(number: float | int | None) -> str:
    if number is None:
        return "-"
    return f"{number:,}" if isinstance(number, int) else f"{number:.2f}"


def _whole(number: float) -> str:
    return f"{number:,.0f}"
