"""Files of OATS, read in the words of `auto_sync_services.yaml`."""

import json
from pathlib import Path

import pytest

from syncflow_pipelines.config.oats import FILE_NAMES, OatsConfig, oats_file, read_oats
from syncflow_pipelines.errors import ConfigurationError

REQUIREMENT = """\
export default defineConfig({
  services: {
    backend: {
      path: '../backend/cloud_endpoints',
      port: 8000,
      startCommand: '.venv/bin/uvicorn services.frontend_data_service.main:app --reload --port 8000',
      apiSpec: {
        path: 'openapi.json'  // File path, not /openapi.json endpoint
      }
    }
  },
  sync: {
    strategy: 'smart',
    debounceMs: 500,      // Can be faster with file watching
    // No pollingInterval needed - file watching is instant!
  }
})
"""


def config(folder: Path, text: str, name: str = "oats.config.ts") -> OatsConfig:
    (folder / name).write_text(text)
    return read_oats(folder / name)


def mistakes(folder: Path, text: str, name: str = "oats.config.ts") -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        config(folder, text, name)
    return list(refused.value.mistakes)


def backend(**said: object) -> str:
    return json.dumps({"services": {"backend": {"path": ".", "apiSpec": {"path": "a.json"}, **said}}})


def test_the_requirements_own_configuration_is_read(tmp_path: Path) -> None:
    read = config(tmp_path, REQUIREMENT)
    assert read.data == {
        "services": [
            {
                "name": "backend",
                "base_url": "http://127.0.0.1:8000",
                "path": "../backend/cloud_endpoints",
                "openapi_path": "openapi.json",
                "components": ["mcp", "rest"],
            }
        ],
        "settings": {"on_change_only": True, "debounce_ms": 500, "watch_interval": 5},
    }
    start = read.start_commands["backend"]
    assert start.command == ".venv/bin/uvicorn services.frontend_data_service.main:app --reload --port 8000"
    assert start.folder == tmp_path / "../backend/cloud_endpoints"
    assert read.notes == ()


def test_json_says_the_same_as_the_module(tmp_path: Path) -> None:
    said = {
        "$schema": "node_modules/@tryloop/oats/schema/oats.schema.json",
        "services": {
            "backend": {
                "path": "../backend/cloud_endpoints",
                "port": 8000,
                "startCommand": ".venv/bin/uvicorn services.frontend_data_service.main:app --reload --port 8000",
                "apiSpec": {"path": "openapi.json"},
            }
        },
        "sync": {"strategy": "smart", "debounceMs": 500},
    }
    assert config(tmp_path, json.dumps(said), "oats.config.json").data == config(tmp_path, REQUIREMENT).data


def test_clients_and_front_ends_are_told_to_be_left_out_and_their_options_are_passed_over(tmp_path: Path) -> None:
    services = {
        "backend": {"path": "b", "readyPattern": "on", "apiSpec": {"path": "/openapi.json", "watch": ["*.py"]}},
        "client": {"path": "c", "packageName": "@a/b", "generator": "custom", "generatorConfig": {"a": 1}},
        "frontend": {"path": "f", "port": 3000, "startCommand": "npm start"},
    }
    read = config(tmp_path, json.dumps({"services": services, "log": {"level": "info"}}), "oats.config.json")
    assert [one["name"] for one in read.data["services"]] == ["backend"]
    assert [note.partition(": ")[2] for note in read.notes] == [
        "services.client has no apiSpec, and is not used",
        "services.frontend has no apiSpec, and is not used",
    ]


@pytest.mark.parametrize(
    ("said", "port"), [({}, 4000), ({"runtime": "node"}, 4000), ({"runtime": "python"}, 8000), ({"port": 81}, 81)]
)
def test_a_port_that_is_not_said_is_the_one_that_oats_takes(said: dict[str, object], port: int, tmp_path: Path) -> None:
    read = config(tmp_path, backend(**said), "oats.config.json")
    assert read.data["services"][0]["base_url"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("sync", "settings"),
    [
        ("{}", {"on_change_only": True, "watch_interval": 5}),
        ("{pollingInterval: 30_000}", {"on_change_only": True, "watch_interval": 30}),
        ("{pollingInterval: 100}", {"on_change_only": True, "watch_interval": 1}),
        ("{strategy: 'aggressive'}", {"on_change_only": False, "watch_interval": 5}),
        ("{debounceMs: 0}", {"on_change_only": True, "watch_interval": 5, "debounce_ms": 0}),
    ],
)
def test_times_are_those_of_oats_in_units_of_ours(sync: str, settings: dict[str, object], tmp_path: Path) -> None:
    module = f"export default {{services: {{api: {{path: '.', apiSpec: {{path: 'a.json'}}}}}}, sync: {sync}}}"
    assert config(tmp_path, module).data["settings"] == settings


