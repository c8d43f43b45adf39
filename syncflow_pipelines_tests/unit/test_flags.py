"""Feature flags while SyncFlow runs: who decides, what is told, and what takes the place of the files."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.hook import Hook, HookContext, HookHints

from syncflow_pipelines.config import Settings
from syncflow_pipelines.events.flags import DOMAIN, Flag, is_enabled, standing
from syncflow_pipelines.events.flags.asking import Asker, Unanswered
from syncflow_pipelines_tests.unit.config_project import Project
from syncflow_pipelines_tests.unit.flag_providers import Hanging, Other

PROVIDERS = "syncflow_pipelines_tests.unit.flag_providers"


@pytest.fixture(autouse=True)
def clean_registry() -> Iterator[None]:
    """OpenFeature's registry is one for the process."""
    yield
    api.shutdown()


@pytest.fixture
def settings(project: Project) -> Settings:
    return project.settings()


@pytest.fixture
def say(project: Project) -> Callable[[str], None]:
    def write(text: str) -> None:
        draft = project.folder / "config" / "draft"
        draft.write_text(text)
        draft.replace(project.folder / "config" / "flags.yaml")

    return write


@pytest.mark.parametrize("flag", list(Flag))
def test_every_flag_is_on_where_nothing_is_said(flag: Flag, settings: Settings) -> None:
    assert standing(flag, settings).is_on
    assert standing(flag, settings).where == "the default"


@pytest.mark.parametrize("value", ["false", "FALSE", "off", "no", "0", " false "])
def test_a_variable_switches_a_flag_off_and_no_other(value: str, project: Project) -> None:
    settings = project.settings({"SYNCFLOW_FLAG_AUTO_SYNC": value})
    assert [flag for flag in Flag if not is_enabled(flag, settings)] == [Flag.AUTO_SYNC]


def test_the_environment_goes_before_dotenv_and_that_before_the_file(
    project: Project, say: Callable[[str], None]
) -> None:
    say("flags: {auto_sync: false, mcp: false, events: false}")
    (project.folder / ".env").write_text("SYNCFLOW_FLAG_MCP=true\nSYNCFLOW_FLAG_EVENTS=true\n")
    settings = project.settings({"SYNCFLOW_FLAG_EVENTS": "false"})
    said = {flag: (standing(flag, settings).is_on, standing(flag, settings).where) for flag in Flag}
    assert said[Flag.AUTO_SYNC] == (False, "flags.yaml:1")
    assert said[Flag.MCP] == (True, f"SYNCFLOW_FLAG_MCP in {project.folder / '.env'}:1")
    assert said[Flag.EVENTS] == (False, "SYNCFLOW_FLAG_EVENTS in the environment")


def test_a_switch_is_seen_when_the_flag_is_asked_for_next(
    project: Project, settings: Settings, say: Callable[[str], None]
) -> None:
    file, dotenv = project.folder / "config" / "flags.yaml", project.folder / ".env"
    seen = [is_enabled(Flag.MCP, settings)]
    for text in ("flags: {mcp: false}", "flags: {mcp: true}", "flags: {mcp: false}"):
        say(text)
        seen.append(is_enabled(Flag.MCP, settings))
    file.write_text("flags: {mcp:  true}")  # in place, and as long as before
    seen.append(is_enabled(Flag.MCP, settings))
    dotenv.write_text("SYNCFLOW_FLAG_MCP=off\n")
    seen.append(is_enabled(Flag.MCP, settings))
    dotenv.unlink()
    file.unlink()
    seen.append(is_enabled(Flag.MCP, settings))
    assert seen == [True, False, True, False, True, False, True]


def test_a_flag_may_be_off_for_one_service_or_connector(settings: Settings, say: Callable[[str], None]) -> None:
    say("flags: {entity_sync: {off_for: [crm]}}")
    assert [is_enabled(Flag.ENTITY_SYNC, settings, target) for target in ("crm", "erp", None)] == [False, True, True]


