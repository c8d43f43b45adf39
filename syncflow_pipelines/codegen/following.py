"""The specs of services, followed: files by the system's word, endpoints at intervals; what changed is generated."""

import time
from collections.abc import Collection, Iterable, Sequence, Set
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Final, Protocol, Self

from syncflow_pipelines.codegen.agenda import Agenda
from syncflow_pipelines.codegen.kept import components_of, generate_kept
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.config import (
    ServiceConfig,
    Services,
    Settings,
    choose_services,
    load_services,
    service_files,
)
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import ConfigurationError, DatabaseError, SyncflowError
from syncflow_pipelines.events.flags import Flag, standing
from syncflow_pipelines.files.watching import Target, Watcher
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh
from syncflow_pipelines.openapi.spec_files import quiet_s

_CONFIGURATION: Final = ""
"""Stands where the name of a service stands, for the files that decide what is followed."""
_PASSING: Final = frozenset(kind.__name__ for kind in (SyncflowError, ConfigurationError, DatabaseError))
"""Kinds of errors that are none of the spec's own: a lock that others hold, a full disk, a database that is down."""


class Onlooker(Protocol):
    """Who is told what becomes of the specs."""

    def looked(self, services: Services, refreshed: Sequence[Refreshed]) -> None:
        """After each look; none of it is unsettled."""

    def generated(self, services: Services, reports: Sequence[ServiceReport]) -> None:
        """After each generation."""

    def done(self, services: Services, refreshed: Sequence[Refreshed], reports: Sequence[ServiceReport]) -> None:
        """After both: the new code is in place."""

    def trouble(self, error: str | None) -> None:
        """What keeps all of it from working; None when that is over."""

    def told(self, sentence: str) -> None:
        """Something else that a person should know."""


