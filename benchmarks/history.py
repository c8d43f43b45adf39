"""What it costs to keep every change of a row on record (`history: true`), against the same syncs without."""

import psycopg

from benchmarks.dataset import State, change, every, render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, shown, table
from benchmarks.source.offer import Offer
from benchmarks.verification import RowsDiffer
from benchmarks.workbench import Expected, How, Workbench, say, workbench

_SIDES = {"without": False, "with": True}
_TEMPLATE = "discovered"
_RECORDED = "SELECT count(*) FROM bridge.record_changes"


def measure_history(options: Options) -> Outcome:
    """First load, nothing changed and 10 % changed, with and without, in turn.

    Raises `RowsDiffer` where a change is not on record, or something is that was none.
    """
    timings = Timings()
    with workbench(options) as bench:
        say(f"Rendering {options.rows:,} rows")
        first = render(bench.folder / "first", "plain", options.rows)
        changed = change(first, bench.folder / "changed", every(10, 3))
        bench.template(_TEMPLATE, Offer.of(first))
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            _round(bench, first, changed, timings)
    return _outcome(timings, options)


def _round(bench: Workbench, first: State, changed: State, timings: Timings) -> None:
    with bench.database("without", _TEMPLATE), bench.database("with", _TEMPLATE):
        for course, (state, expected) in _courses(first, changed).items():
            offer = Offer.of(state)
            bench.source.offer(offer)
            for side, is_kept in _SIDES.items():
                before = _recorded(bench, side)
                how = How("hash", connector={"history": is_kept})
                timings.add(bench.sync(side, _case(course, side), [offer], how, expected))
                wanted = (expected.inserted + expected.updated) * is_kept
                if (found := _recorded(bench, side) - before) != wanted:
                    raise RowsDiffer(f"{course}: {found:,} changes are on record instead of {wanted:,}")


def _courses(first: State, changed: State) -> dict[str, tuple[State, Expected]]:
    unchanged = first.rows - changed.changed
    return {
        "first load": (first, Expected(inserted=first.rows)),
        "nothing changed": (first, Expected(unchanged=first.rows)),
        "10 % changed": (changed, Expected(updated=changed.changed, unchanged=unchanged)),
    }


def _recorded(bench: Workbench, database: str) -> int:
    with psycopg.connect(bench.postgres.url(database)) as connection:
        row = connection.execute(_RECORDED).fetchone()
        assert row
        return int(row[0])


def _case(course: str, side: str) -> str:
    return f"{course}, {side}"


def _outcome(timings: Timings, options: Options) -> Outcome:
    courses = dict.fromkeys(timing.case.rpartition(", ")[0] for timing in timings.all)
    rows = []
    for course in courses:
        cases = [(_case(course, side), "syncflow") for side in _SIDES]
        seconds = [shown(timings.median(*case), " s") for case in cases]
        rows.append([course, *seconds, shown(timings.ratio(cases[1], cases[0]), " x")])
    lines = table([f"{options.rows:,} rows, whole process", *_SIDES, "with/without"], rows)
    return Outcome({"rows": options.rows, "timings": timings.as_json()}, lines)


HISTORY = Benchmark("history", "what it costs to keep every change of a row on record", measure_history)
