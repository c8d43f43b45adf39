"""`syncflow config check` and the completion of names, which need neither database nor network."""

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from syncflow_pipelines.cli.application import application, run
from syncflow_pipelines.sync.state import EntityState, write_catalogue_state


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("SYNCFLOW_CONFIG_DIR", "SYNCFLOW_HOME", "SYNCFLOW_DATABASE_URL", "LOG_LEVEL", "LOG_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").mkdir()
    return tmp_path


def write_connectors(folder: Path, text: str) -> None:
    (folder / "config" / "connectors.yaml").write_text(text)


def test_a_right_configuration_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_connectors(folder, "connectors: [{name: crm, base_url: 'https://crm.example.com'}]")
    assert run(["config", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["connectors"], told["warnings"], told["database"]) == (["crm"], [], "embedded")
    files = (folder / "config" / "connectors.yaml", folder / "config" / "auto_sync_services.yaml")
    assert (told["connectors.yaml"], told["auto_sync_services.yaml"]) == tuple(map(str, files))


def test_files_that_are_not_there_are_told_as_such(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_connectors(folder, "connectors: [{name: crm, base_url: 'https://crm.example.com'}]")
    assert run(["config", "check"]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert told["connectors.yaml"] == str(folder / "config" / "connectors.yaml")
    assert told["flags.yaml"] == f"{folder / 'config' / 'flags.yaml'} (not there)"


def test_a_folder_without_either_file_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check"]) == 0
    told = f"there is none of connectors.yaml, auto_sync_services.yaml, schema_sync.yaml in {folder / 'config'}"
    assert told in capsys.readouterr().err


def test_a_wrong_file_is_refused_with_every_mistake_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_connectors(folder, "connectors:\n  - name: crm\n    base_url: 'ftp://x'\n    auth: {type: oauth}\n")
    assert run(["config", "check"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "connectors.yaml:3" in printed.err
    assert "connectors.yaml:4" in printed.err
    assert "oauth" in printed.err


def test_a_missing_token_is_a_warning_that_names_where_it_should_be(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auth = "{type: bearer, token_env: NO_SUCH_TOKEN}"
    write_connectors(folder, f"connectors: [{{name: crm, base_url: 'https://crm.example.com', auth: {auth}}}]")
    assert run(["config", "check"]) == 0
    warning = capsys.readouterr().err
    assert warning.startswith("Warning: crm: ")
    assert "NO_SUCH_TOKEN" in warning


def test_the_shell_completes_entities_of_the_last_discovery(folder: Path) -> None:
    entities = [
        EntityState(slug, slug, None, "full", False, ("id",), (), f"erp.{slug}", 300, True, True)
        for slug in ("items", "orders", "order_lines")
    ]
    write_catalogue_state(folder / ".syncflow", "erp", entities)
    assert completions("sync", "erp/ord") == ["erp/order_lines", "erp/orders"]
    assert completions("entities", "show", "erp/i") == ["erp/items"]


def test_the_shell_completes_connectors(folder: Path) -> None:
    write_connectors(folder, "connectors: [{name: crm, base_url: 'https://crm.example.com'}]")
    assert completions("discover", "") == ["crm"]


def test_a_wrong_file_does_not_disturb_the_shell(folder: Path) -> None:
    write_connectors(folder, "connectors: 7")
    assert completions("discover", "") == []


def completions(*words: str) -> list[str]:
    completer = ShellComplete(application, {}, "syncflow", "_SYNCFLOW_COMPLETE")
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


def test_services_are_told_beside_the_connectors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auth = "{type: bearer, token_env: NO_T}"
    service = f"{{name: hub, base_url: 'http://hub', openapi_path: /o.json, components: [], auth: {auth}}}"
    (folder / "config" / "auto_sync_services.yaml").write_text(f"services: [{service}]")
    assert run(["config", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["services"] == ["hub"]
    assert [warning.startswith("hub: ") for warning in told["warnings"]] == [True]


def test_a_connector_of_an_unknown_service_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_connectors(folder, "connectors: [{name: crm, base_url: 'https://crm.example.com', service: hub}]")
    assert run(["config", "check"]) == 2
    assert "connectors[0].service: found 'hub', expected none" in capsys.readouterr().err


def test_the_flags_are_shown_with_who_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config" / "flags.yaml").write_text("flags:\n  mcp: false\n  auto_sync: {off_for: [crm]}\n")
    monkeypatch.setenv("SYNCFLOW_FLAG_EVENTS", "off")
    assert run(["config", "flags", "--json"]) == 0
    told = {one["flag"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert [name for name, one in told.items() if not one["on"]] == ["mcp", "events"]
    assert (told["mcp"]["said_by"], told["gateway"]["said_by"]) == ("flags.yaml:2", "the default")
    assert told["events"]["said_by"] == "SYNCFLOW_FLAG_EVENTS in the environment"
    assert run(["config", "flags", "--for", "crm"]) == 0
    assert "auto_sync    no   flags.yaml:3" in capsys.readouterr().out


def test_an_exception_for_nobody_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_connectors(folder, "connectors: [{name: crm, base_url: 'https://crm.example.com'}]")
    (folder / "config" / "flags.yaml").write_text("flags:\n  entity_sync: {off_for: [crm, crn]}\n")
    assert run(["config", "check"]) == 0
    warning = "flags.yaml:2: entity_sync makes an exception for 'crn', which is no service or connector"
    assert warning in capsys.readouterr().err


def test_an_alternate_that_no_file_names_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = "circuit_breaker: {fallback_strategy: alternate}, fallback: {alternate: crm_copy}"
    endpoint = f"endpoints:\n- {{name: crm, url: 'https://a.example.com', {lost}}}\n"
    (folder / "config" / "gateway.yaml").write_text(endpoint)
    assert run(["config", "check"]) == 0
    assert "Warning: endpoint crm@v1: no file names its alternate 'crm_copy'" in capsys.readouterr().err
    (folder / "config" / "gateway.yaml").write_text(f"{endpoint}- {{name: crm_copy, url: 'https://b.example.com'}}\n")
    assert run(["config", "check"]) == 0
    assert "crm_copy" not in capsys.readouterr().err


def test_programs_are_told_the_mistakes_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_connectors(folder, "connectors: 5")
    assert run(["config", "check", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "mistakes": ["connectors.yaml:1: connectors: found 5, expected a list"]
    }
