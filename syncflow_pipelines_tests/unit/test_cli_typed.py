"""Commands that are told as a person can type them."""

import sys
from pathlib import Path

import pytest

from syncflow_pipelines.cli.typed import typed


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with our commands, under a name that a shell would split; it is not on PATH."""
    folder = tmp_path / "the project" / ".venv" / "bin"
    folder.mkdir(parents=True)
    make_command(folder)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return folder


def make_command(folder: Path) -> None:
    (folder / "syncflow").touch(mode=0o755)


def test_a_command_on_path_is_told_by_its_name(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installed))
    assert typed("syncflow") == "syncflow"


def test_below_the_working_folder_the_path_is_relative(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installed.parents[1])
    assert typed("syncflow") == ".venv/bin/syncflow"


def test_elsewhere_the_path_is_absolute_and_quoted(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installed)
    assert typed("syncflow") == f"'{installed / 'syncflow'}'"


def test_somebody_elses_command_on_path_is_not_ours(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_command(tmp_path)
    monkeypatch.chdir(installed.parents[1])
    assert typed("syncflow") == ".venv/bin/syncflow"


def test_a_command_that_is_not_installed_beside_python_is_told_by_its_name(installed: Path) -> None:
    assert typed("dagster") == "dagster"
