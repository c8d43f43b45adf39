"""What it takes to keep schemas in step: twenty models, a thousand entities, the components of a very large spec.

The large spec is GitHub's (`../shared/specs/github.json`); where that is not there, nothing is told of components.
"""

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, shown, table
from benchmarks.postgres import scratch_folder
from benchmarks.processes import child_environment, run_python
from benchmarks.schema_models import MODELS
from benchmarks.specs import LARGE, Specs
from benchmarks.workbench import say

ENTITIES = 1_000
MODELS_LIMIT_S, UNCHANGED_LIMIT_S = 0.5, 0.05
ENTITIES_LIMIT_S, COMPONENTS_LIMIT_S, SAVED_LIMIT_S = 10.0, 60.0, 1.5

_Figures = Mapping[str, Any]
_BARS = {
    "tortoise": (f"{MODELS} models of Tortoise, one changed", MODELS_LIMIT_S),
    "sqlalchemy": (f"{MODELS} models of SQLAlchemy, one changed", MODELS_LIMIT_S),
    "watch": ("from a saved file to its schemas, beyond the debounce", SAVED_LIMIT_S),
    "entities": (f"{ENTITIES:,} entities", ENTITIES_LIMIT_S),
    "components": ("GitHub's components", COMPONENTS_LIMIT_S),
}


def measure_schemas(options: Options) -> Outcome:
    """The figures of all rounds. Raises `ChildFailed` where a round does not come to what it has to."""
    rounds: list[Mapping[str, _Figures]] = []
    for number in range(1, options.rounds + 1):
        say(f"Round {number} of {options.rounds}")
        rounds.append({case: _measured(case, options) for case in _cases(options)})
    return _outcome(rounds, options)


def _cases(options: Options) -> list[str]:
    cases = ["tortoise", "sqlalchemy", "watch", "entities"]
    if options.is_full and LARGE.exists():
        cases.append("components")
    else:
        say(f"Nothing is told of components: {LARGE} is not there, or less than all is measured")
    return [*cases, "peers"] if options.with_peers else cases


def _measured(case: str, options: Options) -> _Figures:
    specs = Specs()
    with scratch_folder(options.folder) as folder, specs.served() as url:
        if case == "components":
            specs.bodies["large"] = LARGE.read_bytes()
        request = {"home": str(folder), "case": case, "url": url, "entities": options.scaled(ENTITIES)}
        measured = run_python("benchmarks.schemas_child", request, child_environment())
        return {**measured.report, "cpu_s": measured.cpu_s}


def _outcome(rounds: list[Mapping[str, _Figures]], options: Options) -> Outcome:
    rows = [
        [told, *(shown(_median(rounds, case, name), " s") for name in ("changed", "unchanged", "cpu_s"))]
        for case, (told, _) in _BARS.items()
        if case in rounds[0]
    ]
    peers = rounds[0].get("peers", {})
    rows += [
        [f"{peer}, the same {MODELS} models", shown(_median(rounds, "peers", peer), " s"), "-", "-"]
        for peer in peers
        if peer != "cpu_s"
    ]
    verdicts = [
        Verdict(told, measured, limit, "at most", " s")
        for case, (told, limit) in _BARS.items()
        if case in rounds[0] and (measured := _median(rounds, case, "changed")) is not None
    ]
    for case in ("tortoise", "sqlalchemy"):
        measured = _median(rounds, case, "unchanged")
        assert measured is not None
        what = f"{MODELS} models of {case.capitalize()}, unchanged"
        verdicts.append(Verdict(what, measured, UNCHANGED_LIMIT_S, "at most", " s"))
    figures = {"rounds": [dict(each) for each in rounds]}
    return Outcome(
        figures, table(["", "changed", "unchanged", "processor, all of it"], rows), verdicts if options.is_full else []
    )


def _median(rounds: list[Mapping[str, _Figures]], case: str, name: str) -> float | None:
    found = [each[case][name] for each in rounds if name in each[case]]
    return float(median(found)) if found else None


SCHEMAS = Benchmark(
    "schemas",
    "Pydantic schemas of 20 models, 1,000 entities and a very large spec",
    measure_schemas,
    has_rows=False,
)
