"""A package that was really generated: imported by other processes, and spoken to over standard input and HTTP."""

import asyncio
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from syncflow_pipelines.codegen.reports import GenerationReport
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.config.auth import BearerAuth
from syncflow_pipelines.config.services import McpOptions
from syncflow_pipelines.errors import GenerationFailed, SyncCancelled
from syncflow_pipelines_tests.server.mcp_world import operation, spec_of, text
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend
from syncflow_pipelines_tests.unit.generated_world import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> World:
    root = tmp_path_factory.mktemp("project")
    world = World(root)
    world.add(
        "pets",
        base_url=backend.url,
        auth=BearerAuth(token_file=root / "token"),
        mcp=McpOptions(forward_headers=("X-Tenant", "X-Trace")),
    )
    world.add("shop", base_url=backend.url, mcp=McpOptions(mode="search"))
    world.add("open", base_url=backend.url, auth=BearerAuth(token_file=root / "token"))
    world.change("open", mcp=McpOptions(forward_headers=("Authorization",)))
    (root / "token").write_text("first-secret")
    return world


@pytest.fixture(scope="module")
def report(world: World) -> GenerationReport:
    return world.generate(verifier=Verifier)


def run(world: World, program: str) -> str:
    """What a program prints that may import the package."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=world.root, check=True, capture_output=True, text=True).stdout.strip()


def test_what_is_reported_is_what_a_client_is_listed(world: World, report: GenerationReport) -> None:
    _, pets, shop = report.services
    assert not report.has_failed
    assert pets.sizes is not None
    assert shop.sizes is not None
    assert (pets.sizes.tools, pets.sizes.mode, pets.sizes.list_bytes) == (2, "tools", pets.sizes.catalogue_bytes)
    assert pets.sizes.list_tokens == -(-pets.sizes.list_bytes // 4)
    assert (shop.sizes.tools, shop.sizes.mode) == (2, "search")
    assert [(file.name, file.bytes) for file in pets.files] == [
        (file.name, (world.folder / file.name).stat().st_size) for file in pets.files
    ]


def test_the_package_loads_nothing_before_it_is_asked(world: World, report: GenerationReport) -> None:
    told = run(
        world,
        "import sys, generated; print(sorted({'fastmcp', 'connexion', 'jinja2'} & set(sys.modules)), dir(generated))",
    )
    assert told.startswith("[] ")
    assert "shop_mcp" in told


@pytest.mark.parametrize(
    "program",
    [
        "from generated import pets_mcp, PetsResolver, create_pets_app; print(pets_mcp.name)",
        "import generated.pets_mcp; print(generated.pets_mcp.name)",
        "from generated.pets_mcp import mcp; import generated; print(generated.pets_mcp is mcp and mcp.name)",
        "import importlib; print(importlib.import_module('generated.pets_mcp').mcp.name)",
        "from generated import *; print(pets_mcp.name)",
    ],
)
def test_a_server_is_found_under_its_name_however_it_is_imported(
    world: World, report: GenerationReport, program: str
) -> None:
    assert run(world, program) == "Pets MCP Server"


def test_a_name_that_the_package_does_not_have_is_an_attribute_error(world: World, report: GenerationReport) -> None:
    assert run(world, "import generated; print(hasattr(generated, 'nobody'))") == "False"


def test_tools_are_called_over_standard_input(
    world: World, report: GenerationReport, backend: RecordingBackend
) -> None:
    async def talk() -> None:
        transport = StdioTransport(sys.executable, ["-m", "generated.pets_mcp"], cwd=str(world.root))
        async with Client(transport) as client:
            assert sorted(tool.name for tool in await client.list_tools()) == ["addPet", "getPet"]
            for secret in ("first-secret", "second-secret"):
                (world.root / "token").write_text(secret)
                assert text(await client.call_tool("getPet", {"id": "a/b"})) == "ok"
                assert (backend.last.target, backend.last.header("authorization")) == (
                    "/pets/a%2Fb",
                    f"Bearer {secret}",
                )

    asyncio.run(talk())


def test_tools_are_called_over_http_and_only_the_headers_that_are_named_go_on(
    world: World, report: GenerationReport, backend: RecordingBackend
) -> None:
    async def talk(url: str) -> None:
        sent = {"X-Tenant": "blue", "X-Other": "1", "Cookie": "a=b", "Authorization": "Bearer of-the-caller"}
        async with Client(StreamableHttpTransport(url, headers=sent)) as client:
            await client.call_tool("addPet", {"name": "Ada"})

    (world.root / "token").write_text("of-the-service")
    with served(world, "generated.pets_mcp") as url:
        asyncio.run(talk(url))
    arrived = backend.last
    assert arrived.body == b'{"name":"Ada"}'
    assert arrived.header("x-tenant") == "blue"
    assert arrived.header("authorization") == "Bearer of-the-service"
    known = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type"}
    assert {name for name, _ in arrived.headers} == known | {"x-tenant", "authorization"}


@pytest.mark.parametrize("header", [{"Host": "elsewhere.example"}, {"Origin": "http://elsewhere.example"}])
def test_a_web_page_reaches_no_server_on_its_visitors_machine(
    world: World, report: GenerationReport, header: dict[str, str]
) -> None:
    with served(world, "generated.pets_mcp") as url:
        answer = httpx2.post(url, headers=header, json={}, timeout=60)
    assert answer.status_code in (403, 421)


def test_a_caller_may_bring_its_own_credential_where_that_is_allowed(
    world: World, report: GenerationReport, backend: RecordingBackend
) -> None:
    async def talk(url: str, headers: dict[str, str]) -> None:
        async with Client(StreamableHttpTransport(url, headers=headers)) as client:
            await client.call_tool("getPet", {"id": 1})

    (world.root / "token").write_text("of-the-service")
    found = []
    with served(world, "generated.open_mcp") as url:
        for headers in ({"Authorization": "Bearer of-the-caller"}, {}):
            asyncio.run(talk(url, headers))
            found.append(backend.last.values("authorization"))
    assert found == [["Bearer of-the-caller"], ["Bearer of-the-service"]]


def test_a_large_service_is_searched_and_called_by_two_tools(
    world: World, report: GenerationReport, backend: RecordingBackend
) -> None:
    async def talk() -> None:
        transport = StdioTransport(sys.executable, ["-m", "generated.shop_mcp"], cwd=str(world.root))
        async with Client(transport) as client:
            assert sorted(tool.name for tool in await client.list_tools()) == ["call_tool", "search_tools"]
            found = json.loads(text(await client.call_tool("search_tools", {"query": "one pet"})))
            assert found[0]["name"] == "getPet"
            assert found[0]["inputSchema"]["required"] == ["id"]
            called = await client.call_tool("call_tool", {"name": "getPet", "arguments": {"id": 7}})
            assert text(called) == "ok"
            assert backend.last.target == "/pets/7"

    asyncio.run(talk())


def test_a_module_that_was_read_before_it_was_replaced_still_has_its_own_spec(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    kept = tmp_path / "generated" / "old_pets.py"
    kept.write_bytes((world.folder / "pets_mcp.py").read_bytes())
    world.specs["pets"] = spec_of(operation("get", "/new", id="new"))
    world.generate()
    names = [
        sorted(tool.name for tool in asyncio.run(runpy.run_path(str(file))["mcp"].list_tools()))
        for file in (kept, world.folder / "pets_mcp.py")
    ]
    assert names == [["addPet", "getPet"], ["new"]]


def test_a_module_whose_spec_was_replaced_by_hand_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, "pets")
    world.generate()
    (spec,) = world.folder.glob("*_spec_*.json")
    spec.write_text("{}")
    with pytest.raises(GenerationFailed, match="generate the service again"):
        runpy.run_path(str(world.folder / "pets_mcp.py"))
    spec.unlink()
    with pytest.raises(GenerationFailed, match="cannot be read"):
        runpy.run_path(str(world.folder / "pets_mcp.py"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise ValueError('no')", "do not work: ValueError: no"),
        (
            "import sys; print('dying', file=sys.stderr); import os; sys.stderr.flush(); os._exit(3)",
            "ended the process",
        ),
        ("import time\nwhile True: time.sleep(1)", "took longer than 1 s"),
        ("mcp = 5", "do not work"),
        ("raise SystemExit(0)", "do not work: SystemExit"),
    ],
)
def test_a_module_that_does_not_work_is_told_and_the_next_one_is_examined(
    tmp_path: Path, source: str, told: str
) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "__init__.py").touch()
    (tmp_path / "stage" / "bad.py").write_text(source)
    (tmp_path / "stage" / "good.py").write_text("print('noise')\nfrom fastmcp import FastMCP\nmcp = FastMCP('good')\n")
    with Verifier() as patient:
        patient.examine(tmp_path, "stage", "good", None)
    with Verifier(timeout_s=1 if "sleep" in source else 120) as verifier:
        with pytest.raises(GenerationFailed, match=re.escape(told)):
            verifier.examine(tmp_path, "stage", "bad", None)
        if "sleep" not in source:
            assert verifier.examine(tmp_path, "stage", "good", None)["tools"] == []


def test_an_examination_can_be_cancelled(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "__init__.py").touch()
    (tmp_path / "stage" / "slow.py").write_text("import time\ntime.sleep(3600)\n")
    with Verifier(cancelled=lambda: True) as verifier, pytest.raises(SyncCancelled, match="the old ones stand"):
        verifier.examine(tmp_path, "stage", "slow", None)


@contextmanager
def served(world: World, module: str) -> Iterator[str]:
    """The URL of a server that runs while the context lasts."""
    command = [sys.executable, "-m", module, "--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=world.root, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield f"{_address(process.stderr)}/mcp"
    finally:
        process.terminate()
        process.stderr.read()
        process.wait()
        process.stderr.close()


def _address(lines: Any) -> str:
    told = []
    for line in lines:
        told.append(line)
        if found := re.search(r"running on (http://[\d.:]+)", line):
            return found[1]
    raise AssertionError("".join(told))