def test_a_start_command_has_its_folder_and_its_variables(tmp_path: Path) -> None:
    read = config(tmp_path, backend(startCommand="npm start", cwd="api", env={"PORT": "1"}), "oats.config.json")
    start = read.start_commands["backend"]
    assert (start.command, start.folder, start.environment) == ("npm start", tmp_path / "api", {"PORT": "1"})


def test_what_only_running_code_would_tell_is_told_with_its_line_and_the_rest_is_used(tmp_path: Path) -> None:
    module = """\
    const shared = { retries: 3 };
    export default {
      services: {
        backend: {
          ...shared,
          path: '.', port: 8000, apiSpec: { path: 'openapi.json', watch: globs() },
          env: { TOKEN: process.env.TOKEN ?? 's3cret' },
        },
      },
      sync: { ...shared, debounceMs: 100 },
    } satisfies OatsConfig
    """
    read = config(tmp_path, module)
    assert read.data["settings"]["debounce_ms"] == 100
    assert list(read.notes) == [
        f"oats.config.ts:{line}: {where}: only running code would tell what {code} is; it is passed over"
        for line, where, code in (
            (5, "services.backend", "...shared"),
            (6, "services.backend.apiSpec.watch", "globs"),
            (7, "services.backend.env.TOKEN", "process.env.TOKEN"),
            (10, "sync", "...shared"),
        )
    ]


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("{path: '.', port: Number(process.env.PORT), apiSpec: {path: 'a'}}", "services.backend.port: found code (Num"),
        ("{path: '.', apiSpec: {path: `${dir}/a`}}", "services.backend.apiSpec.path: found code (code)"),
        ("{path: '.', apiSpec: spec('s3cret')}", "services.backend.apiSpec: found code (spec)"),
        ("{path: root, apiSpec: {path: 'a'}}", "services.backend.path: found code (root)"),
        ("{path: '.', apiSpec: {path: 'a'}, ...common}", "services.backend: found code (...common)"),
        ("{path: '.', port: 1, apiSpec: {...common}}", "services.backend.apiSpec: found code (...common)"),
        ("load('s3cret')", "services.backend: found code (load)"),
    ],
)
def test_what_has_to_be_known_is_refused_where_only_running_code_would_tell_it(
    backend: str, told: str, tmp_path: Path
) -> None:
    (mistake,) = mistakes(tmp_path, f"export default {{\nservices: {{\n backend: {backend} }} }}")
    assert mistake.startswith(f"oats.config.ts:3: {told}")
    assert mistake.endswith("expected a value that is written out (no code is run to read it)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "oats.config.json:1: services: found nothing, expected services with apiSpec"),
        ('{"services": {}}', "oats.config.json:1: services: found none, expected a service with apiSpec.path"),
        ('{"services":\n {"client": {}}}', "oats.config.json:1: services: found none, expected a service"),
        ('{"services": []}', "oats.config.json:1: services: found a list, expected a mapping"),
        ('{"services": {"backend": 1}}', "oats.config.json:1: services.backend: found 1, expected a mapping"),
        (backend(port="80"), "services.backend.port: found '80', expected a whole number from 1 to 65,535"),
        (backend(path=""), "services.backend.path: found '', expected a path"),
        (backend(apiSpec={}), "services.backend.apiSpec.path: found nothing, expected a file such as openapi.json"),
        (backend(apiSpec={"path": "http://a/b"}), "services.backend.apiSpec.path: found 'http://a/b', expected a file"),
        (backend(startCommand="a\nb"), "services.backend.startCommand: found"),
        (backend(env={"A": 1}), "services.backend.env.A: found 1, expected text"),
        ("[]", "oats.config.json:1: found a list, expected a mapping"),
        ("", "oats.config.json:1: found the end of the file, expected a value"),
        ('{"services": \n"', 'oats.config.json:2: found a text that does not end on its line, expected " at its end'),
        ("#" * 3_000_000, "oats.config.json: found a larger file, expected 2,097,152 bytes or less"),
        ("\x00", "oats.config.json:1: found"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, text, "oats.config.json")
    assert told in mistake


def test_the_file_that_oats_would_take_first_is_taken(tmp_path: Path) -> None:
    assert oats_file(tmp_path) is None
    for name in reversed(FILE_NAMES):
        (tmp_path / name).write_text("")
        assert oats_file(tmp_path) == tmp_path / name
