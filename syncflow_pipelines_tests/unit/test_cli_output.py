"""What commands print: tables for people, JSON for programs, log lines for neither."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest

from syncflow_pipelines.cli.logs import configure_logging
from syncflow_pipelines.cli.output import as_text, print_facts, print_json, print_table, visible
from syncflow_pipelines.config import Settings

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_a_table_that_is_piped_is_never_wrapped_and_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "rows"), [("x" * 300, 12_345), ("short", None)], wrap=("name",))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["name", "rows"], ["x" * 300, "12,345"], ["short", "-"]]
    assert all(line == line.rstrip() for line in lines)


def test_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("rows",), [(1,), (1000,)])
    assert capsys.readouterr().out.splitlines() == [" rows", "    1", "1,000"]


def test_text_from_outside_is_neither_markup_nor_a_command_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"name": "[bold]\x1b[2Jx[/bold]"})
    assert capsys.readouterr().out == "name  [bold]\\x1b[2Jx[/bold]\n"


@pytest.mark.parametrize(("text", "shown"), [("a\tb", "a\\tb"), ("\x9b31m", "\\x9b31m"), ("Größe 数", "Größe 数")])
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_times_are_shown_in_utc() -> None:
    told = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert as_text(told).plain == "2026-01-02 01:04:05Z"


def test_json_is_one_line_that_drives_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    uid = UUID(int=1)
    print_json({"uid": uid, "at": datetime(2026, 1, 2, tzinfo=UTC), "text": "ü\n\ud800\x9b\u2028数", "many": (1, 2)})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert '"ü\\n\\ud800\\u009b\\u2028数"' in printed
    assert json.loads(printed) == {
        "uid": str(uid),
        "at": "2026-01-02T00:00:00Z",
        "text": "ü\n\ud800\x9b\u2028数",
        "many": [1, 2],
    }


def test_json_escapes_what_the_encoding_of_stdout_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", stdout)
    print_json({"text": "ü数😀"})
    assert stdout.buffer.getvalue().decode("latin-1") == '{"text": "ü\\u6570\\ud83d\\ude00"}\n'


def test_a_time_without_a_zone_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2026, 1, 2, 3, 4)})  # noqa: DTZ001 - which is the point
    assert json.loads(capsys.readouterr().out) == {"at": "2026-01-02T03:04:00"}


@pytest.fixture
def restored_logging() -> object:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:], root.level = before


def settings(folder: Path, log_level: LogLevel = "INFO", log_file: Path | None = None) -> Settings:
    return Settings(config_dir=folder, home=folder, log_level=log_level, log_file=log_file)


@pytest.mark.parametrize(
    ("log_level", "verbosity", "shown"),
    [
        ("INFO", 0, {"WARNING", "ERROR"}),
        ("INFO", 1, {"INFO", "WARNING", "ERROR"}),
        ("INFO", 2, {"DEBUG", "INFO", "WARNING", "ERROR"}),
        ("INFO", -1, {"ERROR"}),
        ("DEBUG", 0, {"DEBUG", "INFO", "WARNING", "ERROR"}),
        ("ERROR", 0, {"ERROR"}),
    ],
)
def test_log_lines_go_to_stderr_by_verbosity(
    log_level: LogLevel,
    verbosity: int,
    shown: set[str],
    tmp_path: Path,
    restored_logging: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(settings(tmp_path, log_level), verbosity)
    for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
        logging.getLogger("syncflow_pipelines.some").log(getattr(logging, name), "told")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert {line.split()[2] for line in printed.err.splitlines()} == shown


def test_the_log_file_gets_what_log_level_says(
    tmp_path: Path, restored_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "logs" / "syncflow.log"
    configure_logging(settings(tmp_path, "INFO", file), 0)
    logging.getLogger("syncflow_pipelines.some").info("told")
    assert "INFO    syncflow_pipelines.some: told" in file.read_text()
    assert capsys.readouterr().err == ""
