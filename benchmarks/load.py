"""How long the code location takes to load, by the number of entities in the catalogue state.

Every run of Dagster pays it again. Each figure is a median of fresh processes that neither network nor database
can help: there are none. Bytecode is compiled beforehand, as an installation has it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, table
from syncflow_pipelines.sync.model import STRATEGIES
from syncflow_pipelines.sync.state import EntityState, StateColumn, write_catalogue_state

REPOSITORY = Path(__file__).parents[1]
SIZES = (1000, 5000)
REPEATS = 5
COLUMNS = 12
LIMIT_S = 3.0
"""For 1,000 entities, all parts together: processor time, since loading waits for nothing."""

Figures = dict[str, float]
_SHOWN = ("import_s", "definitions_s", "repository_s", "snapshot_s", "cpu_s", "wall_s", "rss_mib", "snapshot_mib")


def measure_load(options: Options) -> Outcome:
    """What loading costs; of the options, only a single round changes it."""
    repeats = 1 if options.rounds == 1 else REPEATS
    loading = measure_loading(repeats=repeats)
    rows = [
        [f"{size:,}", f"{figures['checks']:.0f}", *(f"{figures[name]:.2f}" for name in _SHOWN)]
        for size, figures in loading.items()
    ]
    lines = [
        f"Median of {repeats} fresh processes, {COLUMNS} columns an entity",
        "Parts in processor time; cpu_s is all of it, Python's own start included",
        *table(["entities", "checks", *_SHOWN], rows),
    ]
    limit = Verdict("1,000 entities, processor time", loading[1000]["cpu_s"], LIMIT_S, "at most", " s")
    return Outcome({"loading": loading}, lines, [limit])


def measure_loading(sizes: tuple[int, ...] = SIZES, repeats: int = REPEATS) -> dict[int, Figures]:
    """Median figures of `repeats` processes for each number of entities."""
    with tempfile.TemporaryDirectory(prefix="syncflow-benchmark-") as name:
        folder = Path(name)
        (folder / "config").mkdir()
        (folder / "config" / "connectors.yaml").write_text("connectors: [{name: erp, base_url: 'http://127.0.0.1:9'}]")
        _load(folder)  # compiles
        return {size: _measure(folder, size, repeats) for size in sizes}


def _measure(folder: Path, size: int, repeats: int) -> Figures:
    write_catalogue_state(folder / ".syncflow", "erp", (_entity(number) for number in range(size)))
    runs = [_load(folder) for _ in range(repeats)]
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _load(folder: Path) -> Figures:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    environment = {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    command = [sys.executable, "-m", "benchmarks.load_child"]
    child = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return json.loads(child.stdout)  # type: ignore[no-any-return]


def _entity(number: int) -> EntityState:
    strategy = STRATEGIES[number % len(STRATEGIES)]
    return EntityState(
        slug=f"entity-{number:04}",
        name=f"Entity {number}",
        description=f"What the source keeps of entity {number}",
        strategy=strategy,
        has_rowversion=strategy == "rowversion",
        business_keys=("column_00",),
        columns=tuple(
            StateColumn(f"column_{column:02}", "character varying(50)", f"Column {column}", column > 0)
            for column in range(COLUMNS)
        ),
        table=f"erp.entity_{number:04}",
        interval_s=300,
        enabled=True,
        is_present=True,
    )


LOAD = Benchmark("load", "how long Dagster takes to load the code location", measure_load, has_rows=False)
