"""SyncFlow keeps code and tables in step with the APIs that they come from."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from syncflow_pipelines.asgi.exporting import export_lifespan, export_on_startup
    from syncflow_pipelines.asgi.lifespan import auto_sync_lifespan
    from syncflow_pipelines.asgi.schemas import (
        generate_schemas_from_models,
        schema_sync_lifespan,
        sync_schemas_from_models,
    )
    from syncflow_pipelines.asgi.startup import run_startup_auto_sync

try:
    __version__ = version("syncflow-pipelines")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0.0.0"

__all__ = [
    "__version__",
    "auto_sync_lifespan",
    "export_lifespan",
    "export_on_startup",
    "generate_schemas_from_models",
    "run_startup_auto_sync",
    "schema_sync_lifespan",
    "sync_schemas_from_models",
]

_LAZY: Final = {
    "auto_sync_lifespan": "syncflow_pipelines.asgi.lifespan",
    "export_lifespan": "syncflow_pipelines.asgi.exporting",
    "export_on_startup": "syncflow_pipelines.asgi.exporting",
    "generate_schemas_from_models": "syncflow_pipelines.asgi.schemas",
    "run_startup_auto_sync": "syncflow_pipelines.asgi.startup",
    "schema_sync_lifespan": "syncflow_pipelines.asgi.schemas",
    "sync_schemas_from_models": "syncflow_pipelines.asgi.schemas",
}
"""For applications of one's own; imported when somebody asks for them, so that importing the package stays cheap."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
