"""`python -m benchmarks`: measures, prints, and keeps the figures in benchmarks/results/."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.api import API
from benchmarks.events import EVENTS
from benchmarks.figures import FULL_ROWS, QUICK_ROWS, Benchmark, Options, Outcome
from benchmarks.gateway import GATEWAY
from benchmarks.history import HISTORY
from benchmarks.latency import LATENCY
from benchmarks.load import LOAD
from benchmarks.machine import describe_machine
from benchmarks.many import MANY
from benchmarks.memory import MEMORY
from benchmarks.processes import ChildFailed
from benchmarks.rich import RICH
from benchmarks.schemas import SCHEMAS
from benchmarks.specs import SPECS
from benchmarks.sync import SYNC
from benchmarks.verification import RowsDiffer
from benchmarks.watching import WATCH

BENCHMARKS: tuple[Benchmark, ...] = (
    SYNC, MEMORY, LATENCY, MANY, RICH, HISTORY, LOAD, SPECS, EVENTS, WATCH, SCHEMAS, GATEWAY, API,
)  # fmt: skip
RESULTS = Path(__file__).parent / "results"
_ROUNDS = 3
_ENDING = (signal.SIGINT, signal.SIGTERM)

_EXAMPLES = """\
examples:
  python -m benchmarks --list                    what there is
  python -m benchmarks                           everything, a million rows; about an hour
  python -m benchmarks sync --no-peers           SyncFlow and the floor, without dlt
  python -m benchmarks sync --rows 100000 --rounds 5
  python -m benchmarks --quick                   does everything run? 2,000 rows, one round, no peers

The sides take turns on this machine, every figure is a median of the rounds, and every run is verified: where a row
is not what the source sent, no time is told, and the command ends with 1. Targets are meant for a million rows and
an idle machine; read ratios, not seconds. docs/benchmarks.md says what each benchmark measures.
"""


def main(arguments: Sequence[str] | None = None, offered: Sequence[Benchmark] = BENCHMARKS) -> int:
    """0; 1 where rows differ or a side failed, or where `--strict` is given and a target is missed; 2 for usage."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{benchmark.name:10} {benchmark.what}" for benchmark in offered))
        return 0
    chosen = _chosen(parser, given.names, offered)
    machine = describe_machine()
    print("\n".join(f"{name:20} {value}" for name, value in machine.items()))
    try:
        with _ending_on_signals():
            outcomes = {benchmark.name: _measure(benchmark, _options(given)) for benchmark in chosen}
    except (RowsDiffer, ChildFailed) as failure:
        print(f"\nNothing is told of this run: {failure}", file=sys.stderr)
        return 1
    _keep(given.results, machine, outcomes)
    missed = [verdict for outcome in outcomes.values() for verdict in outcome.verdicts if not verdict.is_met]
    return 1 if given.strict and missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures SyncFlow on this machine, beside a peer and beside what PostgreSQL itself can do.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure; everything unless it is said")
    parser.add_argument("--list", action="store_true", help="tell what can be measured")
    parser.add_argument("--rows", type=_whole, help=f"rows of the entity (default {FULL_ROWS:,}); others scale with it")
    parser.add_argument("--rounds", type=_whole, help=f"how often each side takes its turn (default {_ROUNDS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, one round, no peers")
    parser.add_argument(
        "--no-peers", action="store_true", help="leave other tools out; else they are installed when first needed"
    )
    parser.add_argument("--strict", action="store_true", help="end with 1 where a target is missed")
    parser.add_argument("--folder", type=Path, help="where data are kept while it runs (default: the system's /tmp)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="where the JSON is written (default: %(default)s)"
    )
    return parser


def _whole(text: str) -> int:
    value = int(text.replace(",", "").replace("_", ""))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _chosen(parser: argparse.ArgumentParser, names: Sequence[str], offered: Sequence[Benchmark]) -> list[Benchmark]:
    by_name = {benchmark.name: benchmark for benchmark in offered}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)] or list(offered)


def _options(given: argparse.Namespace) -> Options:
    options = Options(rounds=_ROUNDS, with_peers=not given.no_peers, folder=given.folder)
    if given.quick:
        options = replace(options, rows=QUICK_ROWS, rounds=1, with_peers=False)
    return replace(options, rows=given.rows or options.rows, rounds=given.rounds or options.rounds)


def _measure(benchmark: Benchmark, options: Options) -> Outcome:
    rows = f": {options.rows:,} rows, rounds: {options.rounds}" if benchmark.has_rows else ""
    print(f"\n{benchmark.name}{rows}", flush=True)
    outcome = benchmark.run(options)
    print("\n".join((*outcome.lines, *map(str, outcome.verdicts))), flush=True)
    if benchmark.has_rows and not options.is_full:
        print(f"The targets are meant for {FULL_ROWS:,} rows, so nothing is said of them.")
    return outcome


def _keep(folder: Path, machine: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps({"machine": machine, **{name: _json(o) for name, o in outcomes.items()}}, indent=2) + "\n"
    )
    print(f"\nKept in {path}")


def _json(outcome: Outcome) -> dict[str, Any]:
    targets = [
        {"what": v.what, "measured": v.measured, "sense": v.sense, "bound": v.bound, "met": v.is_met}
        for v in outcome.verdicts
    ]
    return {**outcome.figures, "targets": targets}


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Makes a signal leave every `with` block on the way out."""
    before = {number: signal.signal(number, _end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> NoReturn:
    for ignored in _ENDING:  # nobody who is impatient can then keep it from being tidied up
        signal.signal(ignored, signal.SIG_IGN)
    print("\nInterrupted: everything is being ended, and nothing was kept.", file=sys.stderr)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
