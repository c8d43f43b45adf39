"""The admin API as a part of the gateway's application, or as one by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Depends, FastAPI

from syncflow_pipelines import __version__
from syncflow_pipelines.api import (
    changes,
    connectors,
    description,
    entities,
    health,
    rejects,
    rejects_closing,
    runs,
    syncing,
)  # fmt: skip
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.api.dependencies import guarded
from syncflow_pipelines.api.description import PREFIX, completed
from syncflow_pipelines.api.metrics import Metrics, metrics_router
from syncflow_pipelines.api.problems import add_own_problems
from syncflow_pipelines.api.traffic_families import traffic_families
from syncflow_pipelines.api.yaml_connectors import YamlConnectors
from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.config.api_tokens import ApiTokens, load_api_tokens
from syncflow_pipelines.gateway.application import build_application
from syncflow_pipelines.gateway.control.access import OPEN_PATHS, Access, Guard
from syncflow_pipelines.gateway.control.body_limit import BodyLimit
from syncflow_pipelines.gateway.control.problems import add_problem_handlers
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.root import Root

OPEN: Final = frozenset({*OPEN_PATHS, f"{PREFIX}/health"})
"""What may be asked without a token; for the guard of the application that the API is a part of."""

_ROUTERS: Final = (
    description.router, health.router, connectors.router, entities.router, syncing.router, runs.router,
    rejects.router, rejects_closing.router, changes.router,
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


def application() -> Root:
    """The gateway with the admin API beside it, as the environment says. Raises `ConfigurationError`."""
    return build_application(load_settings(), join_gateway)


def join_gateway(application: FastAPI, gateway: Gateway) -> None:
    """Adds the admin API to the control plane of a gateway, which closes it."""
    api = AdminApi(gateway.settings)
    api.join(application)
    api.metrics.add(lambda: traffic_families(gateway.statistics()))
    gateway.access.open_paths |= OPEN
    gateway.at_close(api.close)


def create_application(settings: Settings, tokens: ApiTokens | None = None) -> FastAPI:
    """The admin API alone. Raises `ConfigurationError` where the variable of the tokens cannot be read."""
    api = AdminApi(settings)
    accepted = load_api_tokens(settings.environment) if tokens is None else tokens

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.close()

    application = FastAPI(
        title="SyncFlow", version=__version__, lifespan=lifespan, openapi_url=None, redirect_slashes=False
    )
    add_problem_handlers(application)
    application.add_middleware(BodyLimit)
    application.add_middleware(Guard, access=Access(accepted, OPEN))
    api.join(application)
    return application


def _complete_description(application: FastAPI) -> None:
    plain = application.openapi

    def openapi() -> dict[str, Any]:
        return completed(plain())

    application.openapi = openapi  # type: ignore[method-assign] # as FastAPI's own guide extends it
