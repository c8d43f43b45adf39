"""`.env` stands behind the environment, literally, and a line that cannot be read is refused without being told."""

import os
from pathlib import Path

import pytest

from syncflow_pipelines.config import Environment, load_settings
from syncflow_pipelines_tests.unit.config_project import Project


def test_the_environment_wins(project: Project) -> None:
    (project.folder / ".env").write_text("MAX_PAGE_SIZE=5\nSYNC_WORKER_THREADS=2\n")
    settings = project.settings({"MAX_PAGE_SIZE": "7"})
    assert (settings.max_page_size, settings.sync_worker_threads) == (7, 2)


def test_the_process_has_an_environment_of_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_PAGE_SIZE", "9")
    assert load_settings(cwd=project.folder).max_page_size == 9
    assert load_settings({}, cwd=project.folder).max_page_size == 1000


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("export A=exported", "exported"),
        ("A = spaced # comment", "spaced"),
        ("A='single $X ${X}'", "single $X ${X}"),
        ('A="two\\nlines"', "two\nlines"),
        ("A=${B}", "${B}"),
        ("A=p$ss#word", "p$ss#word"),
        ("A=", ""),
        ("A=1\nA=2", "2"),
        ("\ufeffA=marked", "marked"),
        ("A=windows\r\nB=2\r\n", "windows"),
    ],
)
def test_values_are_taken_as_they_are_written(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_bytes(line.encode())
    assert Environment({}, (tmp_path / ".env",)).get("A") == value


def test_bad_lines_are_told_with_their_numbers_but_not_their_text(project: Project) -> None:
    (project.folder / ".env").write_text("A=1\n\n\ns3cret token\nB='s3cret\nC=3\ns3cret\n")
    mistakes = project.setting_mistakes()
    env = project.folder / ".env"
    assert mistakes == [f"{env}:{line}: found a line that cannot be read, expected NAME=value" for line in (4, 5, 7)]


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"A=\xff", "bytes that are not UTF-8"), (b"A=" + b"x" * 2_000_000, "a larger file")],
)
def test_a_file_that_is_no_text_is_refused(project: Project, content: bytes, found: str) -> None:
    (project.folder / ".env").write_bytes(content)
    [mistake] = project.setting_mistakes()
    assert f"found {found}" in mistake


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_may_not_be_read_is_refused(project: Project) -> None:
    (project.folder / ".env").write_text("A=1")
    (project.folder / ".env").chmod(0)
    [mistake] = project.setting_mistakes()
    assert "Permission denied" in mistake


def test_a_link_to_itself_is_refused(project: Project) -> None:
    (project.folder / ".env").symlink_to(".env")
    [mistake] = project.setting_mistakes()
    assert mistake.startswith(f"{project.folder / '.env'}: found an error (Too many levels")


def test_a_folder_of_that_name_is_passed_over(project: Project) -> None:
    (project.folder / ".env").mkdir()
    assert project.settings().max_page_size == 1000


def test_a_variable_knows_where_it_is_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB=s3cret\n")
    environment = Environment({"A": "0"}, (tmp_path / ".env",))
    first, second = environment.find("A"), environment.find("B")
    assert first is not None
    assert second is not None
    assert (first.file, second.file, second.line) == (None, tmp_path / ".env", 2)
    assert environment.find("C") is None
    assert "s3cret" not in repr(second)