class SpecFollower:
    """Looks at specs whenever they may have changed, and generates what did; no broken service stops the others.

    The configuration is followed, too. To be entered before it runs; what it needs is warm from then on.
    """

    def __init__(
        self,
        services: Services,
        settings: Settings,
        database: Database | None,
        onlooker: Onlooker,
        *,
        names: Collection[str] = (),
        interval_s: float | None = None,
    ) -> None:
        self._services = services
        self._settings = settings
        self._database = database
        self._onlooker = onlooker
        self._names = names
        self._interval_s = interval_s
        self._agenda = Agenda()
        self._verifier = Verifier()
        self._files = {service.name: service.spec_files for service in self._chosen()}
        self._watcher = Watcher(self._targets(), debounce_ms=services.settings.debounce_ms, tell=onlooker.told)
        self._left: set[str] = set()
        self._off: frozenset[str] = frozenset()
        self._is_cut_off = False
        self._resources = ExitStack()
        self._is_over = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._verifier)
            stack.enter_context(self._watcher)
            if self._services.settings.auto_regenerate and self._generated_services():
                self._verifier.warm_up()
            self._resources = stack.pop_all()
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.__exit__(kind, error, trace)

    def run(self) -> None:
        """Works until it is stopped."""
        while not self._is_over:
            self._agenda.advance(self._interval)
            if names := self._switched_on(self._agenda.due):
                self._agenda.due -= names
                self._look(names)
            self._wait()

    def stop(self) -> None:
        """Ends the work, after what it is at. Any thread may call it, and a signal handler."""
        self._is_over = True
        self._watcher.stop()

    @property
    def _interval(self) -> float:
        return self._interval_s or self._services.settings.watch_interval

    def _begin(self) -> None:
        """All services are due, and to be generated, changed or not."""
        chosen = self._chosen()
        names = frozenset(service.name for service in chosen)
        self._files = {service.name: service.spec_files for service in chosen}
        self._agenda.keep(names)
        self._agenda.due |= names
        self._agenda.at_intervals = set(names)
        self._left = self._generated_services()
        self._watcher.follow(self._targets(), debounce_ms=self._services.settings.debounce_ms)

    def _chosen(self) -> Sequence[ServiceConfig]:
        return choose_services(self._services, self._names)

    def _generated_services(self) -> set[str]:
        return {service.name for service in self._chosen() if components_of(service, self._services.settings)}

    def _targets(self) -> dict[str, Target]:
        followed = {_CONFIGURATION: service_files(self._settings), **self._files}
        return {f"{name} {at}": Target(path) for name, paths in followed.items() for at, path in enumerate(paths)}

    def _wait(self) -> None:
        """Until something is due."""
        changed = {key.partition(" ")[0] for key in self._watcher.wait(self._agenda.seconds_left())}
        if _CONFIGURATION in changed:
            self._reload()
        self._agenda.due |= changed & self._files.keys()

    def _reload(self) -> None:
        """Takes the configuration as it is now; one that cannot be used is told, and the old one stays in force."""
        try:
            services = load_services(self._settings)
            choose_services(services, self._names)
        except SyncflowError as error:
            self._onlooker.trouble(str(error))
            return
        self._onlooker.trouble(None)
        if services != self._services:
            self._services = services
            self._begin()

    def _switched_on(self, names: Iterable[str]) -> set[str]:
        """Those of the services that no flag keeps from being looked at; what is off is told once."""
        began = time.monotonic()
        standings = {name: standing(Flag.AUTO_SYNC, self._settings, name) for name in names}
        self._agenda.asked_for_flags(time.monotonic() - began)
        off = {name: one for name, one in standings.items() if not one.is_on}
        sentences = frozenset(one.reason("specs that change are left alone until it is on") for one in off.values())
        for sentence in sorted(sentences - self._off):
            self._onlooker.told(sentence)
        self._off = sentences
        return standings.keys() - off.keys()

    def _look(self, names: set[str]) -> None:
        """Files and code do not wait for the database: what it was not told, it is told once it is back."""
        try:
            self._look_with(self._connected(), names)
        except DatabaseError as error:
            self._is_cut_off = True
            self._onlooker.trouble(str(error))
            self._look_with(None, names)

    def _connected(self) -> Database | None:
        """The database. Raises `DatabaseError` where it was lost and is not back: at once, as nobody waits for it."""
        if self._database is not None and self._is_cut_off:
            with self._database.dedicated("syncflow specs watch"):
                self._is_cut_off = False
        return self._database

    def _look_with(self, database: Database | None, names: set[str]) -> None:
        is_whole = database is self._database
        try:
            refreshed = self._settled(
                refresh(self._services, self._settings, only=names, database=database, patient=False)
            )
            if is_whole:
                self._onlooker.trouble(None)
            self._onlooker.looked(self._services, refreshed)
            self._follow(refreshed)
            reports = self._generated(refreshed, database)
            self._onlooker.done(self._services, refreshed, reports)
            failed = {one.service for one in refreshed if one.error_type in _PASSING}
            failed |= {report.service for report in reports if report.status == "failed"}
        except DatabaseError:
            raise
        except SyncflowError as error:
            self._onlooker.trouble(str(error))
            failed = names
        self._plan_again(names, failed if is_whole else names)

    def _plan_again(self, names: Set[str], failed: Set[str]) -> None:
        self._agenda.at_intervals |= failed
        self._agenda.succeed(names - failed)
        self._agenda.put_off(failed, self._interval)

    def _settled(self, refreshed: Iterable[Refreshed]) -> list[Refreshed]:
        """Without those that may be half written, as long as there is hope."""
        settled: list[Refreshed] = []
        for one in refreshed:
            if one.status != "unsettled":
                self._agenda.settle(one.service)
            elif self._agenda.wait_for(one.service, quiet_s(self._services.settings.debounce_ms)):
                continue
            settled.append(replace(one, status="failed") if one.status == "unsettled" else one)
        return settled

    def _follow(self, refreshed: Iterable[Refreshed]) -> None:
        """Follows what the specs are made of now. What is new may have changed since it was read."""
        chosen = {service.name: service for service in self._chosen()}
        before = self._targets()
        for one in refreshed:
            service = chosen[one.service]
            files = tuple(dict.fromkeys((*service.spec_files, *one.files)))
            if set(files) - set(self._files[one.service]):
                self._agenda.due.add(one.service)
            self._files[one.service] = files
            is_told = bool(service.spec_files) and one.error is None and one.is_of_files
            (self._agenda.at_intervals.discard if is_told else self._agenda.at_intervals.add)(one.service)
        if self._targets() != before:
            self._watcher.follow(self._targets())

    def _generated(self, refreshed: Iterable[Refreshed], database: Database | None) -> Sequence[ServiceReport]:
        """Brings the modules in step with what was seen, where that is to happen by itself."""
        settings = self._services.settings
        usable = [one for one in refreshed if one.checksum is not None]
        names = {one.service for one in usable if self._is_to_be_generated(one)}
        if not settings.auto_regenerate or not names:
            return ()
        self._left |= names
        reports = generate_kept(
            self._services, self._settings, only=names, database=database, verifier=self._verifier.kept
        ).services
        failed = {report.service for report in reports if report.status == "failed"}
        self._left = (self._left - names) | failed
        self._onlooker.generated(self._services, reports)
        return reports

    def _is_to_be_generated(self, one: Refreshed) -> bool:
        if one.status == "changed" or one.service in self._left:
            return True
        # of a file that changed, Dagster's sensor may have been the first to see it
        return one.error is None and (bool(one.files) or not self._services.settings.on_change_only)
