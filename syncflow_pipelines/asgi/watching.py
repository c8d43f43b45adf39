"""Following services while an application runs: `watch_mode`."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from syncflow_pipelines.asgi.report import Report
from syncflow_pipelines.asgi.startup import AppSync
from syncflow_pipelines.asgi.threads import Cancellation, in_thread
from syncflow_pipelines.config import Services, Settings, choose_services, load_services, load_settings, service_files
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.files.watching import Target, Watcher

_LOOK_S = 0.25
"""How long a wait for files goes on without a look at whether it was cancelled."""


async def watch(sync: AppSync, before: Report) -> None:
    """Syncs every `watch_interval` seconds, and when a file changed, as long as `watch_mode` is true.

    It ends when its task is cancelled. Followed are the configuration, spec files, and what these refer to. The
    configuration is read before each look; while it cannot be used, that of before holds. `before` is what is told
    already.
    """
    sync = replace(sync, is_forced=False)
    configured = await _configured(sync, None)
    if configured is None or not configured.services.settings.watch_mode:
        return
    known = set(map(str, service_files(configured.settings)))
    async with _following() as watcher:
        while configured.services.settings.watch_mode:
            said, targets = configured.services.settings, _targets(configured, before)
            watcher.follow(targets, debounce_ms=said.debounce_ms)
            if targets.keys() <= known:  # what is new may have changed since it was read
                await _until_due(watcher, said.watch_interval)
            known = set(targets)
            report = await sync.run(is_startup=False)
            report.tell(before)
            sync.keep(report)
            before = report
            configured = await _configured(sync, configured) or configured


@dataclass(frozen=True, slots=True)
class _Configured:
    settings: Settings
    services: Services


async def _configured(sync: AppSync, before: _Configured | None) -> _Configured | None:
    def load() -> _Configured:
        settings = sync.settings or load_settings()
        return _Configured(settings, load_services(settings))

    try:
        return await in_thread(load, Cancellation())
    except ConfigurationError:  # the sync itself tells of it
        return before


@asynccontextmanager
async def _following() -> AsyncIterator[Watcher]:
    watcher = Watcher({})
    watcher.__enter__()
    try:
        yield watcher
    finally:
        await asyncio.to_thread(watcher.__exit__, None, None, None)


def _targets(configured: _Configured, report: Report) -> dict[str, Target]:
    files: Iterable[Path] = (
        *service_files(configured.settings),
        *(path for service in choose_services(configured.services) for path in service.spec_files),
        *(path for one in report.fetched for path in one.files),
    )
    return {str(path): Target(path) for path in files}


async def _until_due(watcher: Watcher, interval_s: float) -> None:
    cancellation = Cancellation()
    ends_at = time.monotonic() + interval_s

    def wait() -> None:
        while not cancellation() and time.monotonic() < ends_at:
            if watcher.wait(min(_LOOK_S, max(0.0, ends_at - time.monotonic()))):
                return

    await in_thread(wait, cancellation)
