"""Following services while an application runs: `watch_mode`."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from syncflow_pipelines.asgi.report import Report
from syncflow_pipelines.asgi.startup import AppSync
from syncflow_pipelines.asgi.threads import Cancellation, in_thread
from syncflow_pipelines.codegen.kept import components_of
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.config import (
    FLAGS_FILE,
    Services,
    Settings,
    choose_services,
    load_services,
    load_settings,
    service_files,
)
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.files.watching import Target, Watcher

_CONFIGURATION = ""
"""Stands where the name of a service stands, for the files that decide what is followed."""
_LOG = logging.getLogger(__name__)
_LOOK_S = 0.25
"""How long a wait for files goes on without a look at whether it was cancelled."""


async def watch(sync: AppSync, before: Report) -> None:
    """Syncs every `watch_interval` seconds, and when a file changed, while `watch_mode` is true.

    It ends when its task is cancelled. Followed are the configuration, spec files, and what these refer to; of a file
    that changed, only its services are looked at. The configuration is read before each look; while it cannot be used,
    that of before holds. `before` is what is told already.
    """
    configured = await _configured(sync, None)
    if configured is None:
        return
    async with _following() as watcher, _verifying() as verifier:
        sync = replace(sync, is_forced=False, verifier=verifier)
        known: Collection[str] = ()
        while True:
            if configured.generates:
                await in_thread(verifier.warm_up, Cancellation())
            targets = _targets(configured, before)
            watcher.follow(targets, debounce_ms=configured.services.settings.debounce_ms)
            # what is new may have changed since it was read
            due = targets.keys() - set(known) or await _until_due(watcher, configured.interval_s)
            known = targets.keys()
            was_on, configured = configured.is_on, await _configured(sync, configured) or configured
            if was_on != configured.is_on:
                _LOG.info("services are followed %s: watch_mode", "from now on" if configured.is_on else "no more")
            if configured.is_on:
                before = await _synced(sync, before, {key.partition(" ")[0] for key in due})


async def _synced(sync: AppSync, before: Report, names: set[str]) -> Report:
    """What is known after a look at those services, or at all, where none or the configuration is named."""
    only = () if _CONFIGURATION in names else names
    report = await sync.run(is_startup=False, only=only)
    if only and report.skipped_because is not None:
        return before  # of the others, nothing is skipped
    if only:
        report.complete(before, only)
    report.tell(before)
    sync.keep(report)
    return report


@dataclass(frozen=True, slots=True)
class _Configured:
    settings: Settings
    services: Services

    @property
    def is_on(self) -> bool:
        """Whether services are followed."""
        return self.services.settings.watch_mode

    @property
    def generates(self) -> bool:
        """Whether code is generated from any of them."""
        settings = self.services.settings
        return self.is_on and any(components_of(service, settings) for service in choose_services(self.services))

    @property
    def interval_s(self) -> float | None:
        """Between two looks; None where there are none."""
        return self.services.settings.watch_interval if self.is_on else None


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


@asynccontextmanager
async def _verifying() -> AsyncIterator[Verifier]:
    """A verifier that stays warm, and gives up what it is at when the task is cancelled."""
    task = asyncio.current_task()
    assert task is not None
    verifier = Verifier(cancelled=lambda: task.cancelling() > 0)
    try:
        yield verifier
    finally:
        await asyncio.to_thread(verifier.__exit__, None, None, None)


def _configuration(configured: _Configured) -> dict[str, Target]:
    files = (*service_files(configured.settings), configured.settings.config_dir / FLAGS_FILE)
    return {f"{_CONFIGURATION} {path}": Target(path) for path in files}


def _targets(configured: _Configured, report: Report) -> dict[str, Target]:
    """What is followed, by service and path."""
    if not configured.is_on:
        return _configuration(configured)
    chosen = {service.name: service.spec_files for service in choose_services(configured.services)}
    found = [(one.service, one.files) for one in report.fetched if one.service in chosen]
    files = {f"{name} {path}": Target(path) for name, paths in (*chosen.items(), *found) for path in paths}
    return {**_configuration(configured), **files}


async def _until_due(watcher: Watcher, interval_s: float | None) -> Collection[str]:
    """The keys of what changed; none once the interval is over."""
    cancellation = Cancellation()
    ends_at = math.inf if interval_s is None else time.monotonic() + interval_s

    def wait() -> Collection[str]:
        while not cancellation() and time.monotonic() < ends_at:
            if changed := watcher.wait(min(_LOOK_S, max(0.0, ends_at - time.monotonic()))):
                return changed
        return ()

    return await in_thread(wait, cancellation)
