"""Benchmarks end to end, with few rows and without peers; they leave nothing behind, however they end."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

REPOSITORY = Path(__file__).parents[2]
LIMIT_S = 240

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can pass through, and that has to be empty afterwards, with nobody in it."""
    with tempfile.TemporaryDirectory(prefix="syncflow-bench-test-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place
        assert list(place.iterdir()) == []
        assert _processes_of(place) == []


def _processes_of(place: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(place) in word for word in words):
            found.append(" ".join(words))
    return found


def _command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *arguments, "--folder", str(folder)]


def _figures(results: Path) -> dict[str, Any]:
    (path,) = results.glob("*.json")
    return dict(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("sync", {"first load", "nothing changed", "1 % changed", "10 % changed", "1,000 rows by version"}),
        ("memory", {"first load, 2,000", "nothing changed, 10,000"}),
        ("latency", {"concurrency 1", "concurrency 8"}),
        ("many", {"first load, 100 entities", "nothing changed, one entity"}),
        ("rich", {"first load, rich", "nothing changed, plain"}),
        ("history", {"10 % changed, with", "10 % changed, without"}),
    ],
)
def test_a_quick_run_verifies_its_rows_and_keeps_its_figures(
    folder: Path, tmp_path: Path, name: str, cases: set[str]
) -> None:
    command = [*_command(folder, name, "--quick"), "--results", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode == 0, ended.stderr
    figures = _figures(tmp_path)
    assert {"processor", "cores", "python", "syncflow-pipelines"} <= figures["machine"].keys()
    timings = figures[name]["timings"]
    assert cases <= {timing["case"] for timing in timings}
    for timing in timings:
        assert timing["seconds"] >= timing["engine_s"] > 0
        assert timing["peak_mib"] > 10
        assert len(timing["rounds_s"]) == 1
    assert figures[name]["targets"] == []  # they are meant for a million rows


def test_following_specs_is_measured_step_by_step(folder: Path, tmp_path: Path) -> None:
    command = [*_command(folder, "specs", "--quick"), "--results", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode == 0, ended.stderr
    (round_,) = _figures(tmp_path)["specs"]["rounds"]
    assert round_["changed"]["changes"] == 1, "the operation that is gone"
    assert round_["changed"]["generated"] == ["generated"]
    assert set(round_["changed"]["seconds"]) == {"refresh", "load", "compare", "generate"}
    assert set(round_["unchanged"]["seconds"]) == set(round_["hundred"]["seconds"]) == {"refresh"}


def test_watching_specs_is_measured_from_the_rename_to_the_module(folder: Path, tmp_path: Path) -> None:
    command = [*_command(folder, "watch", "--quick"), "--results", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode == 0, ended.stderr
    figures = _figures(tmp_path)["watch"]
    assert (len(figures["event_s"]), len(figures["poll_s"])) == (3, 1)
    assert figures["idle_percent"] >= 0
    assert figures["targets"] == []


def test_the_gateway_is_measured_and_answers_everything_once(folder: Path, tmp_path: Path) -> None:
    command = [*_command(folder, "gateway", "--quick"), "--results", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode == 0, ended.stderr
    figures = _figures(tmp_path)["gateway"]
    assert set(figures["loads"]) == _measured_doors()
    assert all(load["requests"] > 0 for loads in figures["loads"].values() for load in loads)
    assert {way: one["bytes"] for way, one in figures["streamed"].items()} == {"down": 10_000_000, "up": 10_000_000}
    assert figures["listened"]["reached"] == figures["listened"]["streams"] == 50
    died = figures["died"]
    assert (died["failures"], died["probes"], died["is_closed"]) == (5, 3, True)
    assert (died["unanswered"], died["doubled"]) == (0, 0)
    assert figures["targets"] == []


def _measured_doors() -> set[str]:
    """wrk and nginx are no part of SyncFlow: what is missing is not measured."""
    if shutil.which("wrk") is None:
        return set()
    return {"syncflow, uvicorn", "syncflow, granian"} | ({"nginx proxy_pass"} if shutil.which("nginx") else set())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_nothing_behind(folder: Path, tmp_path: Path, number: signal.Signals) -> None:
    command = [*_command(folder, "sync", "--rows", "100000", "--no-peers"), "--results", str(tmp_path / "results")]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        assert run.stderr
        for line in run.stderr:
            if "floor" in line:  # SyncFlow's process comes next
                break
        run.send_signal(number)
        _, told = run.communicate(timeout=LIMIT_S)
    assert run.returncode == 128 + number
    assert "Interrupted" in told
    assert not (tmp_path / "results").exists()
