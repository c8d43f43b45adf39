"""A connector that was registered over the API, on the command line and in the MCP hub."""

import json
from dataclasses import replace

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import Environment
from syncflow_pipelines.config.sealed_secrets import VARIABLE, new_secret_key
from syncflow_pipelines.sync.requests import Requested, SyncWish, request_sync
from syncflow_pipelines_tests.dagster.managed import register
from syncflow_pipelines_tests.postgres.mcp_calls import call
from syncflow_pipelines_tests.postgres.world import TOKEN, World, row

KEY = new_secret_key()


@pytest.fixture
def crm(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world without a connectors.yaml, and with a connector `crm` of the table."""
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", str(world.settings.database_url))
    monkeypatch.setenv("SYNCFLOW_HOME", str(world.settings.home))
    monkeypatch.setenv("SYNCFLOW_CONFIG_DIR", str(world.settings.config_dir))
    monkeypatch.setenv(VARIABLE, KEY)
    world.settings.config_dir.mkdir(exist_ok=True)
    monkeypatch.chdir(world.settings.project_dir)
    world.settings = replace(world.settings, environment=Environment({VARIABLE: KEY}))
    world.offer("items")
    world.store.put("items", [row(1)])
    auth = {"type": "bearer", "token": TOKEN}
    register(world.database, world.settings, name="crm", base_url=world.connector.base_url, auth=auth)
    return world


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    found = run(arguments)
    printed = capsys.readouterr()
    assert found == code, printed.err
    return printed.out


def test_the_command_line_knows_it(crm: World, capsys: pytest.CaptureFixture[str]) -> None:
    (listed,) = [json.loads(line) for line in said(capsys, "connectors", "--test", "--json").splitlines()]
    assert (listed["connector"], listed["managed_by"], listed["ok"]) == ("crm", "api", True)
    assert json.loads(said(capsys, "discover", "--json"))["added"] == ["items"]
    synced = json.loads(said(capsys, "sync", "--all", "--json"))
    assert (synced["entity"], synced["status"], synced["inserted"]) == ("crm/items", "success", 1)
    assert "crm/items" in said(capsys, "entities")


def test_the_hub_knows_it(crm: World, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "discover")
    assert "crm" in {one["name"] for one in call(crm, "list_connectors")["connectors"]}
    assert call(crm, "sync_entities", {"entities": ["crm/items"]}, allow_writes=True)["succeeded"] == 1


def test_keys_are_made_and_tokens_encrypted_anew(
    crm: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = said(capsys, "connectors", "--new-key").strip()
    monkeypatch.setenv(VARIABLE, f"{new} {KEY}")
    assert "1 token is encrypted" in said(capsys, "connectors", "--reseal")
    monkeypatch.setenv(VARIABLE, new)
    assert json.loads(said(capsys, "connectors", "--test", "--json"))["ok"] is True
    monkeypatch.setenv(VARIABLE, "no-key")
    said(capsys, "connectors", "--reseal", code=2)


def test_a_run_is_ended_from_the_command_line(crm: World, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "discover")
    ((entity,),) = crm.query("SELECT uid FROM entities")
    with crm.database.connection() as connection:
        asked = request_sync(connection, SyncWish(entity))
    assert isinstance(asked, Requested)
    assert json.loads(said(capsys, "runs", "list", "--status", "queued", "--json"))["run"] == str(asked.run_uid)
    assert "is not begun any more" in said(capsys, "runs", "cancel", str(asked.run_uid))
    shown = json.loads(said(capsys, "runs", "show", str(asked.run_uid), "--json"))
    assert (shown["status"], shown["error_details"], shown["dagster_url"]) == (
        "failed",
        {"type": "SyncCancelled"},
        None,
    )
    said(capsys, "runs", "cancel", str(asked.run_uid), code=1)
