"""What escapes, Unicode and JSON columns in every row cost, against rows that have none."""

from benchmarks.dataset import State, render
from benchmarks.figures import Benchmark, Options, Outcome, Timings, Verdict, shown, table
from benchmarks.rows import FLAVOURS, Flavour
from benchmarks.source.offer import Offer
from benchmarks.workbench import Expected, How, Workbench, say, workbench

LIMIT = 2.0
_COURSES = ("first load", "nothing changed")


def measure_rich(options: Options) -> Outcome:
    """First loads and unchanged re-syncs of as many plain and rich rows, in turn."""
    timings = Timings()
    with workbench(options) as bench:
        say(f"Rendering twice {options.rows:,} rows")
        states = {flavour: render(bench.folder / flavour, flavour, options.rows) for flavour in FLAVOURS}
        for flavour, state in states.items():
            bench.template(_template(flavour), Offer.of(state))
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            _round(bench, states, timings)
    return _outcome(timings, options)


def _round(bench: Workbench, states: dict[Flavour, State], timings: Timings) -> None:
    with (
        bench.database("engine_plain", _template("plain")) as plain,
        bench.database("engine_rich", _template("rich")) as rich,
    ):
        databases: dict[Flavour, str] = {"plain": plain, "rich": rich}
        for course in _COURSES:
            for flavour, state in states.items():
                offer, rows = Offer.of(state), state.rows
                bench.source.offer(offer)
                expected = Expected(inserted=rows) if course == _COURSES[0] else Expected(unchanged=rows)
                case = _case(course, flavour)
                timings.add(bench.sync(databases[flavour], case, [offer], How("hash"), expected))


def _template(flavour: Flavour) -> str:
    return f"discovered_{flavour}"


def _case(course: str, flavour: Flavour) -> str:
    return f"{course}, {flavour}"


def _outcome(timings: Timings, options: Options) -> Outcome:
    rows, verdicts = [], []
    for course in _COURSES:
        plain, rich = (timings.median(_case(course, flavour), "syncflow") for flavour in FLAVOURS)
        assert plain is not None
        assert rich is not None
        rows.append([course, shown(plain, " s"), shown(rich, " s"), shown(rich / plain, " x")])
        verdicts.append(Verdict(f"{course}, rich against plain", rich / plain, LIMIT, "at most"))
    lines = table([f"{options.rows:,} rows, whole process", *FLAVOURS, "rich/plain"], rows)
    figures = {"rows": options.rows, "timings": timings.as_json()}
    return Outcome(figures, lines, verdicts if options.is_full else [])


RICH = Benchmark("rich", "escapes, Unicode and JSON columns in every row against none", measure_rich)
