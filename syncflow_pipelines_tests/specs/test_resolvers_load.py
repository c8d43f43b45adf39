"""Connexion loads a resolver for every real spec, and every operation is found by its path."""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from syncflow_pipelines.codegen.runtime.asgi import App, Message
from syncflow_pipelines.codegen.runtime.request_checks import RequestChecks
from syncflow_pipelines.codegen.runtime.resolver import ServiceResolver, StoredService
from syncflow_pipelines.codegen.runtime.routes import Match, RouteTable, real_path
from syncflow_pipelines.codegen.runtime.stored import read_stored
from syncflow_pipelines.codegen.stored import store
from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.model import METHODS
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse

SPECS = Path(os.environ.get("SYNCFLOW_TEST_SPECS") or Path(__file__).parents[2].with_name("shared") / "specs")
FILES = sorted(file for file in SPECS.glob("*.*") if file.suffix in (".json", ".yaml"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason=f"no specs in {SPECS}; SYNCFLOW_TEST_SPECS names another folder"),
]


class Resolver(ServiceResolver):
    """Remembers what Connexion has it resolve."""

    def __init__(self, service: StoredService) -> None:
        self.service = service
        self.resolved: list[str] = []
        super().__init__()

    def function_for(self, operation_id: str) -> App:
        self.resolved.append(operation_id)
        return super().function_for(operation_id)


def resolver_of(file: Path, folder: Path) -> Resolver:
    try:
        stored = store(normalise(parse(file.read_bytes())))
    except SpecError as error:
        pytest.skip(f"nothing to resolve: {error}")
    spec_file = folder / "spec.json"
    spec_file.write_bytes(stored.content)
    return Resolver(StoredService(file.stem, spec_file, stored.digest, "http://127.0.0.1:9"))


async def load(app: App) -> list[str]:
    messages = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent: list[str] = []

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return sent


@pytest.mark.timeout(120)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_connexion_loads_it(file: Path, tmp_path: Path) -> None:
    resolver = resolver_of(file, tmp_path)
    assert asyncio.run(load(resolver.application())) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    ids = [route.definition["operationId"] for route in resolver.routes if route.method.lower() in METHODS]
    assert sorted(resolver.resolved) == sorted(ids)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_operation_is_found_by_its_path(file: Path, tmp_path: Path) -> None:
    routes = resolver_of(file, tmp_path).routes
    table = RouteTable(routes)
    for route in routes:
        path = re.sub(r"\{[^{}]*\}", "zz%2F9", real_path(route.path))
        query = urlencode([(name, value or "1") for name, value in route.query]).encode()
        found = table.find(route.method, path.encode(), query)
        assert isinstance(found, Match), route.id
        assert route in found.routes, route.id


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_empty_request_is_checked_against_every_operation(file: Path, tmp_path: Path) -> None:
    """Nothing in a spec makes the checks fail."""
    resolver = resolver_of(file, tmp_path)
    schemas = read_stored(resolver.service.spec_file, resolver.service.spec_digest).schemas
    checks = RequestChecks(schemas, 1_000)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"[]"}

    async def check() -> None:
        for route in resolver.routes:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
            scope = {"type": "http", "method": route.method, "query_string": b"a=1&b[c]=2", "headers": headers}
            arguments = dict.fromkeys(re.findall(r"\{([^{}]*)\}", route.path), b"x")
            await checks.check(Match((route,), arguments), scope, receive)

    asyncio.run(check())
