"""SyncFlow beside dlt and beside the floor: a first load, and syncs after nothing, little and more has changed.

The sides take turns, round by round, each on a database of its own on the same server, and each reads the same bytes
from the same source. The floor is `COPY` of the same rows, ready in memory, into the table that SyncFlow makes.
"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.dataset import Changed, State, change, every, render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, Verdict, shown, table
from benchmarks.peers.dlt_side import Dlt
from benchmarks.peers.environment import peers_python
from benchmarks.source.offer import Offer
from benchmarks.workbench import Expected, How, Workbench, say, workbench

FIRST_LOAD, UNCHANGED, ONE_PERCENT, TEN_PERCENT = "first load", "nothing changed", "1 % changed", "10 % changed"
BY_VERSION_LOAD, BY_VERSION = "first load by version", "1,000 rows by version"
CHANGED_BY_VERSION = 1000
BY_VERSION_LIMIT_S = 0.3

FLOOR_TARGETS = {FIRST_LOAD: 1.2, UNCHANGED: 0.6, ONE_PERCENT: 0.7, TEN_PERCENT: 1.5}
"""How long SyncFlow may take, in times of the floor."""
PEER_TARGETS = {FIRST_LOAD: 8, UNCHANGED: 20, ONE_PERCENT: 15}
"""How many times as long dlt has to take."""

_TEMPLATE = "discovered"


@dataclass(frozen=True, slots=True)
class _States:
    """The source's moments, each rendered from the one before."""

    first: State
    one_percent: State
    ten_percent: State
    by_version: State
    """The first one with a thousand rows changed."""


def measure_syncs(options: Options) -> Outcome:
    """The figures of all rounds. Raises `RowsDiffer` where a side's table is not what the source sent."""
    timings = Timings()
    peer = peers_python() if options.with_peers else None
    with workbench(options) as bench:
        states = _render(bench, options.rows)
        bench.template(_TEMPLATE, Offer.of(states.first))
        settings = bench.postgres.settings()
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            _round(bench, states, timings, peer)
    return _outcome(options, timings, settings)


def _render(bench: Workbench, rows: int) -> _States:
    say(f"Rendering {rows:,} rows")
    first = render(bench.folder / "first", "plain", rows)
    one_percent = change(first, bench.folder / "one-percent", every(100, 7))
    ten_percent = change(one_percent, bench.folder / "ten-percent", every(10, 3))
    by_version = change(first, bench.folder / "by-version", _a_thousand(rows))
    return _States(first, one_percent, ten_percent, by_version)


def _a_thousand(rows: int) -> Changed:
    return every(max(rows // CHANGED_BY_VERSION, 1), 5)


def _round(bench: Workbench, states: _States, timings: Timings, python: Path | None) -> None:
    """Every side once in every case; `python` is that of the peers, if they take part."""
    _floor(bench, states, timings)
    with bench.database("engine", _TEMPLATE) as engine, bench.database("peer") as peer:
        dlt = Dlt.fresh(bench, python, peer) if python else None
        for case, state, expected in _courses(states):
            offer = Offer.of(state)
            bench.source.offer(offer)
            timings.add(bench.sync(engine, case, [offer], How("hash"), expected))
            if dlt:
                timings.add(dlt.load(case, offer))
    _syncs_by_version(bench, states, timings)


def _floor(bench: Workbench, states: _States, timings: Timings) -> None:
    with bench.database("floor", _TEMPLATE) as floor:
        timings.add(bench.floor(floor, FIRST_LOAD, Offer.of(states.first)))


def _courses(states: _States) -> list[tuple[str, State, Expected]]:
    """Case by case: the moment that the source shows, and what a sync then has to count."""
    rows = states.first.rows
    return [
        (FIRST_LOAD, states.first, Expected(inserted=rows)),
        (UNCHANGED, states.first, Expected(unchanged=rows)),
        *(
            (case, state, Expected(updated=state.changed, unchanged=rows - state.changed))
            for case, state in ((ONE_PERCENT, states.one_percent), (TEN_PERCENT, states.ten_percent))
        ),
    ]


def _syncs_by_version(bench: Workbench, states: _States, timings: Timings) -> None:
    """The rows of the cursor's own version come once more, so unchanged rows are not counted here."""
    with bench.database("by_version", _TEMPLATE) as database:
        for case, state in ((BY_VERSION_LOAD, states.first), (BY_VERSION, states.by_version)):
            offer = Offer.of(state)
            bench.source.offer(offer)
            timings.add(bench.sync(database, case, [offer], How("rowversion"), None))


def _outcome(options: Options, timings: Timings, settings: dict[str, str]) -> Outcome:
    figures = {"rows": options.rows, "rounds": options.rounds, "postgres": settings, "timings": timings.as_json()}
    verdicts = _verdicts(timings) if options.is_full else []
    return Outcome(figures, _lines(timings, settings), verdicts)


def _lines(timings: Timings, settings: dict[str, str]) -> list[str]:
    cases = list(dict.fromkeys(timing.case for timing in timings.all))
    rows = [
        [
            case,
            shown(timings.median(case, "syncflow"), " s"),
            shown(timings.median(case, "syncflow", "engine_s"), " s"),
            shown(timings.median(case, "dlt"), " s"),
            shown(timings.median(FIRST_LOAD, "floor"), " s"),
            shown(timings.ratio((case, "syncflow"), (FIRST_LOAD, "floor")), " x"),
            shown(timings.ratio((case, "dlt"), (case, "syncflow")), " x"),
        ]
        for case in cases
    ]
    headings = ["", "syncflow", "its engine", "dlt", "floor", "syncflow/floor", "dlt/syncflow"]
    left_out = [] if timings.median(FIRST_LOAD, "dlt") else ["dlt was left out (--no-peers)"]
    return [", ".join(f"{name} {value}" for name, value in settings.items()), *left_out, *table(headings, rows)]


def _verdicts(timings: Timings) -> list[Verdict]:
    found = []
    for case, bound in FLOOR_TARGETS.items():
        ratio = timings.ratio((case, "syncflow"), (FIRST_LOAD, "floor"))
        if ratio is not None:
            found.append(Verdict(f"{case}, times the floor", ratio, bound, "at most"))
    for case, bound in PEER_TARGETS.items():
        ratio = timings.ratio((case, "dlt"), (case, "syncflow"))
        if ratio is not None:
            found.append(Verdict(f"{case}, times faster than dlt", ratio, bound, "at least"))
    engine_s = timings.median(BY_VERSION, "syncflow", "engine_s")
    if engine_s is not None:
        found.append(Verdict(f"{BY_VERSION}, in the engine", engine_s, BY_VERSION_LIMIT_S, "at most", " s"))
    return found


SYNC = Benchmark("sync", "first load and re-syncs: SyncFlow, dlt and the floor, side by side", measure_syncs)
