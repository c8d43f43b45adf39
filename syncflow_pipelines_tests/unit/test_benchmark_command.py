"""`python -m benchmarks`: what it offers and how it judges."""

import json
import signal
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.figures import Benchmark, Options, Outcome, Timing, Timings, Verdict
from benchmarks.peers.dlt_pipeline import TYPES
from benchmarks.peers.environment import REQUIREMENTS
from benchmarks.rows import COLUMNS
from benchmarks.verification import RowsDiffer


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [benchmark.name for benchmark in BENCHMARKS]


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["syncs"])
    assert ended.value.code == 2
    assert "no benchmark 'syncs'; there are sync, memory" in capsys.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m benchmarks sync --no-peers" in capsys.readouterr().out


@pytest.mark.parametrize("rows", ["0", "-5", "many"])
def test_a_number_of_rows_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], rows: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sync", "--rows", rows])
    assert ended.value.code == 2
    assert "--rows" in capsys.readouterr().err


def test_a_verdict_says_what_was_wanted_and_whether_it_was_met() -> None:
    assert str(Verdict("first load, times the floor", 1.1, 1.2, "at most")).endswith("1.10, at most 1.2 wanted: met")
    assert str(Verdict("times faster than dlt", 7.0, 8, "at least")).endswith("7.00, at least 8 wanted: NOT met")


def test_figures_are_medians_of_the_rounds() -> None:
    timings = Timings()
    for seconds in (3.0, 1.0, 2.0):
        timings.add(Timing("first load", "syncflow", seconds, seconds / 2, 0.1, 50))
    timings.add(Timing("first load", "floor", 4.0, 4.0, 0.1, 50))
    assert timings.median("first load", "syncflow") == 2.0
    assert timings.ratio(("first load", "syncflow"), ("first load", "floor")) == 0.5
    assert timings.ratio(("first load", "dlt"), ("first load", "floor")) is None
    assert timings.as_json()[0]["rounds_s"] == [3.0, 1.0, 2.0]


def test_smaller_runs_scale_the_other_numbers_of_rows_down() -> None:
    assert Options(rows=500_000).scaled(200_000) == 100_000
    assert Options(rows=5_000_000).scaled(200_000) == 200_000


def _lost_a_row(_: Options) -> Outcome:
    raise RowsDiffer("bench.order_lines differs from the source: 1 rows are missing")


def _missed_a_target(options: Options) -> Outcome:
    return Outcome({"rows": options.rows}, ["it took 3.00 s"], [Verdict("first load", 3.0, 2, "at most", " s")])


def test_a_run_that_lost_a_row_tells_what_differs_but_no_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    offered = [Benchmark("lossy", "", _lost_a_row)]
    assert main(["lossy", "--results", str(tmp_path)], offered) == 1
    printed = capsys.readouterr()
    assert "1 rows are missing" in printed.err
    assert printed.out.endswith("\nlossy: 1,000,000 rows, rounds: 3\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("more", "code"), [([], 0), (["--strict"], 1)])
def test_a_missed_target_is_told_and_kept_and_fails_only_a_strict_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: list[str], code: int
) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert main(["slow", "--results", str(tmp_path), *more], [Benchmark("slow", "", _missed_a_target)]) == code
    assert "first load: 3.00 s, at most 2 s wanted: NOT met" in capsys.readouterr().out
    (path,) = tmp_path.glob("*.json")
    kept = json.loads(path.read_text())
    assert kept["slow"]["rows"] == 1_000_000
    assert kept["slow"]["targets"] == [
        {"what": "first load", "measured": 3.0, "sense": "at most", "bound": 2, "met": False}
    ]
    assert {"processor", "memory_gib", "python", "psycopg"} <= kept["machine"].keys()
    assert signal.getsignal(signal.SIGINT) is before


def test_dlt_is_told_the_type_of_every_column() -> None:
    assert {column.pg_type for columns in COLUMNS.values() for column in columns} <= TYPES.keys()


def test_the_peers_are_pinned_by_hash_and_name_no_registry() -> None:
    pinned = REQUIREMENTS.read_text()
    lines = [line for line in pinned.splitlines() if line and not line.startswith((" ", "#"))]
    assert any(line.startswith("dlt==1.31.") for line in lines)
    assert all("==" in line and line.endswith("\\") for line in lines)
    assert "://" not in pinned


def test_nothing_beside_the_script_of_a_peer_hides_the_peer() -> None:
    packages = {line.partition("==")[0] for line in REQUIREMENTS.read_text().splitlines() if "==" in line}
    assert {path.stem for path in REQUIREMENTS.parent.glob("*.py")}.isdisjoint(packages)
