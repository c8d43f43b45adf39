"""What connections at the same time are worth where each page takes the source 50 ms, and that none are too many."""

from benchmarks.dataset import State, render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, Verdict, shown, table
from benchmarks.source.offer import Offer
from benchmarks.verification import RowsDiffer
from benchmarks.workbench import Expected, How, Workbench, say, workbench

DELAY_S = 0.05
CONCURRENCIES = (1, 8)
SPEEDUP = 6.0
_ROWS = 200_000
_TEMPLATE = "discovered"


def measure_latency(options: Options) -> Outcome:
    """First loads of the same rows over one connection and over eight, in turn.

    Raises `RowsDiffer` where the source saw more requests at once than the connector allows.
    """
    timings, rows = Timings(), options.scaled(_ROWS)
    most = dict.fromkeys(CONCURRENCIES, 0)
    with workbench(options) as bench:
        state = render(bench.folder / "rows", "plain", rows)
        bench.template(_TEMPLATE, Offer.of(state))
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            for concurrency in CONCURRENCIES:
                most[concurrency] = max(most[concurrency], _load(bench, state, concurrency, timings))
    return _outcome(timings, rows, most, options)


def _load(bench: Workbench, state: State, concurrency: int, timings: Timings) -> int:
    """Times one first load; how many requests the source saw at once."""
    offer = Offer.of(state)
    bench.source.offer(offer, delay_s=DELAY_S)
    how = How("hash", connector={"concurrency": concurrency})
    with bench.database("engine", _TEMPLATE) as database:
        timings.add(bench.sync(database, _case(concurrency), [offer], how, Expected(inserted=state.rows)))
    seen = bench.source.requests().most_at_once
    if seen > concurrency:
        raise RowsDiffer(f"the source saw {seen} requests at once where concurrency is {concurrency}")
    return seen


def _case(concurrency: int) -> str:
    return f"concurrency {concurrency}"


def _outcome(timings: Timings, rows: int, most: dict[int, int], options: Options) -> Outcome:
    lines = table(
        [f"{rows:,} rows, {DELAY_S * 1000:.0f} ms a page", "engine", "requests at once"],
        [
            [_case(concurrency), shown(timings.median(_case(concurrency), "syncflow", "engine_s"), " s"), str(seen)]
            for concurrency, seen in most.items()
        ],
    )
    alone, together = (timings.median(_case(number), "syncflow", "engine_s") for number in CONCURRENCIES)
    assert alone is not None
    assert together is not None
    figures = {"rows": rows, "delay_s": DELAY_S, "requests_at_once": most, "timings": timings.as_json()}
    verdict = Verdict("8 connections, times faster than 1", alone / together, SPEEDUP, "at least")
    return Outcome(figures, lines, [verdict] if options.is_full else [])


LATENCY = Benchmark("latency", "pages that take 50 ms: 8 connections against 1", measure_latency)
