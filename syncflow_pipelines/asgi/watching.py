"""Following services while an application runs: `watch_mode`."""

import asyncio
from dataclasses import replace

from syncflow_pipelines.asgi.report import Report
from syncflow_pipelines.asgi.startup import AppSync
from syncflow_pipelines.asgi.threads import Cancellation, in_thread
from syncflow_pipelines.config import ServiceSettings, load_services, load_settings
from syncflow_pipelines.errors import ConfigurationError


async def watch(sync: AppSync, before: Report) -> None:
    """Syncs every `watch_interval` seconds as long as `watch_mode` is true, until its task is cancelled.

    The configuration is read before each look; while it cannot be used, that of before holds. `before` is what is told
    already.
    """
    sync = replace(sync, is_forced=False)
    settings = await _settings(sync, None)
    while settings is not None and settings.watch_mode:
        await asyncio.sleep(settings.watch_interval)
        report = await sync.run(is_startup=False)
        report.tell(before)
        sync.keep(report)
        before = report
        settings = await _settings(sync, settings)


async def _settings(sync: AppSync, before: ServiceSettings | None) -> ServiceSettings | None:
    try:
        return await in_thread(lambda: load_services(sync.settings or load_settings()).settings, Cancellation())
    except ConfigurationError:  # the sync itself tells of it
        return before
