"""The admin API as a part of an application, or as one by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI

from syncflow_pipelines.api import connectors, entities, health, syncing
from syncflow_pipelines.api.access import Access
from syncflow_pipelines.api.body_limit import BodyLimit
from syncflow_pipelines.api.configured import ConfiguredConnectors
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.api.description import completed
from syncflow_pipelines.api.problems import install_problems
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens, load_api_tokens

PREFIX: Final = "/api/v1"
_ROUTERS: Final = (health.router, connectors.router, entities.router, syncing.router)


class AdminApi:
    """The routes of `/api/v1`, and what they work on. Close it when the application ends."""

    def __init__(self, settings: Settings, tokens: ApiTokens) -> None:
        self.settings = settings
        self.database = ApiDatabase(settings)
        self._access = Access(tokens)

    def join(self, application: FastAPI) -> None:
        """Adds the routes, their problems and their description to an application."""
        application.state.database = self.database
        application.state.configured_connectors = ConfiguredConnectors(self.database)
        application.add_middleware(BodyLimit)
        install_problems(application)
        application.include_router(self._router())
        _complete_description(application)

    def close(self) -> None:
        """Waits for what runs, and lets go of the database."""
        self.database.close()

    def _router(self) -> APIRouter:
        router = APIRouter(prefix=PREFIX)
        router.include_router(health.open_router)
        for part in _ROUTERS:
            router.include_router(part, dependencies=[Depends(self._access)])
        return router


def create_application(settings: Settings, tokens: ApiTokens | None = None) -> FastAPI:
    """The admin API alone. Raises `ConfigurationError` where the variable of the tokens cannot be read."""
    api = AdminApi(settings, load_api_tokens(settings.environment) if tokens is None else tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.close()

    application = FastAPI(
        title="SyncFlow", lifespan=lifespan, openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None
    )
    api.join(application)
    return application


def _complete_description(application: FastAPI) -> None:
    plain = application.openapi

    def openapi() -> dict[str, Any]:
        return completed(plain(), PREFIX)

    application.openapi = openapi  # type: ignore[method-assign] # as FastAPI's own guide extends it
