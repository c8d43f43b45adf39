"""How much memory a sync ever holds, by the number of rows: it must not grow with them."""

from benchmarks.dataset import render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, Verdict, table
from benchmarks.source.offer import Offer
from benchmarks.workbench import Expected, How, Workbench, say, workbench

LIMIT_MIB = 150.0
GROWTH_LIMIT = 1.5
_FIRST_LOAD, _UNCHANGED = "first load", "nothing changed"
_FACTOR = 5
_TEMPLATE = "discovered"


def measure_memory(options: Options) -> Outcome:
    """Peaks of the resident set, at the rows that were asked for and at five times as many."""
    sizes = (options.rows, options.rows * _FACTOR)
    timings = Timings()
    with workbench(options) as bench:
        for rows in sizes:
            _measure(bench, rows, timings)
    lines = table(
        ["rows", "case", "peak"],
        [[f"{rows:,}", case, f"{_peak(timings, case, rows):.0f} MiB"] for rows in sizes for case in _CASES],
    )
    figures = {"rows": list(sizes), "timings": timings.as_json()}
    return Outcome(figures, lines, _verdicts(timings, sizes) if options.is_full else [])


_CASES = (_FIRST_LOAD, _UNCHANGED)


def _measure(bench: Workbench, rows: int, timings: Timings) -> None:
    say(f"Rendering {rows:,} rows")
    state = render(bench.folder / f"rows-{rows}", "plain", rows)
    offer = Offer.of(state)
    bench.template(_TEMPLATE, offer)
    with bench.database("engine", _TEMPLATE) as database:
        for case, expected in ((_FIRST_LOAD, Expected(inserted=rows)), (_UNCHANGED, Expected(unchanged=rows))):
            timings.add(bench.sync(database, _at(case, rows), [offer], How("hash"), expected))
    state.remove()


def _at(case: str, rows: int) -> str:
    return f"{case}, {rows:,}"


def _peak(timings: Timings, case: str, rows: int) -> float:
    peak = timings.median(_at(case, rows), "syncflow", "peak_mib")
    assert peak is not None
    return peak


def _verdicts(timings: Timings, sizes: tuple[int, int]) -> list[Verdict]:
    small, large = sizes
    verdicts = [
        Verdict(f"{case}, {rows:,} rows", _peak(timings, case, rows), LIMIT_MIB, "at most", " MiB")
        for case in _CASES
        for rows in sizes
    ]
    return verdicts + [
        Verdict(
            f"{case}, growth of the peak with {_FACTOR} times the rows",
            _peak(timings, case, large) / _peak(timings, case, small),
            GROWTH_LIMIT,
            "at most",
        )
        for case in _CASES
    ]


MEMORY = Benchmark("memory", "the most memory that a sync ever holds, at 1 and 5 million rows", measure_memory)
