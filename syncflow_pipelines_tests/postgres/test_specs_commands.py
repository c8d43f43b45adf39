"""`syncflow specs` and `syncflow generate` on the demo services and a real database."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from syncflow_pipelines.cli.account import user_name
from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import Settings
from syncflow_pipelines.defs.names import mcp_server_key, spec_key
from syncflow_pipelines.defs.spec_changes import materialised
from syncflow_pipelines.defs.spec_checks import BREAKING_CHANGES
from syncflow_pipelines.demo.services.app import build_services
from syncflow_pipelines.demo.services.revisions import FIRST, evolve
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines_tests.dagster.services_project import SERVICES

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        return {record["service"]: record for record in map(json.loads, self.out.splitlines())}


Syncflow = Callable[..., Said]


@pytest.fixture
def syncflow(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Syncflow]:
    """Runs `syncflow` in a folder that follows the demo services, which are served; without Dagster's instance."""
    folder = settings.config_dir.parent
    settings.config_dir.mkdir()
    for name in ("SYNCFLOW_CONFIG_DIR", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("SYNCFLOW_HOME", str(folder / ".syncflow"))
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = run(arguments)
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    with serve_in_thread(build_services(folder / ".syncflow")) as url:
        (settings.config_dir / "auto_sync_services.yaml").write_text(SERVICES.format(url=url))
        yield call


@pytest.fixture
def home(syncflow: Syncflow) -> Path:
    return Path.cwd() / ".syncflow"


def reword(old: str, new: str) -> None:
    file = Path("config", "auto_sync_services.yaml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_specs_are_fetched_and_recognised_when_they_have_not_changed(syncflow: Syncflow) -> None:
    first = syncflow("specs", "fetch", "--json")
    assert first.code == 0, first.err
    assert {name: (one["status"], one["operations"]) for name, one in first.records.items()} == {
        "warehouse": ("changed", 6),
        "parcels": ("changed", 6),
    }
    assert Path("specs", "parcels-openapi.json").exists()
    again = syncflow("specs", "fetch", "--json").records
    assert {one["status"] for one in again.values()} == {"unchanged"}
    assert [one["checksum"] for one in again.values()] == [one["checksum"] for one in first.records.values()]
    table = syncflow("specs", "fetch").out.splitlines()
    assert table[0].split() == ["service", "status", "operations", "left", "out", "checksum", "seconds"]


def test_a_dry_run_tells_what_is_new_and_keeps_nothing(syncflow: Syncflow, home: Path) -> None:
    assert syncflow("specs", "fetch", "--dry-run", "--json").records["warehouse"]["status"] == "changed"
    assert not Path("specs").exists()
    assert not Path(".openapi_checksums.json").exists()
    syncflow("specs", "fetch")
    evolve(home, "warehouse")
    kept = Path(".openapi_checksums.json").read_bytes()
    dry = syncflow("specs", "fetch", "--dry-run", "--json").records
    assert (dry["warehouse"]["status"], dry["warehouse"]["operations"]) == ("changed", 7)
    assert dry["parcels"]["status"] == "unchanged"
    assert Path(".openapi_checksums.json").read_bytes() == kept
    assert syncflow("specs", "fetch", "--json").records["warehouse"]["status"] == "changed"


def test_one_service_that_is_down_fails_the_command_and_not_the_others(syncflow: Syncflow) -> None:
    reword("/warehouse\n", "/nowhere\n")
    said = syncflow("specs", "fetch", "--json")
    assert said.code == 1
    assert (said.records["warehouse"]["status"], said.records["parcels"]["status"]) == ("failed", "changed")
    told = syncflow("specs", "fetch")
    assert told.err.count("Error: ") == 1
    assert "Error: warehouse" in told.err
    assert syncflow("specs", "fetch", "parcels").code == 0


def test_the_status_tells_what_is_kept_and_what_waits_to_be_accepted(syncflow: Syncflow, home: Path) -> None:
    never = syncflow("specs", "--json").records
    assert (never["parcels"]["checksum"], never["parcels"]["accepted"]) == (None, None)
    assert "not fetched" in syncflow("specs").out
    syncflow("specs", "fetch")
    evolve(home, "parcels")
    syncflow("specs", "fetch", "parcels")
    status = syncflow("specs", "status", "--json").records
    assert (status["warehouse"]["accepted"], status["parcels"]["accepted"]) == (True, False)
    assert "breaking" in syncflow("specs").out
    versions = [json.loads(line) for line in syncflow("specs", "status", "parcels", "--json").out.splitlines()]
    assert [one["accepted"] for one in versions] == [False, True]
    shown = syncflow("specs", "status", "parcels").out
    assert "not yet: 2 breaking changes" in shown
    assert versions[0]["checksum"] in shown


def test_a_diff_is_of_the_last_change_or_of_the_versions_that_are_named(syncflow: Syncflow, home: Path) -> None:
    syncflow("specs", "fetch")
    evolve(home, "parcels")
    syncflow("specs", "fetch")
    said = syncflow("specs", "diff", "parcels", "--json")
    diff = json.loads(said.out)
    assert (said.code, diff["is_breaking"]) == (0, True)
    assert "operation-removed" in {change["rule"] for change in diff["changes"]}
    assert syncflow("specs", "diff", "parcels", "--fail-on", "breaking").code == 1
    assert syncflow("specs", "diff", "parcels", "--format", "markdown").out.startswith("**2 breaking changes")

    new, old = (json.loads(line) for line in syncflow("specs", "status", "parcels", "--json").out.splitlines())
    back = syncflow("specs", "diff", "parcels", "--from", new["checksum"][:8], "--to", str(old["version"]), "--json")
    assert "operation-added" in {change["rule"] for change in json.loads(back.out)["changes"]}
    same = syncflow("specs", "diff", "parcels", "--to", str(old["version"]), "--fail-on", "any")
    assert (same.code, same.out.strip()) == (0, "No changes")
    assert "was compared with itself" in same.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("specs", "fetch", "parcel"), 2, "did you mean 'parcels'?"),
        (("specs", "diff", "parcels"), 1, "syncflow specs fetch parcels"),
        (("generate", "crm"), 2, "auto_sync_services.yaml names parcels, warehouse"),
        (("generate", "parcels"), 1, "syncflow specs fetch parcels"),
        (("specs", "diff", "parcels", "--format", "html"), 2, "--format"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    arguments: tuple[str, ...], code: int, told: str, syncflow: Syncflow
) -> None:
    said = syncflow(*arguments)
    assert said.code == code
    assert told in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", [("specs",), ("specs", "fetch"), ("generate",)])
def test_in_another_folder_the_way_is_shown_and_nothing_is_written(
    command: tuple[str, ...], syncflow: Syncflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("SYNCFLOW_HOME", str(elsewhere / ".syncflow"))
    said = syncflow(*command)
    file = elsewhere / "config" / "auto_sync_services.yaml"
    assert (said.code, said.out) == (0, "")
    assert f"there is no {file}; go to the folder of SyncFlow" in said.err
    assert list(elsewhere.iterdir()) == []


def test_a_version_that_is_not_kept_is_told(syncflow: Syncflow) -> None:
    syncflow("specs", "fetch", "parcels")
    said = syncflow("specs", "diff", "parcels", "--from", "deadbeef")
    assert (said.code, "parcels has no version 'deadbeef'" in said.err) == (1, True)


def test_a_breaking_change_is_accepted_with_who_and_why(syncflow: Syncflow, home: Path) -> None:
    syncflow("specs", "fetch")
    assert "nothing was left to be accepted" in syncflow("specs", "ack", "parcels").err
    evolve(home, "parcels")
    syncflow("specs", "fetch")
    told = json.loads(syncflow("specs", "ack", "parcels", "--note", "all have moved on", "--json").out)
    assert (told["was_accepted"], told["accepted"].startswith("2 breaking changes")) == (False, True)
    assert syncflow("specs", "--json").records["parcels"]["accepted"] is True
    shown = syncflow("specs", "status", "parcels").out
    assert f"by {user_name()}: all have moved on" in shown
    assert "breaking" not in shown


def test_an_operation_that_comes_and_goes_breaks_those_who_have_used_it(syncflow: Syncflow, home: Path) -> None:
    for revision in (FIRST, 2, FIRST):
        evolve(home, "warehouse", revision)
        syncflow("specs", "fetch", "warehouse")
    assert syncflow("specs", "--json").records["warehouse"]["accepted"] is False


@pytest.mark.slow
def test_code_is_generated_of_what_changed_alone(syncflow: Syncflow, home: Path) -> None:
    syncflow("specs", "fetch")
    dry = syncflow("generate", "--dry-run", "--json")
    assert (dry.code, {one["status"] for one in dry.records.values()}) == (0, {"generated"})
    assert not Path("generated").exists()
    first = syncflow("generate")
    assert first.code == 0, first.err
    assert first.out.splitlines()[0].split()[:4] == ["service", "status", "tools", "mode"]
    assert Path("generated", "warehouse_mcp.py").exists()

    evolve(home, "warehouse")
    syncflow("specs", "fetch")
    changed = syncflow("generate", "--json").records
    assert {name: (one["status"], one["tools"]) for name, one in changed.items()} == {
        "warehouse": ("generated", 7),
        "parcels": ("unchanged", 6),
    }
    Path("generated", "parcels_mcp.py").write_text("mine = True\n")
    kept = syncflow("generate", "parcels")
    assert (kept.code, "edited by hand" in kept.err) == (0, True)
    assert syncflow("generate", "parcels", "--force").code == 0
    assert "mine" not in Path("generated", "parcels_mcp.py").read_text()

    reword("  - name: parcels\n", "  - name: couriers\n")
    assert syncflow("specs", "fetch", "couriers").code == 0
    renamed = {name: one["status"] for name, one in syncflow("generate", "--json").records.items()}
    assert renamed == {"couriers": "generated", "parcels": "removed", "warehouse": "unchanged"}
    assert not Path("generated", "parcels_mcp.py").exists()


@pytest.mark.slow
def test_dagster_shows_what_the_commands_did(syncflow: Syncflow, home: Path) -> None:
    shutil.copy(REPOSITORY / "dagster.yaml", Path.cwd())
    reword("settings:\n", "settings:\n  enable_connexion: false\n")
    syncflow("specs", "fetch", "parcels")
    assert syncflow("generate", "parcels").code == 0
    checksum = syncflow("specs", "--json").records["parcels"]["checksum"]
    spec, server = spec_key("parcels"), mcp_server_key("parcels")
    with dg.DagsterInstance.from_config(str(Path.cwd())) as instance:
        held = {key: said.partition(" ")[0] for key, said in materialised(instance, [spec, server]).items()}
        assert held == {spec: checksum, server: checksum}
        assert passed(instance, "parcels")
        evolve(home, "parcels")
        syncflow("specs", "fetch", "parcels")
        assert materialised(instance, [spec, server])[spec] != checksum
        assert not passed(instance, "parcels")
        syncflow("specs", "ack", "parcels")
        assert passed(instance, "parcels")


def passed(instance: dg.DagsterInstance, service: str) -> bool:
    """Whether Dagster shows the check for breaking changes as passed."""
    key = dg.AssetCheckKey(spec_key(service), BREAKING_CHANGES)
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).values()
    return record.status.value == "SUCCEEDED"
