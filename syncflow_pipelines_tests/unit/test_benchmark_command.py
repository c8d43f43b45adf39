"""`python -m benchmarks`: what it offers and how it judges."""

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.figures import Options, Timing, Timings, Verdict


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
