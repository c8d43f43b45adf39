"""`syncflow demo source`: serving the demo source, and changing its rows."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.demo.erp import expected_rows
from syncflow_pipelines.demo.services.revisions import revision_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCFLOW_CONFIG_DIR", raising=False)
    monkeypatch.setenv("SYNCFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_rows_are_changed_and_what_was_done_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "source", "--rows", "400", "--mutate", "--fraction", "0.1", "--json"]) == 0
    told = {one["entity"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    lines = told["order_lines"]
    assert lines["inserted"] == lines["updated"] == lines["deleted"] > 1
    assert len(list(expected_rows(home, "order_lines"))) > 1
    assert run(["demo", "source", "--mutate"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["entity", "inserted", "updated", "deleted"]


def test_the_home_of_the_command_itself_wins(home: Path, tmp_path: Path) -> None:
    assert run(["demo", "source", "--home", str(tmp_path / "other"), "--rows", "400", "--mutate", "-q"]) == 0
    assert (tmp_path / "other" / "demo" / "erp.sqlite").exists()
    assert not home.exists()


def test_the_source_is_served_until_ctrl_c(home: Path) -> None:
    command = [sys.executable, "-m", "syncflow_pipelines.cli", "demo", "source", "--port", "0", "--rows", "400"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}/api/v1/health", timeout=30) as answer:
                assert json.load(answer) == {"status": "ok"}
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_the_demo_services_change_when_asked_to(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "services", "--evolve", "--json"]) == 0
    (told,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["service"], told["revision"], told["is_new"]) == ("warehouse", 2, True)
    assert run(["demo", "services", "--break"]) == 0
    assert "callers break" in capsys.readouterr().out
    assert run(["demo", "services", "--break"]) == 0
    told = capsys.readouterr().out
    assert ("parcels: changed so already" in told, "--reset" in told) == (True, True)
    assert run(["demo", "services", "--reset"]) == 0
    assert (revision_of(home, "warehouse"), revision_of(home, "parcels")) == (1, 1)
