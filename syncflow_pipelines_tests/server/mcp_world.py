"""A generated MCP server in this process, and a client that calls its tools."""

import asyncio
import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from fastmcp import Client
from fastmcp.client.client import CallToolResult
from mcp_types import Tool

from syncflow_pipelines.codegen.building import ServiceBuild
from syncflow_pipelines.config.services import McpOptions, ServiceConfig
from syncflow_pipelines.openapi.model import Finding, Operation, Spec

Json = Any


def operation(method: str, path: str, definition: Mapping[str, Json] | None = None, id: str = "op") -> Operation:  # noqa: A002
    """An operation in the inner form, of which only that much is said."""
    whole = {"responses": {"200": {"description": "fine"}}, **(definition or {}), "operationId": id}
    return Operation(id, method, path, f"/paths/{path}/{method}", whole, f"digest of {id}")


def spec_of(
    *operations: Operation,
    schemas: Mapping[str, Json] | None = None,
    servers: tuple[Mapping[str, Json], ...] = (),
    title: str = "Pets",
    findings: tuple[Finding, ...] = (),
) -> Spec:
    """A spec in the inner form."""
    paths: dict[str, dict[str, Json]] = {}
    for each in operations:
        if each.method != "query":
            paths.setdefault(each.path, {})[each.method] = dict(each.definition)
    document = {
        "openapi": "3.1.1",
        "info": {"title": title, "version": "1"},
        "servers": list(servers),
        "paths": paths,
        "components": {"schemas": dict(schemas or {}), "securitySchemes": {}},
    }
    ordered = tuple(sorted(operations, key=lambda each: each.key))
    return Spec(title, "1", "3.1.0", document, ordered, findings, "checksum", "contract")


def service_at(url: str, **settings: Any) -> ServiceConfig:
    """The service `pets`."""
    return replace(ServiceConfig("pets", url, ("/openapi.json",), ("mcp",)), **settings)


@contextmanager
def generated(folder: Path, spec: Spec, service: ServiceConfig) -> Iterator[ModuleType]:
    """The service's MCP module, written to the folder and imported from there."""
    package = f"pets_{abs(hash(folder))}"
    place = folder / package
    place.mkdir()
    for name, content in {
        "__init__.py": b"",
        **ServiceBuild(service, spec, place, frozenset({"mcp"})).contents(),
    }.items():
        (place / name).write_bytes(content)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(f"{package}.pets_mcp")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


def call(server: Any, name: str, arguments: Mapping[str, Json] | None = None, *, fails: bool = False) -> CallToolResult:
    """What a client is given that calls the tool; `fails` says whether that is an error."""

    async def ask() -> CallToolResult:
        client: Client[Any] = Client(server)
        async with client:
            return await client.call_tool(name, dict(arguments or {}), raise_on_error=False)

    result = asyncio.run(ask())
    assert result.is_error == fails, result
    return result


def text(result: CallToolResult) -> str:
    """All text of a result."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def tools(server: Any) -> dict[str, Tool]:
    """What a client is listed."""

    async def ask() -> list[Tool]:
        client: Client[Any] = Client(server)
        async with client:
            return await client.list_tools()

    return {tool.name: tool for tool in asyncio.run(ask())}


def parameter(name: str, place: str, schema: Json = None, **more: Json) -> dict[str, Json]:
    """A parameter object."""
    described: dict[str, Json] = {"name": name, "in": place, "required": place == "path", **more}
    return described if "content" in more else {**described, "schema": schema or {}}


def body(media_type: str, schema: Json = None, *, required: bool = True, **more: Json) -> dict[str, Json]:
    """A request body of one media type."""
    content = {**({} if schema is None else {"schema": schema}), **more}
    return {"requestBody": {"required": required, "content": {media_type: content}}}


__all__ = ["McpOptions"]
