"""A generated resolver as an application: what Connexion sees of it, what can be changed, and how it is started."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import connexion
import pytest

from syncflow_pipelines.codegen.runtime.asgi import App, Message, Receive, Scope, Send
from syncflow_pipelines.codegen.runtime.resolver import ServiceResolver
from syncflow_pipelines.errors import GenerationFailed
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S, RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import get, load_resolver, serving, status
from syncflow_pipelines_tests.stored_specs import document

PATHS: dict[str, Any] = {
    "/pets": {"get": {"operationId": "listPets"}, "query": {}},
    "/pets/{pet-id}": {"get": {"operationId": "getPet", "security": [{"key": []}]}},
    "/pets/{id}#owner": {"get": {}},
    "/{x}/{x}": {"get": {}},
    "/odd/{a}{b}.{c:d}/{}": {"get": {}},
}


def test_the_module_has_a_resolver_of_connexion_and_an_application(tmp_path: Path) -> None:
    module = load_resolver(tmp_path, document(PATHS), "http://127.0.0.1:9", name="pet-shop")
    assert issubclass(module.PetShopResolver, connexion.resolver.Resolver)
    assert isinstance(module.create_app(), connexion.ConnexionMiddleware)


def test_connexion_loads_every_operation_whatever_its_path(tmp_path: Path) -> None:
    module = load_resolver(tmp_path, document(PATHS), "http://127.0.0.1:9")
    resolved: list[str] = []

    class Watching(module.PetsResolver):  # type: ignore[misc, name-defined]  # a module that was just generated
        def function_for(self, operation_id: str) -> App:
            resolved.append(operation_id)
            serve: App = self.serve
            return serve

    asyncio.run(_start(Watching().application()))
    assert sorted(resolved) == ["getPet", "get_2", "get_3", "get_4", "listPets"]


async def _start(app: App) -> None:
    messages = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent: list[str] = []

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_subclass_serves_an_operation_itself_and_connexion_knows_which(tmp_path: Path) -> None:
    with RecordingBackend() as backend:
        module = load_resolver(tmp_path, document(PATHS), backend.url)

        class Own(module.PetsResolver):  # type: ignore[misc, name-defined]  # a module that was just generated
            def function_for(self, operation_id: str) -> App:
                serve: App = self.serve
                return tell if operation_id == "getPet" else serve

        with serving(Own().application()) as port:
            assert b"GET /pets/{pet-id} /pets/a/b" in get(port, "/pets/a%2Fb")
            assert status(get(port, "/pets")) == 200
    assert [arrival.target for arrival in backend.arrivals] == ["/pets"]


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    operation, request = connexion.context.operation, connexion.request
    body = f"{operation.operation_id} {request.url.path}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_below_a_mount_paths_begin_where_the_application_does(tmp_path: Path) -> None:
    with RecordingBackend() as backend:
        app = load_resolver(tmp_path, document(PATHS), backend.url + "/base").create_app()

        async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "root_path": "/gate way/pets"} if scope["type"] == "http" else scope, receive, send)

        with serving(mounted) as port:
            assert status(get(port, "/gate%20way/pets/pets/a%2Fb")) == 200
    assert backend.last.target == "/base/pets/a%2Fb"


def test_another_spec_than_the_one_it_was_generated_from_is_refused(tmp_path: Path) -> None:
    module = load_resolver(tmp_path, document(PATHS), "http://127.0.0.1:9")
    (tmp_path / "pets_spec.json").write_text("{}")
    with pytest.raises(GenerationFailed, match="generate the service again"):
        module.create_app()


def test_importing_the_module_reads_no_spec_and_no_secret(tmp_path: Path) -> None:
    module = load_resolver(tmp_path, document(PATHS), "http://x", auth={"type": "bearer", "env": "SYNCFLOW_NO_SUCH"})
    assert isinstance(module.PetsResolver.service.auth.secret().variable, str)
    assert issubclass(module.PetsResolver, ServiceResolver)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "pets_resolver", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.slow
def test_the_module_serves_when_it_is_run(tmp_path: Path) -> None:
    with RecordingBackend(b"HTTP/1.1 200 OK\r\nServer: theirs\r\nDate: then\r\nContent-Length: 0\r\n\r\n") as backend:
        load_resolver(tmp_path, document(PATHS), backend.url)
        with started(tmp_path, "--port", "0") as process:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "running on http://127.0.0.1:" in line)
            port = int(line.partition("127.0.0.1:")[2].split()[0])
            answer = get(port, "/pets", "X-Forwarded-For: 10.0.0.1")
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
    assert answer.count(b"server:") == answer.count(b"date:") == 1
    assert backend.last.header("x-forwarded-for") == "10.0.0.1, 127.0.0.1"
