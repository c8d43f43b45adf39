"""A stored spec → a FastMCP server; what every generated `{service}_mcp.py` calls.

`FastMCP.from_openapi` makes the server from a skeleton of the spec: paths, methods and ids. What a tool shows and
which request it becomes is ours (`arguments`, `requests`, `bodies`), since FastMCP's own ways lose parts of it.
"""

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
from fastmcp import FastMCP
from fastmcp.server.providers.openapi import OpenAPITool
from fastmcp.server.transforms import GetToolNext, Transform
from fastmcp.server.transforms.search import BM25SearchTransform
from fastmcp.tools import Tool, ToolResult
from fastmcp.utilities.versions import VersionSpec
from mcp_types import Tool as McpTool
from pydantic import PrivateAttr

from syncflow_pipelines.codegen.runtime.calling import Backend, call
from syncflow_pipelines.codegen.runtime.catalogue import Catalogue, ToolPlan
from syncflow_pipelines.codegen.runtime.credentials import auth_from, auth_header
from syncflow_pipelines.codegen.runtime.found_tools import show_found
from syncflow_pipelines.codegen.runtime.stored import read_stored
from syncflow_pipelines.config.paths import absolute

Json = Any

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_FOUND = 5


def build_server(
    *,
    service: str,
    folder: Path,
    spec_file: str,
    spec_digest: str,
    base_url: str,
    title: str,
    instructions: str = "",
    auth: Mapping[str, str] | None = None,
    dotenv_files: Sequence[str] = (),
    ca_file: str | None = None,
    mode: Literal["tools", "search"] = "tools",
    is_read_only: bool = False,
    is_open_world: bool = True,
    validates_output: bool = False,
    timeout_s: float = 60.0,
    max_answer_bytes: int = 1_000_000,
    found_bytes: int = 40_000,
    forward_headers: Sequence[str] = (),
) -> FastMCP[Any]:
    """The server of a service. Files are relative to `folder`; no credential is read before a tool is called.

    Raises `GenerationFailed` where the spec's file is not the one that the digest is of.
    """
    spec = read_stored(folder / spec_file, spec_digest)
    credentials = auth_from(auth, folder, dotenv_files)
    trusted = None if ca_file is None else absolute(ca_file, folder)
    backend = Backend(service, base_url, credentials, timeout_s, max_answer_bytes, tuple(forward_headers), trusted)
    catalogue = Catalogue(spec, auth_header(credentials), is_read_only, is_open_world)
    return assemble(catalogue, backend, title, instructions, mode, validates_output, found_bytes)


def assemble(
    catalogue: Catalogue,
    backend: Backend,
    title: str,
    instructions: str,
    mode: Literal["tools", "search"],
    validates_output: bool,
    found_bytes: int,
) -> FastMCP[Any]:
    """The server that offers the catalogue's tools: each by itself, or by way of a search."""
    tools = _Tools(catalogue, backend, validates_output)
    server: FastMCP[Any] = FastMCP.from_openapi(
        skeleton(catalogue),
        client=httpx2.AsyncClient(base_url=backend.base_url),
        name=title,
        mcp_component_fn=_rename,
        instructions=instructions or None,
        lifespan=_closing(backend),
        dereference_schemas=False,
    )
    if mode == "search":  # before the tools become ours, which takes longer than a list of two should
        server.add_transform(
            BM25SearchTransform(
                max_results=_FOUND, search_result_serializer=lambda found: show_found(found, found_bytes)
            )
        )
    server.add_transform(tools)
    return server


def skeleton(catalogue: Catalogue) -> dict[str, Json]:
    """As much of the spec as FastMCP needs to make a tool of every operation."""
    paths: dict[str, dict[str, Json]] = {}
    for plan in catalogue.plans.values():
        method, path = plan.operation.method, plan.operation.path
        if method not in _METHODS:  # a method that OpenAPI 3.1 has no word for, such as `query`
            method, path = "post", f"{path}#{method}"
        tags = [str(tag) for tag in plan.operation.definition.get("tags") or ()]
        paths.setdefault(path, {})[method] = {
            "operationId": plan.name,
            "tags": tags,
            "responses": {"default": {"description": ""}},
        }
    info = {"title": "skeleton", "version": "1"}
    return {"openapi": "3.1.1", "info": info, "paths": paths}


def run_server(server: FastMCP[Any], arguments: Sequence[str] | None = None) -> None:
    """Serves on standard input and output, or with `--http [HOST:]PORT` on HTTP, until it is stopped."""
    parser = argparse.ArgumentParser(description=f"{server.name}, on standard input and output.")
    parser.add_argument("--http", metavar="[HOST:]PORT", type=_address, help="serve streamable HTTP at /mcp instead")
    address = parser.parse_args(arguments).http
    try:
        if address is None:
            server.run(transport="stdio", show_banner=False)
        else:
            # no web page may reach it through a name of its own, and use the credentials
            server.run(
                transport="http",
                host=address[0],
                port=address[1],
                show_banner=False,
                host_origin_protection="auto",
            )
    except (KeyboardInterrupt, asyncio.CancelledError):
        logging.getLogger(__name__).info("stopped")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no [HOST:]PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _rename(route: Any, component: Any) -> None:
    """FastMCP would shorten the underscores of a name."""
    component.name = route.operation_id


def _closing(backend: Backend) -> Any:
    @asynccontextmanager
    async def lifespan(_server: FastMCP[Any]) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await backend.clients.close()

    return lifespan


class OperationTool(Tool):
    """An operation of the service."""

    _plan: ToolPlan = PrivateAttr()
    _backend: Backend = PrivateAttr()

    def to_mcp_tool(self, **overrides: Any) -> McpTool:
        """As a list shows it: without FastMCP's own metadata, which nobody reads."""
        return super().to_mcp_tool(**{"_meta": None, **overrides})

    async def run(self, arguments: dict[str, Json]) -> ToolResult:
        """Sends the request."""
        return await call(self._plan, arguments, self._backend)


class _Tools(Transform):
    """Puts our tools in the place of FastMCP's."""

    def __init__(self, catalogue: Catalogue, backend: Backend, validates_output: bool) -> None:
        self._catalogue = catalogue
        self._backend = backend
        self._validates_output = validates_output
        self._made: dict[str, OperationTool] = {}

    async def list_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        return [self._ours(tool) for tool in tools]

    async def get_tool(self, name: str, call_next: GetToolNext, *, version: VersionSpec | None = None) -> Tool | None:
        tool = await call_next(name, version=version)
        return None if tool is None else self._ours(tool)

    def _ours(self, tool: Tool) -> Tool:
        if not isinstance(tool, OpenAPITool):
            return tool
        made = self._made.get(tool.name)
        if made is None:
            made = self._made[tool.name] = self._make(self._catalogue.plans[tool.name])
        return made

    def _make(self, plan: ToolPlan) -> OperationTool:
        made = OperationTool(
            name=plan.name,
            description=plan.description,
            parameters=plan.call.schema,
            output_schema=plan.output_schema if self._validates_output else None,
            annotations=plan.annotations,
            tags={str(tag) for tag in plan.operation.definition.get("tags") or ()},
        )
        made._plan, made._backend = plan, self._backend
        return made
