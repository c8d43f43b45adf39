"""An application of one's own that writes its OpenAPI document to a file as it starts.

No framework is imported: an application is anything with `openapi()`, as those of FastAPI have. A document that cannot
be written is logged, and never keeps the application from starting.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from syncflow_pipelines.openapi.exporting.documents import export_document

_LOG = logging.getLogger(__name__)

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
"""What FastAPI and Starlette take as `lifespan`."""


class _Router(Protocol):
    lifespan_context: Lifespan


class Application(Protocol):
    """An application of FastAPI, or one like it."""

    router: Any

    def openapi(self) -> dict[str, Any]: ...


def export_on_startup(app: Application, path: str | Path) -> None:
    """From now on the application writes its document to the file whenever it starts, after its own lifespan has begun.

    To be called once, anywhere before the application starts; `export_lifespan` is for those who write its lifespan.
    """
    router: _Router = app.router
    router.lifespan_context = export_lifespan(path, lifespan=router.lifespan_context)


def export_lifespan(path: str | Path, *, lifespan: Lifespan | None = None) -> Lifespan:
    """A lifespan for `FastAPI(lifespan=…)` that writes the application's document to the file.

    The application's own `lifespan` is entered before, and left after; what it yields is the state, as without this.
    """

    @asynccontextmanager
    async def exporting(app: Any) -> AsyncIterator[Any]:
        if lifespan is None:
            _export(app, Path(path))
            yield None
            return
        async with lifespan(app) as state:
            _export(app, Path(path))
            yield state

    return exporting


def _export(app: Application, path: Path) -> None:
    try:
        exported = export_document(path, app.openapi())
    except Exception as error:  # noqa: BLE001 - the app's own code, and the file system: neither may stop the start
        _LOG.warning("the OpenAPI document was not written to %s: %s", path, error)
    else:
        _LOG.info("%s: %s", exported.path, "written" if exported.changed else "unchanged")
