"""Using what was generated, as others would: a tool by an MCP client, an operation through a resolver."""

import asyncio
import http.client
import json
import os
import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.errors import SyncflowError

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    asked: str
    """What was asked for, as a person would write it."""
    is_right: bool
    text: str
    """The beginning of the answer, on one line."""


def call_tool(module: Path, tool: str, arguments: dict[str, Any], log: Path) -> Answer:
    """Starts the generated MCP server as a process of its own, and calls one of its tools over its input and output.

    What the server says of itself goes to the log.
    """
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    async def call() -> tuple[bool, str]:
        environment = dict(os.environ)  # noqa: TID251 - handed on whole, not read
        command = (sys.executable, [str(module)])
        transport = StdioTransport(*command, env=environment, keep_alive=False, log_file=log)
        async with Client(transport, timeout=_TIMEOUT_S) as client:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return not result.is_error, " ".join(getattr(block, "text", "") for block in result.content)

    is_right, text = asyncio.run(call())
    said = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    return Answer(f"{tool}({said})", is_right, _line(text))


def call_operation(module: Path, path: str) -> Answer:
    """Serves the generated resolver, and sends it a GET."""
    create_app = _imported(module).create_app
    with serve_in_thread(create_app(), has_lifespan=True) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
    return Answer(f"GET {path}", answer.status < http.client.BAD_REQUEST, f"{answer.status} {_line(text)}")


def _imported(module: Path) -> Any:
    spec = spec_from_file_location(f"syncflow_demo_{module.stem}", module)
    if spec is None or spec.loader is None:
        raise SyncflowError(f"{module} cannot be imported; generate it anew: syncflow generate --force")
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:69]}…"
