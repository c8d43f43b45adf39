"""The hub is switched off and on while clients are connected."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp.client.subscriptions import ToolsListChanged, listen

from syncflow_pipelines.cli.application import run
from syncflow_pipelines_tests.server.generated_folder import GeneratedFolder, names, text, until, with_hub


@pytest.fixture
def generated(tmp_path: Path) -> GeneratedFolder:
    folder = GeneratedFolder(tmp_path / "generated")
    folder.module("users")
    return folder


def switch(generated: GeneratedFolder, word: str) -> None:
    config = generated.path / "config"
    config.mkdir(exist_ok=True)
    (config / "draft").write_text(f"flags: {{mcp: {word}}}")
    (config / "draft").replace(config / "flags.yaml")


def test_a_switch_holds_from_the_next_request_on(generated: GeneratedFolder) -> None:
    async def work(client: Client[Any]) -> None:
        await until(lambda: names(client))
        switch(generated, "false")
        assert await client.list_tools() == []
        with pytest.raises(ToolError, match=r"The flag mcp is off \(flags\.yaml:1\)"):
            await client.call_tool("users_ping", {})
        switch(generated, "true")
        assert await text(client, "users_ping") == "pong"
        assert await names(client) == {"users_ping"}

    with_hub(generated.path, work)


def test_clients_are_told_that_the_tools_are_others(generated: GeneratedFolder) -> None:
    async def work(client: Client[Any]) -> None:
        await until(lambda: names(client))
        async with listen(client.session, tools_list_changed=True) as events, asyncio.timeout(60):
            for word, count in (("false", 0), ("true", 1)):
                switch(generated, word)
                assert isinstance(await anext(events), ToolsListChanged)
                assert len(await names(client)) == count

    with_hub(generated.path, work)


def test_the_command_says_which_flag_is_off_and_lists_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SYNCFLOW_HOME", "SYNCFLOW_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNCFLOW_FLAG_MCP", "off")
    assert run(["mcp", "--list", "--json", "--no-services"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "The flag mcp is off (SYNCFLOW_FLAG_MCP in the environment)" in printed.err
