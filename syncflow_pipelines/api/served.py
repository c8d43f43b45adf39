"""What `syncflow serve` serves: the gateway, with the admin API and the metrics in its control plane."""

from typing import Final

from fastapi import FastAPI

from syncflow_pipelines.api.application import OPEN, AdminApi
from syncflow_pipelines.config import load_settings
from syncflow_pipelines.gateway.application import build_application
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.root import Root

FACTORY: Final = f"{__name__}:application"


def application() -> Root:
    """In a process of its own, as the environment says. Raises `ConfigurationError`."""
    return build_application(load_settings(), join_admin_api)


def join_admin_api(application: FastAPI, gateway: Gateway) -> None:
    """Adds the admin API to the gateway's control plane, whose guard is its own; it is closed with the gateway."""
    api = AdminApi(gateway.settings)
    api.join(application)
    gateway.access.open_paths = OPEN
    gateway.at_close(api.close)
