"""A hundred small entities in one run, against one entity that has all their rows."""

from benchmarks.dataset import State, render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, Verdict, shown, table
from benchmarks.source.offer import Offer
from benchmarks.workbench import Expected, How, say, workbench

ENTITIES = 100
LIMIT = 3.0
_ROWS_EACH = 1000
_ONE, _MANY = "one entity", f"{ENTITIES} entities"
_TEMPLATE = "discovered"


def measure_many(options: Options) -> Outcome:
    """First loads and unchanged re-syncs of the same rows, in one entity and in many, in turn."""
    timings = Timings()
    with workbench(options) as bench:
        state = render(bench.folder / "rows", "plain", options.scaled(_ROWS_EACH) * ENTITIES)
        whole, parts = [Offer.of(state, "whole")], _parts(state)
        bench.template(_TEMPLATE, *whole, *parts)
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            with bench.database("engine", _TEMPLATE) as database:
                for course, expected in _courses(state.rows).items():
                    for name, offers in ((_ONE, whole), (_MANY, parts)):
                        timings.add(bench.sync(database, f"{course}, {name}", offers, How("hash"), expected))
    return _outcome(timings, state, options)


def _parts(state: State) -> list[Offer]:
    size = state.rows // ENTITIES
    return [Offer.of(state, f"part-{at:03}", at * size, (at + 1) * size) for at in range(ENTITIES)]


def _courses(rows: int) -> dict[str, Expected]:
    return {"first load": Expected(inserted=rows), "nothing changed": Expected(unchanged=rows)}


def _outcome(timings: Timings, state: State, options: Options) -> Outcome:
    rows, verdicts = [], []
    for course in _courses(state.rows):
        one, many = ((f"{course}, {name}", "syncflow") for name in (_ONE, _MANY))
        seconds = [timings.median(*which, "engine_s") for which in (one, many)]
        assert seconds[0] is not None
        assert seconds[1] is not None
        ratio = seconds[1] / seconds[0]
        rows.append([course, *(shown(value, " s") for value in seconds), shown(ratio, " x")])
        verdicts.append(Verdict(f"{course}, many against one", ratio, LIMIT, "at most"))
    lines = table([f"{state.rows:,} rows, in the engine", _ONE, _MANY, "many/one"], rows)
    figures = {"rows": state.rows, "entities": ENTITIES, "timings": timings.as_json()}
    return Outcome(figures, lines, verdicts if options.is_full else [])


MANY = Benchmark("many", "100 entities of 1,000 rows against one of 100,000", measure_many)
