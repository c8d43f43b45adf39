"""One measured process: `normalise`, `generate`, `serve` (the MCP server) or `resolve` (the Connexion resolver).

Its request is JSON; the last line that it prints is JSON, too.
"""

import asyncio
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peak_memory import peak_mib

Request = dict[str, Any]

SERVICE = "spec"


def main() -> None:
    """Does the one thing that was asked for, and tells what it took."""
    request = json.loads(sys.argv[1])
    told = STEPS[request["step"]](request)
    print(json.dumps({**told, "peak_mib": peak_mib()}))


def normalise_step(request: Request) -> Request:
    """Parses the document, and brings it into the inner form."""
    from syncflow_pipelines.errors import SpecError
    from syncflow_pipelines.openapi.inner_form import dump_spec
    from syncflow_pipelines.openapi.normalising import normalise
    from syncflow_pipelines.openapi.parsing import parse_document

    body = Path(request["file"]).read_bytes()
    began = time.perf_counter()
    try:
        parsed = parse_document(body)
        spec = normalise(parsed.value, findings=parsed.findings)
    except SpecError as error:
        return {"error": str(error)}
    seconds = time.perf_counter() - began
    Path(request["form"]).write_bytes(dump_spec(spec))
    fatal = sum(finding.is_fatal for finding in spec.findings)
    return {
        "version": spec.written_as,
        "operations": len(spec.operations),
        "quarantined": fatal,
        "normalise_s": seconds,
    }


def generate_step(request: Request) -> Request:
    """Generates the MCP server and the resolver, each tried before it counts."""
    from syncflow_pipelines.codegen.generation import generate
    from syncflow_pipelines.config import ServiceConfig, Services, ServiceSettings
    from syncflow_pipelines.openapi.inner_form import load_spec

    folder = Path(request["folder"])
    service = ServiceConfig(SERVICE, "http://127.0.0.1:9", ("/openapi.json",), ("rest", "mcp"))
    settings = ServiceSettings(folder, Path(request["package"]), folder / "checksums.json")
    (report,) = generate(
        Services((service,), settings), {SERVICE: load_spec(Path(request["form"]).read_bytes())}
    ).services
    sizes = report.sizes
    told = {"tools": sizes.tools, "mode": sizes.mode, "list_bytes": sizes.list_bytes} if sizes else {}
    return {**told, "error": str(report.error) if report.error else None}


def serve_step(request: Request) -> Request:
    """Starts the MCP server, and asks it for its tools."""
    began = time.perf_counter()
    module = _generated(request, "mcp")
    from fastmcp import Client

    async def listed() -> int:
        async with Client(module.mcp) as client:
            return len(await client.list_tools())

    return {"listed": asyncio.run(listed()), "start_s": time.perf_counter() - began}


def resolve_step(request: Request) -> Request:
    """Loads the resolver's application, which is when Connexion reads its skeleton of the spec."""
    began = time.perf_counter()
    _generated(request, "resolver").create_app()
    return {"load_s": time.perf_counter() - began}


def _generated(request: Request, kind: str) -> Any:
    package = Path(request["package"])
    sys.path.insert(0, str(package.parent))
    return import_module(f"{package.name}.{SERVICE}_{kind}")


STEPS = {"normalise": normalise_step, "generate": generate_step, "serve": serve_step, "resolve": resolve_step}

if __name__ == "__main__":
    main()
