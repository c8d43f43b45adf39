"""flags.yaml and the variables that go before it: what comes of them, and what is refused."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import Flag, FlagRule, load_configuration, load_flags
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project


def write(project: Project, text: str) -> None:
    (project.folder / "config" / "flags.yaml").write_text(text)


def mistakes(project: Project, text: str) -> list[str]:
    write(project, text)
    with pytest.raises(ConfigurationError) as refused:
        load_flags(project.settings())
    return list(refused.value.mistakes)


def test_without_a_file_nothing_is_said(project: Project) -> None:
    assert load_flags(project.settings()).rules == {}


def test_a_flag_is_switched_in_a_word_or_by_what_it_is_about(project: Project) -> None:
    write(
        project, "flags:\n  auto_sync: false\n  entity_sync: {off_for: [crm]}\n  mcp: {default: false, on_for: [erp]}\n"
    )
    rules = load_flags(project.settings()).rules
    assert rules[Flag.AUTO_SYNC] == FlagRule(default=False, line=2)
    assert [rules[Flag.ENTITY_SYNC].is_on(target) for target in (None, "crm", "erp")] == [True, False, True]
    assert [rules[Flag.MCP].is_on(target) for target in (None, "crm", "erp")] == [False, False, True]


@pytest.mark.parametrize("word", ["off", "' Off '", "no", "0", "FALSE", "'false'", "{default: off}"])
def test_a_flag_is_switched_off_in_the_words_of_the_variables_too(project: Project, word: str) -> None:
    write(project, f"flags: {{mcp: {word}}}")
    assert load_flags(project.settings()).rules[Flag.MCP].default is False


def test_a_flag_may_be_filled_from_the_environment(project: Project) -> None:
    write(project, "flags: {auto_sync: '${WANTED:-false}'}")
    assert load_flags(project.settings()).rules[Flag.AUTO_SYNC].default is False
    assert load_flags(project.settings({"WANTED": "true"})).rules[Flag.AUTO_SYNC].default is True


def test_every_mistake_is_told_with_its_line(project: Project) -> None:
    events = "  events: {default: maybe, on_for: [a], off_for: [a]}"
    assert mistakes(project, f"flags:\n  auto_snyc: false\n  mcp: 5\n{events}\nprovider: nothing\n") == [
        "flags.yaml:2: flags.auto_snyc: found an unknown key, expected auto_sync, or another key that is known here",
        "flags.yaml:3: flags.mcp: found 5, expected true, false, or a mapping with default, on_for and off_for",
        "flags.yaml:4: flags.events.default: found 'maybe', expected true or false (or on, off, yes, no, 1, 0)",
        "flags.yaml:4: flags.events.off_for[0]: found 'a', expected a name that on_for does not hold, too",
        "flags.yaml:5: provider: found 'nothing', expected a factory such as my_app.flags:provider",
    ]


@pytest.mark.parametrize(
    "text", ["flags: [auto_sync]", "flags:\n  auto_sync: [false]", "- flags", "flags: {mcp: {off_for: crm}}"]
)
def test_other_shapes_are_refused_and_never_crash(project: Project, text: str) -> None:
    assert len(mistakes(project, text)) == 1


def test_whoever_loads_the_configuration_learns_of_them(project: Project) -> None:
    write(project, "flags: {mcp: 5}")
    with pytest.raises(ConfigurationError, match=r"flags\.mcp"):
        load_configuration(project.settings())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SYNCFLOW_FLAG_AUTO_SYNC", "flase", "found 'flase', expected true or false (or on, off, yes, no, 1, 0)"),
        ("SYNCFLOW_FLAG_AUTOSYNC", "false", "found a variable of no flag, expected SYNCFLOW_FLAG_AUTO_SYNC"),
    ],
)
def test_a_variable_that_switches_nothing_is_refused(project: Project, name: str, value: str, expected: str) -> None:
    assert project.setting_mistakes({name: value}) == [f"environment: {name}: {expected}"]


def test_the_line_of_a_variable_in_a_dotenv_is_told(project: Project) -> None:
    (project.folder / ".env").write_text("\nSYNCFLOW_FLAG_MCP=nope\n")
    (mistake,) = project.setting_mistakes()
    assert mistake.startswith(f"{project.folder / '.env'}:2: SYNCFLOW_FLAG_MCP: found 'nope'")
    assert Path(mistake.partition(":")[0]).exists()
