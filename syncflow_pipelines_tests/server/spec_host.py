"""A server that shows OpenAPI documents, and a service of the configuration that asks it for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from syncflow_pipelines.config import ServiceConfig, Services, ServiceSettings, Settings
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, Step, reply

PING = {"get": {"operationId": "ping", "responses": {"200": {"description": "pong"}}}}


def document(**more: Any) -> dict[str, Any]:
    """A small OpenAPI document; `more` stands in it, too."""
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/ping": PING}, **more}


def json_of(value: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A reply with the value in JSON."""
    return reply(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


SPEC = json_of(document())


@dataclass
class SpecHost:
    """Answers by path; 404 where there is nothing. A reply with an ETag is a 304 for whoever knows it."""

    routes: dict[str, Step] = field(default_factory=lambda: {"/openapi.json": SPEC})

    def __post_init__(self) -> None:
        self._server = RawServer(self._answer)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def requests(self) -> list[Request]:
        return self._server.requests

    @property
    def targets(self) -> list[str]:
        """What was asked for so far, in that order."""
        return [request.target for request in self.requests]

    def forget(self) -> None:
        self._server.requests.clear()

    def service(self, name: str = "crm", **options: Any) -> ServiceConfig:
        """A service that this host shows."""
        given = ServiceConfig(name, self.url, ("/openapi.json",), ("rest", "mcp"), timeout_s=10.0)
        return replace(given, **options)

    def _answer(self, request: Request, peer: Peer) -> None:
        step = self.routes.get(request.target, reply(404, b"nothing here"))
        if not isinstance(step, bytes):
            step(request, peer)
        elif _is_known(request, step):
            peer.send(reply(304, b"", {"ETag": request.headers["if-none-match"]}))
        else:
            peer.send(step)


def settings_in(folder: Path) -> Settings:
    return Settings(config_dir=folder / "config", home=folder / "home")


def services_in(folder: Path, *services: ServiceConfig, **options: Any) -> Services:
    """The services, with their files in the folder."""
    places = ServiceSettings(folder / "specs", folder / "generated", folder / ".openapi_checksums.json")
    return Services(services, replace(places, **options))


def _is_known(request: Request, answer: bytes) -> bool:
    etag = request.headers.get("if-none-match")
    return etag is not None and f"ETag: {etag}\r\n".encode() in answer.partition(b"\r\n\r\n")[0] + b"\r\n"
