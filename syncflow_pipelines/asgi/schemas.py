"""Schemas that follow their models in an application of one's own, and the calls of the requirement."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from syncflow_pipelines.asgi.application import Lifespan, State
from syncflow_pipelines.asgi.lifespan import SHUTDOWN_TIMEOUT_S, STARTUP_TIMEOUT_S, own_lifespan
from syncflow_pipelines.asgi.threads import Cancellation, in_thread
from syncflow_pipelines.config import SchemaSync, Settings, choose_sources, load_schema_sync, load_settings
from syncflow_pipelines.errors import ConfigurationError, SchemasNotGenerated, SyncflowError
from syncflow_pipelines.events.flags import Flag, is_enabled
from syncflow_pipelines.schemas.reports import SyncReport
from syncflow_pipelines.schemas.syncing import sync_schemas
from syncflow_pipelines.schemas.watching import Notice, SchemaWatch

_LOG = logging.getLogger(__name__)


async def sync_schemas_from_models(
    *, force: bool = False, dry_run: bool = False, only: Collection[str] = (), settings: Settings | None = None
) -> SyncReport:
    """Brings the schemas of those sources in step, or of all that are enabled; what became of each.

    `force` generates what has not changed, and overwrites what people have edited. Without `settings`, those of the
    working folder hold. Raises `ConfigurationError`; a source that fails is in the report, and its old schemas stand.
    """

    def work() -> SyncReport:
        in_force = settings or load_settings()
        return sync_schemas(in_force, load_schema_sync(in_force), only=only, force=force, dry_run=dry_run)

    return await in_thread(work, Cancellation())


async def generate_schemas_from_models(source: str | None = None, *, settings: Settings | None = None) -> Path:
    """Brings the schemas of one source in step: the module, which works.

    `source` need not be named where there is but one that is enabled. Raises what went wrong; the old schemas stand.
    """

    def work() -> Path:
        in_force = settings or load_settings()
        schemas = load_schema_sync(in_force)
        [report] = sync_schemas(in_force, schemas, only=[source or _only_source(schemas)]).sources
        if report.error is not None:
            raise report.error
        return report.output

    return await in_thread(work, Cancellation())


def schema_sync_lifespan(
    lifespan: Callable[[Any], Any] | None = None,
    *,
    startup_timeout_s: float = STARTUP_TIMEOUT_S,
    settings: Settings | None = None,
) -> Lifespan:
    """A lifespan for `FastAPI(lifespan=…)` or `Starlette(lifespan=…)`, around the application's own `lifespan`.

    Once that has started, the schemas of all enabled sources are brought in step, where `should_run_sync()` of the
    settings says so: by default in the environment `development` alone. The application waits for it for
    `startup_timeout_s`; after that it goes on beside it. What fails is a warning, and the old schemas stand; in any
    other environment the application waits to the end, and does not start where `fail_on_validation_error` is true.
    Where `should_watch_files()` says so, sources are followed until the application ends. The report of the start
    becomes `app.state.schema_sync`. A configuration that cannot be used keeps the application from starting.
    """

    @asynccontextmanager
    async def surrounding(app: Any) -> AsyncIterator[State]:
        async with own_lifespan(lifespan, app) as state:
            beside = await in_thread(lambda: _beside(app, settings or load_settings()), Cancellation())
            async with beside.running(startup_timeout_s):
                yield state

    return surrounding


@dataclass(slots=True)
class _Beside:
    """What is done for an application while it starts and lives."""

    app: Any
    settings: Settings
    schemas: SchemaSync
    watch: SchemaWatch | None = None
    following: threading.Thread | None = None

    @asynccontextmanager
    async def running(self, startup_timeout_s: float) -> AsyncIterator[None]:
        rules = self.schemas.settings
        task = asyncio.create_task(self._start(), name="syncflow-schemas")
        try:
            await asyncio.wait([task], timeout=None if rules.should_fail_startup() else startup_timeout_s)
            if task.done():
                task.result()
            else:
                _LOG.warning("the schemas take longer than %g s and go on beside the application", startup_timeout_s)
            yield
        finally:
            await self._end(task)

    async def _start(self) -> None:
        rules = self.schemas.settings
        if rules.should_run_sync():
            await self._sync()
        if rules.should_watch_files():
            _LOG.info("Starting file watcher for automatic schema regeneration...")
            self.watch = watch = SchemaWatch(self.settings, _tell)
            self.following = threading.Thread(target=_follow, args=(watch,), name="syncflow-schemas", daemon=True)
            self.following.start()

    async def _sync(self) -> None:
        if not is_enabled(Flag.SCHEMA_SYNC, self.settings):
            _LOG.info("No schemas are generated, as the flag %s is off", Flag.SCHEMA_SYNC)
            return
        _LOG.info("Running automatic schema synchronization...")
        report = await in_thread(lambda: sync_schemas(self.settings, self.schemas), Cancellation())
        with suppress(AttributeError):
            self.app.state.schema_sync = report
        _tell_report(report)
        failed = [one for one in report.sources if one.error is not None]
        if failed and self.schemas.settings.should_fail_startup():
            told = "; ".join(f"{one.source}: {one.error}" for one in failed)
            raise SchemasNotGenerated(f"the application does not start, as schemas could not be generated: {told}")

    async def _end(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.wait([task], timeout=SHUTDOWN_TIMEOUT_S)
        if self.watch is not None and self.following is not None:
            self.watch.stop()
            await in_thread(partial(self.following.join, SHUTDOWN_TIMEOUT_S), Cancellation())
        if task.done() and not task.cancelled() and task.exception() is not None:
            _LOG.warning("schemas were not brought in step", exc_info=task.exception())


def _beside(app: Any, settings: Settings) -> _Beside:
    return _Beside(app, settings, load_schema_sync(settings))


def _follow(watch: SchemaWatch) -> None:
    try:
        watch.run()
    except SyncflowError as error:
        _LOG.warning("schemas are followed no more: %s", error)
    except Exception:  # noqa: BLE001 - the entry point of a thread
        _LOG.exception("schemas are followed no more")


def _tell(notice: Notice) -> None:
    name = notice.source or "schema_sync.yaml"
    if notice.error is not None:
        _LOG.warning("%s: %s", name, notice.error)
    elif notice.report is not None:
        _LOG.info("Schemas written to: %s", notice.report.output)
    else:
        _LOG.info("%s: works again", name)


def _tell_report(report: SyncReport) -> None:
    for one in report.sources:
        if one.error is not None:
            _LOG.warning("%s: %s", one.source, one.error)
        elif one.status == "generated":
            _LOG.info("Schemas written to: %s", one.output)
        for note in one.notes:
            _LOG.warning("%s: %s", one.source, note)
    if not report.has_failed:
        _LOG.info("Schema synchronization completed successfully")


def _only_source(schemas: SchemaSync) -> str:
    names = [source.name for source in choose_sources(schemas)]
    if len(names) != 1:
        told = f"there are {', '.join(names)}; name one" if names else "there is none in schema_sync.yaml"
        raise ConfigurationError(f"of the sources of schemas, one is wanted, and {told}")
    return names[0]
