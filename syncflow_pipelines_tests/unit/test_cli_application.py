"""The root of the command line: help, exit codes, errors and signals."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from syncflow_pipelines.cli import application
from syncflow_pipelines.cli.application import SUMMARIES, run
from syncflow_pipelines.cli.interrupts import Interrupted
from syncflow_pipelines.errors import ConfigurationError, SourceUnreachable

HEAVY = ("dagster", "sqlalchemy", "psycopg", "pandas", "numpy", "fastapi", "pydantic", "rich", "yaml", "msgspec")


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SYNCFLOW_CONFIG_DIR", "SYNCFLOW_HOME", "SYNCFLOW_DATABASE_URL", "LOG_LEVEL", "LOG_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `syncflow` where its only command raises `error`."""
    monkeypatch.setattr(application.application, "get_command", lambda _context, _name: failing_with(error))
    return run([*arguments, "sync"])


def failing_with(error: BaseException) -> click.Command:
    @click.command("sync")
    def raising() -> None:
        raise error

    return raising


def test_help_imports_no_command_and_no_large_package() -> None:
    code = (
        "import sys\n"
        "from syncflow_pipelines.cli.application import run\n"
        "assert run(['--help']) == 0\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "loaded += [name for name in sys.modules if name.startswith('syncflow_pipelines.cli.commands.')]\n"
        "sys.exit(' '.join(loaded) or 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_says_in_its_own_help_what_the_list_says(name: str) -> None:
    command = application.application.get_command(click.Context(application.application), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == SUMMARIES[name]


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert f"Usage: syncflow {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["specs", "schemas", "events", "runs"])
def test_the_commands_of_a_group_are_listed_with_whole_sentences(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([name, "--help"])
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_a_misspelt_command_is_a_usage_error_that_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snyc"]) == 2
    assert "No such command 'snyc'. Did you mean 'sync'?" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_an_expected_error_is_one_sentence_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failing(SourceUnreachable("the source erp is down"), monkeypatch) == 1
    assert capsys.readouterr() == ("", "Error: the source erp is down\n")


def test_a_configuration_error_exits_2_with_every_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ConfigurationError("connectors.yaml cannot be used", ("line 1: this", "line 2: that"))
    assert failing(error, monkeypatch) == 2
    assert capsys.readouterr().err == "Error: connectors.yaml cannot be used\n  line 1: this\n  line 2: that\n"


def test_an_unexpected_error_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failing(KeyError("price"), monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: KeyError: 'price'")
    assert "Traceback" not in told
    assert told.count("\n") == 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(KeyError("price"), monkeypatch, "--debug") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_global_flags_may_stand_behind_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.application, "get_command", lambda _context, _name: failing_with(KeyError("price")))
    assert run(["sync", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert run(["sync", "--", "--debug"]) == 2


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(KeyboardInterrupt(), monkeypatch) == 130


def test_an_interrupt_that_became_another_error_is_one_still(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Python 3.11 makes one of any that comes while a class is made.
    error = RuntimeError("Error calling __set_name__ on 'cached_property' instance")
    error.__cause__ = Interrupted()
    assert failing(error, monkeypatch) == 130


def test_sigterm_runs_what_is_on_the_way_out_and_exits_143(tmp_path: Path) -> None:
    code = (
        "import sys, signal, click, pathlib\n"
        "from syncflow_pipelines.cli import application, main\n"
        "@click.command('sync')\n"
        "def waiting():\n"
        "    try:\n"
        "        click.echo('ready'); sys.stdout.flush(); signal.pause()\n"
        "    finally:\n"
        f"        pathlib.Path({str(tmp_path / 'left')!r}).touch()\n"
        "application.application.get_command = lambda context, name: waiting\n"
        "sys.argv = ['syncflow', 'sync']\n"
        "main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
    assert (tmp_path / "left").exists()


def test_a_reader_that_goes_away_is_no_error(in_empty_folder: Path) -> None:
    (in_empty_folder / "config").mkdir()
    connectors = "".join(
        f"  - {{name: source{number:04}, base_url: 'http://127.0.0.1:9/{'x' * 80}'}}\n" for number in range(2000)
    )
    (in_empty_folder / "config" / "connectors.yaml").write_text(f"connectors:\n{connectors}")
    command = f"{shlex.quote(sys.executable)} -m syncflow_pipelines.cli connectors --json | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
    assert finished.stderr == ""
    assert finished.stdout.count("\n") == 1


def test_home_and_config_dir_reach_the_settings_and_child_processes(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_empty_folder / "settings").mkdir()
    monkeypatch.setenv("SYNCFLOW_HOME", "elsewhere")
    monkeypatch.setenv("SYNCFLOW_CONFIG_DIR", "elsewhere")
    assert run(["--home", "state", "--config-dir", "settings", "config", "check"]) == 0
    told = capsys.readouterr().out
    assert str(in_empty_folder / "state") in told
    assert str(in_empty_folder / "settings" / "connectors.yaml") in told
    assert os.environ["SYNCFLOW_HOME"] == str(in_empty_folder / "state")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("syncflow, version ")
