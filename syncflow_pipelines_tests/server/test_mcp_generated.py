"""Servers that SyncFlow itself has generated, behind the hub."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fastmcp import Client

from syncflow_pipelines.codegen.generation import generate
from syncflow_pipelines.config import McpOptions, ServiceConfig, Services, ServiceSettings
from syncflow_pipelines.openapi.model import Operation, Spec
from syncflow_pipelines_tests.server.generated_folder import names, until, with_hub, words

pytestmark = pytest.mark.slow


class Echo(BaseHTTPRequestHandler):
    """Answers the path that was asked for."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Tells nobody."""


def spec_of(*operations: str) -> Spec:
    """Each operation is a GET of its name below `/pets/{id}`."""
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    answer = {"200": {"description": "fine", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    made = [
        Operation(
            id=name, method="get", path=f"/pets/{{id}}/{name}", pointer=f"/paths/{name}", digest=name,
            definition={"operationId": name, "summary": name, "parameters": [parameter], "responses": answer},
        )
        for name in operations
    ]  # fmt: skip
    paths = {one.path: {"get": dict(one.definition)} for one in made}
    document = {"openapi": "3.1.1", "info": {"title": "Pets", "version": "1"}, "paths": paths}
    text = ",".join(operations)
    return Spec("Pets", "1", "3.1.0", document, tuple(made), (), f"{hash(text):032x}", text)


@pytest.mark.parametrize("mode", ["tools", "search"])
def test_a_generated_server_is_called_and_followed_behind_the_hub(tmp_path: Path, mode: Any) -> None:
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = Thread(target=backend.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{backend.server_port}"
        service = ServiceConfig("pet-store", url, ("/openapi.json",), ("mcp",), mcp=McpOptions(mode=mode))
        folder = tmp_path / "generated"
        services = Services((service,), ServiceSettings(tmp_path / "specs", folder, tmp_path / "checksums.json"))
        assert generate(services, {"pet-store": spec_of("first")}).services[0].status == "generated"
        listed = {"pet_store_search_tools", "pet_store_call_tool"} if mode == "search" else {"pet_store_first"}

        async def work(client: Client[Any]) -> None:
            assert await names(client) == listed
            assert "/pets/a%2Fb/first" in await words(client, "pet_store_first", {"id": "a/b"})
            generate(services, {"pet-store": spec_of("first", "second")})
            await until(lambda: calls(client, "pet_store_second"))

        with_hub(folder, work)
    finally:
        backend.shutdown()
        backend.server_close()
        thread.join()


async def calls(client: Client[Any], tool: str) -> bool:
    answer = await client.call_tool(tool, {"id": "1"}, raise_on_error=False)
    return not answer.is_error
