"""SyncFlow keeps code and tables in step with the APIs that they come from."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from syncflow_pipelines.asgi.exporting import export_lifespan, export_on_startup
    from syncflow_pipelines.asgi.lifespan import auto_sync_lifespan
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
    "run_startup_auto_sync",
]

_LAZY: Final = {
    "auto_sync_lifespan": "syncflow_pipelines.asgi.lifespan",
    "export_lifespan": "syncflow_pipelines.asgi.exporting",
    "export_on_startup": "syncflow_pipelines.asgi.exporting",
    "run_startup_auto_sync": "syncflow_pipelines.asgi.startup",
}
"""Names for applications of one's own, by the module that is imported once they are asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