def test_of_a_broken_file_the_last_good_one_stands_and_that_is_told_once(
    settings: Settings, say: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    say("flags: {mcp: false}")
    assert not is_enabled(Flag.MCP, settings)
    say("flags: {mcp: tru")
    assert [is_enabled(Flag.MCP, settings) for _ in range(3)] == [False] * 3
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "flags.yaml" in warning
    assert "stand as they did before" in warning
    say("flags: {mcp: true}")
    assert is_enabled(Flag.MCP, settings)
    assert caplog.records[-1].message.endswith("flags.yaml can be used again")


def test_a_variable_that_becomes_unreadable_leaves_the_flag_as_it_was(
    project: Project, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    dotenv = project.folder / ".env"
    dotenv.write_text("SYNCFLOW_FLAG_MCP=false\n")
    assert not is_enabled(Flag.MCP, settings)
    dotenv.write_text("SYNCFLOW_FLAG_MCP=flase\n")
    assert [is_enabled(Flag.MCP, settings) for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1


def test_a_provider_that_code_sets_takes_the_place_of_the_files(settings: Settings, say: Callable[[str], None]) -> None:
    say("flags: {auto_sync: true, mcp: false}")
    provider = Other(auto_sync=False)
    api.set_provider(provider, DOMAIN)
    assert (standing(Flag.AUTO_SYNC, settings).is_on, standing(Flag.AUTO_SYNC, settings).where) == (
        False, "the provider In-Memory Provider",
    )  # fmt: skip
    assert not is_enabled(Flag.MCP, settings), "what it does not know, the file says"
    is_enabled(Flag.AUTO_SYNC, settings, "crm")
    assert provider.targets[-1] == "crm"


def test_so_does_the_default_provider_of_an_application(settings: Settings) -> None:
    api.set_provider(Other(mcp=False))
    assert [flag for flag in Flag if not is_enabled(flag, settings)] == [Flag.MCP]


def test_so_does_one_that_the_file_names(settings: Settings, say: Callable[[str], None]) -> None:
    say(f"provider: {PROVIDERS}:everything_off")
    assert [flag for flag in Flag if is_enabled(flag, settings)] == []
    say("flags: {}")
    assert all(is_enabled(flag, settings) for flag in Flag)


@pytest.mark.parametrize(
    "named", [f"{PROVIDERS}:broken", f"{PROVIDERS}:nothing", "no_such_module:provider", "sys:version"]
)
def test_one_that_cannot_be_made_is_told_once_and_the_files_decide(
    named: str, settings: Settings, say: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    say(f"flags: {{mcp: false}}\nprovider: {named}")
    assert [is_enabled(flag, settings) for flag in (Flag.MCP, Flag.EVENTS)] == [False, True]
    (warning,) = {record.message.partition(" (")[0] for record in caplog.records}
    assert warning == f"The provider {named} of flags.yaml cannot say how flags stand"


def test_one_that_fails_is_told_once_and_the_default_holds(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ConnectionError("no route to the flag service")

    api.set_provider(Other(fail, mcp=False), DOMAIN)
    assert [is_enabled(Flag.MCP, settings) for _ in range(3)] == [True] * 3
    warnings = [record.message for record in caplog.records if record.name.startswith("syncflow")]
    assert len(warnings) == 1
    assert "no route to the flag service" in warnings[0]


def test_one_that_answers_another_type_is_not_believed(settings: Settings) -> None:
    provider = Other(mcp=False)
    provider._flags["syncflow_mcp"].variants["off"] = "no"  # as a flag service may answer
    api.set_provider(provider, DOMAIN)
    assert is_enabled(Flag.MCP, settings)


def test_one_that_hangs_is_waited_for_once_and_asked_again_when_it_answers() -> None:
    provider = Hanging()
    api.set_provider(provider, DOMAIN)
    asker = Asker(lambda: api.get_client(DOMAIN))
    try:
        for _ in range(3):
            with pytest.raises(Unanswered, match="has not answered"):
                asker.ask(Flag.AUTO_SYNC, default=True, target=None, patience_s=0.05)
        assert provider.asked == 1
    finally:
        provider.released.set()
    for thread in list(asker._hanging):
        thread.join(60)
    assert asker.ask(Flag.AUTO_SYNC, default=True, target=None).is_on is False


def test_one_that_is_not_ready_yet_is_not_waited_for(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    ready = threading.Event()

    class Starting(Other):
        def initialize(self, evaluation_context: EvaluationContext) -> None:
            ready.wait(60)

    api.set_provider(Starting(mcp=False), DOMAIN)
    try:
        assert is_enabled(Flag.MCP, settings)
        assert "PROVIDER_NOT_READY" in caplog.text
    finally:
        ready.set()


def test_hooks_of_openfeature_see_what_is_asked(settings: Settings) -> None:
    seen: list[tuple[str, object]] = []

    class Watching(Hook):
        def after(self, hook_context: HookContext, details: FlagEvaluationDetails[object], hints: HookHints) -> None:
            seen.append((hook_context.flag_key, details.value))

    api.add_hooks([Watching()])
    is_enabled(Flag.MCP, settings)
    assert seen == [("syncflow_mcp", True)]


def test_a_hook_that_fails_switches_nothing_on(settings: Settings, say: Callable[[str], None]) -> None:
    class Failing(Hook):
        def before(self, hook_context: HookContext, hints: HookHints) -> None:
            raise ValueError

    say("flags: {mcp: false}")
    api.add_hooks([Failing()])
    try:
        assert standing(Flag.MCP, settings).where == "flags.yaml:1"
        assert not is_enabled(Flag.MCP, settings)
    finally:
        api.clear_hooks()


def test_a_registry_that_somebody_clears_is_filled_again(settings: Settings, say: Callable[[str], None]) -> None:
    say("flags: {mcp: false}")
    assert not is_enabled(Flag.MCP, settings)
    api.shutdown()
    assert not is_enabled(Flag.MCP, settings)


def test_each_installation_of_a_process_has_flags_of_its_own(tmp_path: Path) -> None:
    installations = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        installations.append(Project(tmp_path / name))
    (tmp_path / "a" / "config" / "flags.yaml").write_text("flags: {mcp: false}")
    assert [is_enabled(Flag.MCP, one.settings()) for one in (*installations, *installations)] == [False, True] * 2
