"""The FastAPI application of the control plane."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import ASGIApp

from syncflow_pipelines import __version__
from syncflow_pipelines.gateway.control import configuration, health, pages, registry, routing
from syncflow_pipelines.gateway.control.access import Guard
from syncflow_pipelines.gateway.control.access_log import AccessLog
from syncflow_pipelines.gateway.control.body_limit import BodyLimit
from syncflow_pipelines.gateway.control.problems import ProblemDocument, add_problem_handlers
from syncflow_pipelines.gateway.gateway import Gateway

Join = Callable[[FastAPI, Gateway], None]
"""Adds to the application what is served beside the gateway."""

_DESCRIPTION: Final = """One door to many APIs. What is below `/orchestrator/{name}/` is passed on to the endpoint
of that name, unchanged; the paths described here say what the gateway knows, and tell it what to do. Every error is a
problem document (RFC 9457)."""
_TAGS: Final = [
    {"name": "service", "description": "The gateway itself."},
    {"name": "config", "description": "What its file says."},
    {"name": "registry", "description": "Which endpoints there are."},
    {"name": "health", "description": "How they do."},
    {"name": "router", "description": "Where requests go."},
]


def control_plane(gateway: Gateway, *join: Join) -> ASGIApp:
    """The control plane, behind what decides who may ask it. `join` adds more to it, which is guarded alike."""
    app = FastAPI(
        title="SyncFlow gateway",
        version=__version__,
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.gateway = gateway
    for router in (pages.router, configuration.router, registry.router, health.router, routing.router):
        app.include_router(router)
    _describe_problems(app)
    add_problem_handlers(app)
    for add in join:
        add(app, gateway)
    return AccessLog(Guard(BodyLimit(app), gateway.access))


def _describe_problems(app: FastAPI) -> None:
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemDocument" not in schemas:
            found = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= found.pop("$defs", {}) | {"ProblemDocument": found}
        return document

    app.openapi = described  # type: ignore[method-assign] # as FastAPI's guide does
