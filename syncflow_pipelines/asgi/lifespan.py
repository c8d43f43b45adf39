"""A lifespan that syncs when the application starts, around the application's own."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

from syncflow_pipelines.asgi.application import Lifespan, State, state_of
from syncflow_pipelines.asgi.receivers import EventBus
from syncflow_pipelines.asgi.startup import LOGGER, AppSync, names_of
from syncflow_pipelines.asgi.watching import watch
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database

STARTUP_TIMEOUT_S: Final = 10.0
SHUTDOWN_TIMEOUT_S: Final = 10.0
"""How long work that was asked to end is waited for."""

_LOG = logging.getLogger(__name__)


def auto_sync_lifespan(
    lifespan: Callable[[Any], Any] | None = None,
    *,
    own_service: str | Collection[str] = (),
    event_bus: EventBus | None = None,
    endpoint_manager: object | None = None,
    force_regenerate: bool = False,
    startup_timeout_s: float = STARTUP_TIMEOUT_S,
    settings: Settings | None = None,
    database: Database | None = None,
) -> Lifespan:
    """A lifespan for `FastAPI(lifespan=…)` or `Starlette(lifespan=…)`, around the application's own `lifespan`.

    Once that has started, `run_startup_auto_sync` runs. The application waits for it for `startup_timeout_s`; after
    that the sync goes on beside it. It never keeps the application from starting. Its report becomes
    `app.state.auto_sync`. With `watch_mode: true` in the settings, services are followed from then on, until the
    application ends; nothing of it goes on after that. Without `event_bus` and `endpoint_manager`,
    `app.state.event_bus` and `app.state.gateway_endpoint_manager` are taken where they are there.
    """

    @asynccontextmanager
    async def surrounding(app: Any) -> AsyncIterator[State]:
        async with own_lifespan(lifespan, app) as state:
            if not _is_asyncio():
                _LOG.error("nothing is synced, as this application runs in another event loop than asyncio's")
                yield state
                return
            sync = AppSync(
                app,
                state_of(app, "event_bus") if event_bus is None else event_bus,
                state_of(app, "gateway_endpoint_manager") if endpoint_manager is None else endpoint_manager,
                force_regenerate,
                names_of(own_service),
                settings,
                database,
                state or {},
            )
            async with _beside(sync, startup_timeout_s):
                yield state

    return surrounding


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def own_lifespan(lifespan: Callable[[Any], Any] | None, app: Any) -> AbstractAsyncContextManager[State]:
    """The application's own lifespan, which may be none, or a generator."""
    if lifespan is None:
        nothing: AbstractAsyncContextManager[Any] = nullcontext()
        return nothing
    if inspect.isasyncgenfunction(lifespan):
        lifespan = asynccontextmanager(lifespan)
    found: AbstractAsyncContextManager[State] = lifespan(app)
    return found


@asynccontextmanager
async def _beside(sync: AppSync, startup_timeout_s: float) -> AsyncIterator[None]:
    """Syncs, and goes on beside what is done in the context where it takes longer; ended with it."""
    level = logging.getLogger(LOGGER).level
    task = asyncio.create_task(_sync_and_watch(sync, started := asyncio.Event()), name="syncflow")
    try:
        async with asyncio.timeout(startup_timeout_s):
            await started.wait()
    except TimeoutError:
        _LOG.warning("auto-sync takes longer than %g s and goes on beside the application", startup_timeout_s)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=SHUTDOWN_TIMEOUT_S)
        logging.getLogger(LOGGER).setLevel(level)


async def _sync_and_watch(sync: AppSync, started: asyncio.Event) -> None:
    try:
        report = await sync.run()
        report.tell()
        sync.keep(report)
    finally:
        started.set()
    try:
        await watch(sync, report)
    except Exception:  # noqa: BLE001 - nobody asks for what the task comes to until the application ends
        _LOG.exception("services are not followed any more")
