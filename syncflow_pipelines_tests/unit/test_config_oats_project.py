"""A project with a file of OATS and nothing else: its services, and what `config check` says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import (
    Services,
    check_configuration,
    choose_services,
    load_services,
    load_settings,
    services_origin,
)
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.test_config_oats import REQUIREMENT

YAML = "services:\n  - {name: own, base_url: 'http://a', openapi_path: /openapi.json, components: []}\n"


def services(folder: Path, text: str, name: str = "oats.config.ts") -> Services:
    (folder / name).write_text(text)
    return load_services(load_settings({}, folder))


def mistakes(folder: Path, said: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        services(folder, json.dumps(said, indent=1), "oats.config.json")
    return list(refused.value.mistakes)


def oats(name: str = "backend", **sync: object) -> dict[str, Any]:
    return {"services": {name: {"path": ".", "port": 1, "apiSpec": {"path": "a.json"}}}, "sync": sync}


def test_the_requirements_own_configuration_is_a_service_with_a_file_for_its_spec(tmp_path: Path) -> None:
    project = tmp_path / "web"
    project.mkdir()
    found = services(project, REQUIREMENT)
    (backend,) = found.services
    assert not (project / "config").exists()
    assert (backend.name, backend.base_url, backend.components) == ("backend", "http://127.0.0.1:8000", ("mcp", "rest"))
    assert backend.spec_files == (tmp_path / "backend" / "cloud_endpoints" / "openapi.json",)
    assert (found.settings.debounce_ms, found.settings.watch_interval) == (500, 5)
    assert backend.start_command is not None
    assert backend.start_command.folder.resolve() == tmp_path / "backend" / "cloud_endpoints"


def test_a_service_that_nobody_names_is_told_with_the_file_that_would(tmp_path: Path) -> None:
    found = services(tmp_path, REQUIREMENT)
    with pytest.raises(ConfigurationError, match=r"no service is called 'x'; oats\.config\.ts names backend"):
        choose_services(found, ["x"])


def test_an_endpoint_is_asked_of_the_port(tmp_path: Path) -> None:
    (backend,) = services(tmp_path, REQUIREMENT.replace("path: 'openapi.json'", "path: '/openapi.json'")).services
    assert backend.candidates == ("http://127.0.0.1:8000/openapi.json",)


def test_the_yaml_file_goes_before_and_that_is_said(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert (services_origin(settings).path, services_origin(settings).notes) == (
        tmp_path / "config" / "auto_sync_services.yaml", (),
    )  # fmt: skip
    services(tmp_path, REQUIREMENT)
    assert services_origin(settings).path == tmp_path / "oats.config.ts"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "auto_sync_services.yaml").write_text(YAML)
    assert [one.name for one in load_services(settings).services] == ["own"]
    origin = services_origin(settings)
    assert origin.path == tmp_path / "config" / "auto_sync_services.yaml"
    assert origin.notes == (f"{tmp_path}/oats.config.ts is not read, because {origin.path} is there; keep one of them",)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (oats("my api"), "oats.config.json:3: services['my api']: found a mapping, expected a letter, then letters"),
        (oats("class"), "oats.config.json:3: services.class: found a mapping, expected a name that is no keyword"),
        (oats(debounceMs=80_000_000), "sync.debounceMs: found 80000000, expected a whole number from 0 to 60,000"),
        (
            {"services": {**oats("api")["services"], **oats("API")["services"]}},
            "oats.config.json:10: services.API: found a mapping, expected a name unlike services[0].name",
        ),
    ],
)
def test_what_only_syncflow_refuses_is_told_by_the_places_of_oats(
    said: dict[str, Any], told: str, tmp_path: Path
) -> None:
    (mistake,) = mistakes(tmp_path, said)
    assert told in mistake


def test_config_check_says_which_file_is_in_force_and_what_was_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCFLOW_CONFIG_DIR", raising=False)
    services(tmp_path, REQUIREMENT.replace("debounceMs: 500", "debounceMs: quiet()"))
    assert run(["config", "check", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["auto_sync_services.yaml"] == f"not there; {tmp_path}/oats.config.ts (OATS) is in force"
    assert told["services"] == ["backend"]
    note = "oats.config.ts:14: sync.debounceMs: only running code would tell what quiet is; it is passed over"
    assert told["warnings"] == [note]
    facts = check_configuration(load_settings({}, tmp_path))
    assert [fact.text for fact in facts if fact.subject == str(tmp_path / "oats.config.ts")] == [
        "read, 1 services",
        note,
    ]


def test_config_check_tells_the_mistakes_of_oats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCFLOW_CONFIG_DIR", raising=False)
    (tmp_path / "oats.config.ts").write_text(REQUIREMENT.replace("8000,", "process.env.PORT,"))
    assert run(["config", "check"]) == 2
    assert "oats.config.ts:5: services.backend.port: found code (process.env.PORT)" in capsys.readouterr().err
    facts = check_configuration(load_settings({}, tmp_path))
    assert [fact.status for fact in facts if fact.subject == str(tmp_path / "oats.config.ts")] == ["mistake"]


def test_a_service_of_the_yaml_file_says_how_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    text = YAML.replace("components", "path: api, start_command: make serve, components")
    (tmp_path / "config" / "auto_sync_services.yaml").write_text(text)
    (own,) = load_services(load_settings({}, tmp_path)).services
    assert own.start_command is not None
    assert (own.start_command.command, own.start_command.folder) == ("make serve", tmp_path / "api")
