"""A service's operations, served by forwarding them: what a generated `{service}_resolver.py` stands on.

Connexion is given a skeleton of the spec, paths and placeholders only, in the one version that it takes. It resolves
each operation to the function that serves it; which operation a request is for is found before, since Connexion's own
routing looks at paths whose escapes are undone.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from syncflow_pipelines.codegen.runtime.addresses import operations_url
from syncflow_pipelines.codegen.runtime.asgi import App, Receive, Scope, Send
from syncflow_pipelines.codegen.runtime.credentials import auth_from, auth_header
from syncflow_pipelines.codegen.runtime.extra import missing_extra
from syncflow_pipelines.codegen.runtime.forwarding import Backend, Forwarder, raw_path
from syncflow_pipelines.codegen.runtime.hosts import BOUND, wrong_host
from syncflow_pipelines.codegen.runtime.problems import Problem, answer, refuse_websocket
from syncflow_pipelines.codegen.runtime.request_checks import RequestChecks
from syncflow_pipelines.codegen.runtime.routes import Match, Route, RouteTable, fixed_query, leads_elsewhere
from syncflow_pipelines.codegen.runtime.stored import StoredOperation, StoredSpec, read_stored
from syncflow_pipelines.config.auth import Auth, NoAuth
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.openapi.model import METHODS

try:
    from connexion import ConnexionMiddleware
    from connexion.context import operation as current_operation
    from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
    from connexion.middleware.context import ContextMiddleware
    from connexion.operations import AbstractOperation
    from connexion.resolver import Resolution, Resolver
    from connexion.spec import Specification
except ImportError as error:
    raise missing_extra("connexion") from error

Json = Any

MATCH = "syncflow.match"
"""Where the scope has the `Match` of its request."""
_DRAIN_S = 10
"""How long answers that stream may go on once the server is told to stop."""
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class StoredService:
    """What a generated module knows of its service."""

    name: str
    spec_file: Path
    """As `store` writes it."""
    spec_digest: str
    """SHA-256 of the file, in hexadecimal."""
    base_url: str
    """As it is configured; the path of an operation's server is added to it."""
    auth: Auth = field(default_factory=NoAuth)
    mode: Literal["forward", "validate"] = "forward"
    timeout_s: float = 300.0
    ca_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    """Names that it answers to, beside addresses and `localhost`; `*` for every one."""
    max_body_bytes: int = 10_000_000
    """Of a body that is held against the spec."""

    def backend(self) -> Backend:
        """How it is talked to."""
        return Backend(self.name, self.auth, self.timeout_s, self.ca_file)


def stored_service(
    folder: Path,
    *,
    name: str,
    base_url: str,
    spec_file: str,
    spec_digest: str,
    mode: Literal["forward", "validate"] = "forward",
    timeout_s: float = 300.0,
    allowed_hosts: Sequence[str] = (),
    auth: Mapping[str, str] | None = None,
    dotenv_files: Sequence[str] = (),
    ca_file: str | None = None,
) -> StoredService:
    """The service of a generated module that stands in `folder`, which its files are relative to."""
    return StoredService(
        name=name,
        spec_file=absolute(spec_file, folder),
        spec_digest=spec_digest,
        base_url=base_url.rstrip("/"),
        auth=auth_from(auth, folder, dotenv_files),
        mode=mode,
        timeout_s=timeout_s,
        allowed_hosts=tuple(allowed_hosts),
        ca_file=absolute(ca_file, folder) if ca_file else None,
    )


