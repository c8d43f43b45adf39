"""What the commands say of a source that changes its mind."""

import json
from collections.abc import Callable

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import BearerAuth
from syncflow_pipelines.sync.entities import register_connectors
from syncflow_pipelines_tests.postgres.changing_world import recorded
from syncflow_pipelines_tests.postgres.world import World

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def syncflow(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `syncflow` in the world; exit code, output and errors come out."""
    settings, auth = world.settings, world.connector.auth
    assert isinstance(auth, BearerAuth)
    settings.config_dir.mkdir(exist_ok=True)
    (settings.config_dir / "connectors.yaml").write_text(
        f"connectors:\n  - name: erp\n    base_url: {world.connector.base_url}\n"
        f"    auth: {{type: bearer, token_file: {auth.token_file}}}\n"
        "    entities: {items: {strategy: rowversion}}\n"
    )
    for name, value in (
        ("SYNCFLOW_DATABASE_URL", settings.database_url),
        ("SYNCFLOW_HOME", settings.home),
        ("SYNCFLOW_CONFIG_DIR", settings.config_dir),
    ):
        monkeypatch.setenv(name, str(value))
    capsys.readouterr()

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_a_catalogue_that_lost_everything_is_believed_when_somebody_says_so(world: World, syncflow: Call) -> None:
    world.offer("orders", "hash")
    world.discover()
    world.store.drop_entity("orders")
    code, _, errors = syncflow("discover", "erp")
    assert code == 1
    assert "no longer offers 1 of its 1 entities (orders)" in errors
    assert "`syncflow discover erp --accept-gone`" in errors
    code, output, _ = syncflow("discover", "erp", "--accept-gone", "--json")
    assert (code, json.loads(output)["gone"]) == (0, ["orders"])
    assert syncflow("discover", "erp")[0] == 0


def test_config_check_warns_of_a_strategy_that_the_source_cannot_serve(world: World, syncflow: Call) -> None:
    told = "erp/items is set to the strategy rowversion, but the source gives it no row versions; set hash or full"
    world.offer("items", "hash")
    assert told not in syncflow("config", "check")[2]
    world.discover()
    code, _, errors = syncflow("config", "check")
    assert (code, f"Warning: {told}" in errors) == (0, True)
    assert json.loads(syncflow("config", "check", "--json")[1])["warnings"] == [told]


def test_config_check_warns_of_an_entity_that_the_source_does_not_offer(world: World, syncflow: Call) -> None:
    told = "entities: items: erp offered no such entity when it was last discovered; did you mean item?"
    assert told not in syncflow("config", "check")[2]  # nothing was discovered: who knows
    world.offer("item", "hash")
    world.discover()
    assert f"Warning: {told}" in syncflow("config", "check")[2]


def test_a_changed_override_is_recorded_once_whoever_notices_it(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    world.configure("items", strategy="full")
    for _ in range(2):
        with world.database.connection() as connection:
            register_connectors(connection, [world.connector])
    world.discover()
    assert recorded(world, "strategy_changed") == [("items", "strategy_changed", None, "hash", "full", True)]
