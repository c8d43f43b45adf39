"""`syncflow mcp` as MCP clients meet it: over stdin and stdout, and over HTTP."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from syncflow_pipelines.demo.erp import open_erp
from syncflow_pipelines.demo.server import running_source
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, ProjectFolder, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

T = TypeVar("T")
TOKEN = "a-token-for-the-hub"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def over_stdio(project: ProjectFolder, work: Callable[[Client[Any]], Awaitable[T]], *flags: str, **env: str) -> T:
    """What `work` comes to with a client that starts `syncflow mcp` itself, as clients do."""
    arguments = ["-m", "syncflow_pipelines.cli", "mcp", *flags]
    transport = StdioTransport(
        sys.executable, arguments, env=project.environment(**env), cwd=str(project.path), keep_alive=False
    )

    async def run() -> T:
        async with Client(transport) as client:
            return await work(client)

    return asyncio.run(run())


def over_http(url: str, work: Callable[[Client[Any]], Awaitable[T]], token: str | None = None) -> T:
    async def run() -> T:
        async with Client(StreamableHttpTransport(url, auth=token)) as client:
            return await work(client)

    return asyncio.run(run())


@contextmanager
def served(project: ProjectFolder, *flags: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the URL of a hub on a free port."""
    with project.running("mcp", "--http", "0", *flags, **env) as process:
        wait_until(lambda: "Serving MCP on" in project.stderr() or process.poll() is not None, "the hub")
        found = re.search(r"Serving MCP on (\S+);", project.stderr())
        assert found, project.stderr()
        yield process, found[1]
        process.terminate()
        assert process.wait(timeout=LIMIT_S) in (128 + signal.SIGINT, 128 + signal.SIGTERM)


async def entities(client: Client[Any]) -> int:
    answer = await client.call_tool("syncflow_list_entities", {})
    return int((answer.structured_content or {})["total"])


def runs(project: ProjectFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.syncflow("runs", "--json").stdout.splitlines()]


def test_a_client_syncs_and_looks_over_stdio_and_leaves_nothing(project: ProjectFolder) -> None:
    with running_source(project.home, rows=300) as url:
        assert project.syncflow("discover", DEMO_ERP_URL=url).returncode == 0

        async def work(client: Client[Any]) -> Any:
            order = {"entities": ["erp/items"]}
            synced = (await client.call_tool("syncflow_sync_entities", order)).structured_content or {}
            sample = await client.call_tool("syncflow_sample_rows", {"entity": "erp/items", "limit": 3})
            return synced["syncs"][0], (sample.structured_content or {})["rows"]

        synced, rows = over_stdio(project, work, "--allow-writes", DEMO_ERP_URL=url)
    assert (synced["status"], synced["inserted"] > 0, len(rows)) == ("success", True, 3)
    wait_until(lambda: not project.processes(), "the end of the hub and its PostgreSQL")


def test_stdout_holds_nothing_but_the_protocol(project: ProjectFolder) -> None:
    asked: list[dict[str, Any]] = [HELLO, READY, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
    asked.append({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "syncflow_list_entities"}})
    with stdio_process(project, "-vv") as process:
        lines = conversation(process, asked, answers=3)
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=LIMIT_S) == 0
        assert process.stdout
        lines += process.stdout.read().splitlines()
    assert {json.loads(line).get("id") for line in lines} == {1, 2, 3}
    assert project.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("flags", [("--stdio",), ("--http", "0")])
def test_a_signal_ends_the_hub_with_its_code_and_gives_the_database_back(
    number: signal.Signals, flags: tuple[str, ...], project: ProjectFolder
) -> None:
    if flags == ("--stdio",):
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "syncflow_list_entities"}}
        with stdio_process(project) as process:
            conversation(process, [HELLO, READY, call], answers=2)
            process.send_signal(number)
            code = process.wait(timeout=LIMIT_S)
    else:
        with served(project) as (process, url):
            over_http(url, entities)
            process.send_signal(number)
            code = process.wait(timeout=LIMIT_S)
    assert code == 128 + number
    assert "Traceback" not in project.stderr()
    assert project.processes() == []


def test_a_signal_in_the_middle_of_a_sync_closes_its_record(project: ProjectFolder) -> None:
    assert project.syncflow("db", "start").returncode == 0
    try:
        with running_source(project.home, rows=300) as url, open_erp(project.home) as source:
            assert project.syncflow("discover", DEMO_ERP_URL=url).returncode == 0
            source.break_entity("items", Fault(status=None, delay_s=60))
            with served(project, "--allow-writes", DEMO_ERP_URL=url) as (process, hub_url):

                async def work(client: Client[Any]) -> None:
                    order = {"entities": ["erp/items"]}
                    calling = asyncio.create_task(client.call_tool("syncflow_sync_entities", order))
                    await asyncio.to_thread(wait_until, lambda: status(project) == "running", "the sync")
                    process.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(process.wait, LIMIT_S) == 143
                    calling.cancel()

                over_http(hub_url, work)
            source.heal_entity("items")
        assert status(project) == "failed"
    finally:
        assert project.syncflow("db", "stop").returncode == 0