class ServiceResolver(Resolver):  # type: ignore[misc]  # Connexion has no types
    """Resolves every operation of a service to a function that forwards it.

    A subclass may give an operation a function of its own, an ASGI application, by overriding `function_for`.
    """

    service: StoredService

    def __init__(self) -> None:
        """Reads the spec. Raises `GenerationFailed` where it is not the one that the module was generated from."""
        super().__init__(self.function_for)
        spec = read_stored(self.service.spec_file, self.service.spec_digest)
        self.routes = routes_of(spec, self.service.base_url)
        self.forwarder = Forwarder(self.service.backend())
        self.checks = request_checks(self.service, spec) if self.service.mode == "validate" else None

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """The function for the operation, under an id that no other one has."""
        return Resolution(self.function_for(operation.operation_id), _id(operation.method, operation.path))

    def function_for(self, operation_id: str) -> App:
        """The ASGI application that serves the operation of that id: by default, the forwarding one."""
        return self.serve

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, whose `Match` is in the scope."""
        if self.checks is not None:
            checked = await self.checks.check(scope[MATCH], scope, receive)
            if isinstance(checked, Problem):
                await answer(checked, scope, send)
                return
            receive = checked
        await self.forwarder.forward(scope, receive, send, scope[MATCH].routes[0].base_url)

    def application(self) -> App:
        """The ASGI application that serves all operations."""
        table = RouteTable(self.routes)
        app = ConnexionMiddleware(
            self._dispatch,
            middlewares=[partial(_Routing, service=self.service, table=table), ContextMiddleware],
        )
        app.add_api(skeleton(self.service.name, self.routes), resolver=self)
        return app  # type: ignore[no-any-return]  # Connexion has no types

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["extensions"][ROUTING_CONTEXT]:
            await current_operation.function(scope, receive, send)
        else:  # a method that Connexion does not know
            await self.serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await self.forwarder.close()
        await send({"type": "lifespan.shutdown.complete"})


class _Routing(SpecMiddleware):  # type: ignore[misc]  # Connexion has no types
    """Tells Connexion which operation a request is for, and answers what is for none."""

    def __init__(self, app: App, service: StoredService, table: RouteTable) -> None:
        self.app, self.service, self.table = app, service, table
        self.base_path = ""

    def add_api(self, specification: Specification, **_options: Any) -> None:
        self.base_path = specification.base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await refuse_websocket(scope, send)
        elif scope["type"] == "http":
            refusal = wrong_host(scope, self.service.allowed_hosts)
            if refusal is not None:
                await answer(refusal, scope, send)
            else:
                await self._route(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = raw_path(scope)
        if leads_elsewhere(path):
            await answer(
                Problem(400, "bad-target", "the path has a segment of dots, which leads elsewhere"), scope, send
            )
            return
        found = self.table.find(scope["method"], path, scope["query_string"])
        if isinstance(found, Match):
            await self.app({**scope, **self._context(scope, found)}, receive, send)
        else:
            await answer(_no_operation(self.service.name, found), scope, send)

    def _context(self, scope: Scope, found: Match) -> dict[str, Any]:
        route = found.routes[0]
        is_known = route.method.lower() in METHODS
        context = {"api_base_path": self.base_path, "operation_id": route.id} if is_known else {}
        return {"extensions": {**(scope.get("extensions") or {}), ROUTING_CONTEXT: context}, MATCH: found}


def request_checks(service: StoredService, spec: StoredSpec) -> RequestChecks:
    """The checks of a service's requests; what its own credential brings, callers need not send."""
    return RequestChecks(spec.schemas, service.max_body_bytes, auth_header(service.auth))


def routes_of(spec: StoredSpec, base_url: str = "") -> tuple[Route, ...]:
    """A route for every operation, each with the path of its server on the host that is configured."""
    urls: dict[str, str] = {}

    def url_of(operation: StoredOperation) -> str:
        servers = operation.definition.get("servers") or spec.servers
        return urls.setdefault(str(servers), operations_url(base_url, servers))

    return tuple(
        Route(
            _id(each.method, each.path),
            each.method.upper(),
            each.path,
            each.definition,
            url_of(each),
            fixed_query(each.path),
        )
        for each in spec.operations
    )


def skeleton(name: str, routes: Sequence[Route]) -> dict[str, Json]:
    """A document of OpenAPI 3.0.3 with the paths and placeholders, for Connexion, which takes no newer version."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        if route.method.lower() in METHODS:
            paths.setdefault(route.path, {})[route.method.lower()] = {
                "operationId": route.definition["operationId"],
                "parameters": [
                    {"name": placeholder, "in": "path", "required": True, "schema": {"type": "string"}}
                    for placeholder in dict.fromkeys(_PLACEHOLDER.findall(route.path))
                ],
                "responses": {"default": {"description": "as the service answers"}},
            }
    return {"openapi": "3.0.3", "info": {"title": name, "version": "1"}, "paths": paths}


def run(create_app: Callable[[], App], arguments: Sequence[str] | None = None) -> None:
    """Serves the application with uvicorn until it is told to stop."""
    try:
        import uvicorn
    except ImportError as error:
        raise missing_extra("uvicorn") from error
    parser = argparse.ArgumentParser(description="Serves the operations of the service by forwarding them to it.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    chosen = parser.parse_args(arguments)
    app = create_app()

    async def bound(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, BOUND: chosen.host.lower()}, receive, send)

    # The service's own Date and Server go through; who asked is told by the proxy, not taken from its header.
    uvicorn.run(
        bound,
        host=chosen.host,
        port=chosen.port,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def _id(method: str, path: str) -> str:
    return f"{method.upper()} {path}"


def _no_operation(name: str, allowed: frozenset[str]) -> Problem:
    if not allowed:
        return Problem(404, "no-such-path", f"the service {name} has no operation with this path")
    methods = ", ".join(sorted(allowed))
    detail = f"the service {name} has no operation with this method; the path has {methods}"
    return Problem(405, "no-such-method", detail, headers=[(b"allow", methods.encode())])
