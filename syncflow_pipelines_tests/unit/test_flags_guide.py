"""What docs/flags.md shows is so."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from openfeature import api

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import Flag, load_flags
from syncflow_pipelines.events.flags import is_enabled, standing
from syncflow_pipelines_tests.unit.config_project import Project

GUIDE = (Path(__file__).parents[2] / "docs" / "flags.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(project.folder)
    for name in ("SYNCFLOW_HOME", "SYNCFLOW_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield project.folder
    api.shutdown()


def test_every_flag_is_listed_with_its_variable() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)` \|$", GUIDE, re.MULTILINE)
    assert rows == [(flag.value, flag.variable) for flag in Flag]


def test_the_shown_files_can_be_used(project: Project) -> None:
    said = {key: value for text in blocks("yaml") for key, value in yaml.safe_load(text).items()}
    (project.folder / "config" / "flags.yaml").write_text(yaml.safe_dump(said))
    flags = load_flags(project.settings())
    assert not flags.rules[Flag.AUTO_SYNC].default
    assert not flags.rules[Flag.ENTITY_SYNC].is_on("crm")
    assert flags.provider == "my_app.flags:provider"


def test_the_shown_commands_run(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^\$ syncflow (.*)$", GUIDE, re.MULTILINE)
    assert [run(command.split()) for command in commands] == [0, 0]
    assert "auto_sync" in capsys.readouterr().out


def test_the_shown_code_does_what_is_said(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    provider, use = blocks("python")
    exec(provider, {})
    assert [flag for flag in Flag if not is_enabled(flag, project.settings())] == [Flag.AUTO_SYNC]
    exec(use, {})
    assert capsys.readouterr().out == "the provider In-Memory Provider\n"


def test_the_reason_of_a_skipped_tick_is_as_shown(project: Project) -> None:
    (project.folder / "config" / "flags.yaml").write_text(blocks("yaml")[0])
    assert standing(Flag.AUTO_SYNC, project.settings()).reason("no spec is looked at") in GUIDE