def test_two_clients_at_once_are_served_over_http(project: ProjectFolder) -> None:
    with served(project) as (_, url):

        async def both() -> list[int]:
            async with Client(StreamableHttpTransport(url)) as one, Client(StreamableHttpTransport(url)) as two:
                return await asyncio.gather(*(entities(client) for client in (one, two) for _ in range(10)))

        assert set(asyncio.run(both())) == {0}


def test_over_http_only_who_shows_the_token_is_let_in(project: ProjectFolder) -> None:
    with served(project, "--token-env", "MCP_TOKEN", MCP_TOKEN=TOKEN) as (_, url):
        assert over_http(url, entities, TOKEN) == 0
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            assert httpx2.post(url, json=HELLO, headers=header).status_code == 401
    assert TOKEN not in project.stderr()


def test_web_pages_do_not_reach_a_hub_on_this_machine(project: ProjectFolder) -> None:
    with served(project) as (_, url):
        accepts = {"Accept": "application/json, text/event-stream"}
        assert httpx2.post(url, json=HELLO, headers=accepts).status_code == 200
        assert httpx2.post(url, json=HELLO, headers={**accepts, "Host": "evil.example.com"}).status_code == 421
        evil = {**accepts, "Origin": "http://evil.example.com"}
        assert httpx2.post(url, json=HELLO, headers=evil).status_code == 403


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--http", "0.0.0.0:0"), "--token-env MCP_TOKEN, or listen on 127.0.0.1"),
        (("--http", "[::]:0"), "--token-env MCP_TOKEN, or listen on 127.0.0.1"),
        (("--http", "example.com:8021"), "--token-env MCP_TOKEN, or listen on 127.0.0.1"),
        (("--http", "x"), "'x' is no address to listen on"),
        (("--http", "99999"), "'99999' is no address to listen on"),
        (("--http", "0", "--token-env", "NOT_SET"), "NOT_SET is not set"),
        (("--token-env", "NOT_SET"), "--token-env is for --http"),
        (("--stdio", "--http", "0"), "exclude each other"),
        (("--service", "a", "--no-services"), "exclude each other"),
        (("--json",), "--json is for --list"),
    ],
)
def test_what_would_be_open_to_everybody_or_makes_no_sense_is_refused(
    flags: tuple[str, ...], told: str, shared_project: ProjectFolder
) -> None:
    refused = shared_project.syncflow("mcp", *flags)
    assert refused.returncode == 2
    assert told in refused.stderr


def test_a_port_that_is_taken_is_told_of(shared_project: ProjectFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = shared_project.syncflow("mcp", "--http", str(listener.getsockname()[1]))
    assert refused.returncode == 2
    assert "choose another port, or 0 for a free one" in refused.stderr


def test_the_tools_are_listed_with_what_they_cost_without_a_database(shared_project: ProjectFolder) -> None:
    listed = shared_project.syncflow("mcp", "--list", "--json", "--allow-writes")
    tools = {record["tool"]: record for record in map(json.loads, listed.stdout.splitlines())}
    assert tools["syncflow_sync_entities"]["read_only"] is False
    assert tools["syncflow_sample_rows"]["bytes"] > 1000
    assert "12 tools" in shared_project.syncflow("mcp", "--list", "--allow-writes").stdout
    assert not (shared_project.home / "postgres").exists()


def test_a_service_that_has_no_server_is_told_beside_the_list(shared_project: ProjectFolder) -> None:
    listed = shared_project.syncflow("mcp", "--list", "--service", "user-service")
    assert (listed.returncode, "10 tools" in listed.stdout) == (1, True)
    assert "Error: user_service: auto_generated has no MCP server of it; run: syncflow generate" in listed.stderr


def test_a_person_at_a_terminal_is_told_that_a_client_is_expected(project: ProjectFolder) -> None:
    terminal, stdin = os.openpty()
    try:
        with open(project.path / "stderr", "w") as errors, subprocess.Popen(
            [sys.executable, "-m", "syncflow_pipelines.cli", "mcp"], cwd=project.path, env=project.environment(),
            stdin=stdin, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                told = "An MCP client is expected on stdin; --list"
                wait_until(lambda: told in project.stderr() or process.poll() is not None, "the note")
                assert told in project.stderr()
                assert process.poll() is None
            finally:
                process.kill()
    finally:
        os.close(terminal)
        os.close(stdin)


def status(project: ProjectFolder) -> str:
    found = runs(project)
    return str(found[0]["status"]) if found else "none"


@contextmanager
def stdio_process(project: ProjectFolder, *flags: str) -> Iterator[subprocess.Popen[str]]:
    with open(project.path / "stderr", "w") as errors, subprocess.Popen(
        [sys.executable, "-m", "syncflow_pipelines.cli", "mcp", *flags], cwd=project.path, env=project.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def conversation(process: subprocess.Popen[str], asked: list[dict[str, Any]], *, answers: int) -> list[str]:
    """The first lines that come back."""
    assert process.stdin
    assert process.stdout
    for message in asked:
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    return [process.stdout.readline() for _ in range(answers)]
