"""The admin API as a part of the gateway's application, or as one by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Depends, FastAPI

from syncflow_pipelines import __version__
from syncflow_pipelines.api import changes, connectors, entities, health, rejects, rejects_closing, runs, syncing
from syncflow_pipelines.api.body_limit import BodyLimit
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.api.dependencies import guarded
from syncflow_pipelines.api.description import completed
from syncflow_pipelines.api.metrics import Metrics, metrics_router
from syncflow_pipelines.api.problems import add_own_problems
from syncflow_pipelines.api.yaml_connectors import YamlConnectors
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens, load_api_tokens
from syncflow_pipelines.gateway.control.access import OPEN_PATHS, Access, Guard
from syncflow_pipelines.gateway.control.problems import add_problem_handlers

PREFIX: Final = "/api/v1"
OPEN: Final = frozenset({*OPEN_PATHS, f"{PREFIX}/health"})
"""What may be asked without a token; for the guard of the application that the API is a part of."""

_DESCRIPTION: Final = """Steers and watches SyncFlow: connectors, the entities that were discovered, their syncs, and
what did not fit. Lists come in parts, everything that is read has an `ETag`, and every error is a problem document
(RFC 9457)."""
_ROUTERS: Final = (
    health.router, connectors.router, entities.router, syncing.router, runs.router, rejects.router,
    rejects_closing.router, changes.router,
)  # fmt: skip


class AdminApi:
    """The routes of `/api/v1` and `/metrics`, and the database behind them. Close it when the application ends."""

    def __init__(self, settings: Settings) -> None:
        self.database = ApiDatabase(settings)
        self.metrics = Metrics(settings)

    def join(self, application: FastAPI) -> None:
        """Adds the routes, their problems and their description to an application that stands behind a guard."""
        application.state.database = self.database
        application.state.yaml_connectors = YamlConnectors(self.database)
        add_own_problems(application)
        for router in _ROUTERS:
            application.include_router(router, prefix=PREFIX)
        application.include_router(metrics_router(self.metrics), dependencies=[Depends(guarded)])
        _complete_description(application)

    def close(self) -> None:
        """Waits for what runs, and lets go of the database."""
        self.metrics.close()
        self.database.close()


def create_application(settings: Settings, tokens: ApiTokens | None = None) -> FastAPI:
    """The admin API alone. Raises `ConfigurationError` where the variable of the tokens cannot be read."""
    api = AdminApi(settings)
    accepted = load_api_tokens(settings.environment) if tokens is None else tokens

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.close()

    application = FastAPI(
        title="SyncFlow",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    add_problem_handlers(application)
    application.add_middleware(BodyLimit)
    application.add_middleware(Guard, access=Access(accepted, OPEN))
    api.join(application)
    return application


def _complete_description(application: FastAPI) -> None:
    plain = application.openapi

    def openapi() -> dict[str, Any]:
        return completed(plain(), PREFIX)

    application.openapi = openapi  # type: ignore[method-assign] # as FastAPI's own guide extends it
