"""Fetching specs and generating code from them while an application starts, or at any time in it."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncflow_pipelines.asgi.application import Application, State
from syncflow_pipelines.asgi.own_document import is_endpoint, own_document
from syncflow_pipelines.asgi.receivers import EventBus, emit, register
from syncflow_pipelines.asgi.report import Report
from syncflow_pipelines.asgi.threads import Cancellation, in_thread
from syncflow_pipelines.codegen.kept import generate_kept
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.config import ServiceConfig, Services, Settings, choose_services, load_services, load_settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SyncCancelled, SyncflowError
from syncflow_pipelines.events.flags import Flag, standing
from syncflow_pipelines.events.happenings import OPENAPI_SPEC_CHANGED, openapi_spec_changed
from syncflow_pipelines.openapi.given import GivenSpec
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh

LOGGER = "syncflow_pipelines"
"""The logger that `log_level` of the settings holds for."""

_LOG = logging.getLogger(__name__)


async def run_startup_auto_sync(
    app: Application,
    event_bus: EventBus | None = None,
    endpoint_manager: object | None = None,
    force_regenerate: bool = False,
    *,
    own_service: str | Collection[str] = (),
    settings: Settings | None = None,
    database: Database | None = None,
) -> dict[str, Any]:
    """Fetches the specs of all enabled services, and generates what changed; what came of it, as a report.

    `success` (nothing went wrong), `fetched_specs` (`service`, `file`, `changed`), `changed_services`,
    `generated_files`, `errors` (sentences), and `skipped` with a `reason`. A service that fails keeps no other one from
    being fetched. `own_service` names services that are this very application, whose documents are asked of it in this
    process. Without `settings`, those of the working folder hold; without a database, the checksum file alone is used.

    Never raises, but where its task is cancelled; what was begun then ends soon, and the old files stand.
    """
    sync = AppSync(app, event_bus, endpoint_manager, force_regenerate, names_of(own_service), settings, database)
    report = await sync.run()
    report.tell()
    return report.as_dict()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    settings: Settings
    services: Services
    chosen: tuple[ServiceConfig, ...] = ()
    skipped_because: str | None = None

    @property
    def should_generate(self) -> bool:
        return self.services.settings.auto_regenerate or not self.services.settings.on_change_only


@dataclass(frozen=True, slots=True)
class AppSync:
    """A sync in an application, and who hears of it."""

    app: Application
    event_bus: EventBus | None = None
    endpoint_manager: object | None = None
    is_forced: bool = False
    own_services: frozenset[str] = frozenset()
    settings: Settings | None = None
    database: Database | None = None
    state: State = field(default_factory=dict)
    """What the application's lifespan yielded."""
    verifier: Verifier | None = None
    """Stays warm from one sync to the next; else each has its own."""

    async def run(self, *, is_startup: bool = True, only: Collection[str] = ()) -> Report:
        """One sync, or that of the services in `only`. With `is_startup`, only where the settings want one then."""
        report, cancellation = Report(), Cancellation()
        try:
            await self._run(report, cancellation, is_startup, only)
        except SyncflowError as error:
            report.add_error("", str(error))
        except Exception as error:  # noqa: BLE001 - the entry point: no fault of ours keeps an application from starting
            _LOG.exception("the sync in the application")
            report.add_error("", f"a fault of SyncFlow itself: {type(error).__name__}")
        report.is_over = True
        return report

    async def _run(self, report: Report, cancellation: Cancellation, is_startup: bool, only: Collection[str]) -> None:
        plan = await in_thread(lambda: self.plan(is_startup, only), cancellation)
        logging.getLogger(LOGGER).setLevel(plan.services.settings.log_level)
        if plan.skipped_because is not None:
            report.skipped_because = plan.skipped_because
            return
        own = [one for one in plan.chosen if one.name in self.own_services and is_endpoint(one.openapi_paths[0])]
        given = await self._own_documents(own, report)
        names = [one.name for one in plan.chosen if one not in own or one.name in given]
        report.take_looks(await in_thread(lambda: self._look(plan, names, given, cancellation), cancellation))
        await self._tell_bus(plan, report)
        if self.is_forced or plan.should_generate:
            names = [one.service for one in report.fetched]
            reports = await in_thread(lambda: self._generate(plan, names, cancellation), cancellation)
            report.take_generated(reports, plan.services.settings.generated_dir)
        await self._tell_manager(plan, report)

    def keep(self, report: Report) -> None:
        """Makes it `app.state.auto_sync`, where the application has a state."""
        state = getattr(self.app, "state", None)
        if state is not None:
            state.auto_sync = report.as_dict()

    def plan(self, is_startup: bool, only: Collection[str] = ()) -> Plan:
        """What there is to do now. Raises `ConfigurationError`."""
        settings = self.settings or load_settings()
        services = load_services(settings)
        chosen = [one for one in choose_services(services) if not only or one.name in only]
        choose_services(services, self.own_services)
        if is_startup and not services.settings.on_startup:
            return Plan(settings, services, skipped_because="settings.on_startup is false")
        standings = {one.name: standing(Flag.AUTO_SYNC, settings, one.name) for one in chosen}
        on = tuple(one for one in chosen if standings[one.name].is_on)
        overall = next(iter(standings.values()), standing(Flag.AUTO_SYNC, settings))
        if not on and not overall.is_on:
            return Plan(settings, services, skipped_because=overall.reason("no spec is fetched"))
        return Plan(settings, services, on)

    async def _own_documents(self, own: Sequence[ServiceConfig], report: Report) -> dict[str, GivenSpec]:
        found: dict[str, GivenSpec] = {}
        for service in own:
            try:
                found[service.name] = await own_document(self.app, service, self.state)
            except SyncflowError as error:
                report.add_error(service.name, str(error))
        return found

    def _look(
        self, plan: Plan, names: Collection[str], given: Mapping[str, GivenSpec], cancelled: Cancellation
    ) -> list[Refreshed]:
        if not names:
            return []
        return refresh(
            plan.services, plan.settings, only=names, database=self.database, given=given, cancelled=cancelled
        )

    def _generate(self, plan: Plan, names: Collection[str], cancelled: Cancellation) -> tuple[ServiceReport, ...]:
        if not names:
            return ()
        try:
            return generate_kept(
                plan.services,
                plan.settings,
                only=names,
                force=self.is_forced,
                cancelled=cancelled,
                database=self.database,
                verifier=self.verifier.kept if self.verifier is not None else None,
            ).services
        except SyncCancelled:
            _LOG.info("the generation was stopped with the application; what was there stands")
            return ()

    async def _tell_bus(self, plan: Plan, report: Report) -> None:
        if self.event_bus is None or not plan.services.settings.enable_event_bus:
            return
        for one in report.changed:
            data = openapi_spec_changed(one.service, str(one.spec_file), one.checksum or "", None).data
            try:
                await emit(self.event_bus, OPENAPI_SPEC_CHANGED, data)
            except Exception as error:  # noqa: BLE001 - somebody else's code, which must not end the sync
                _LOG.exception("telling the event bus of %s", one.service)
                report.add_error(one.service, f"the event bus failed: {type(error).__name__}")

    async def _tell_manager(self, plan: Plan, report: Report) -> None:
        if self.endpoint_manager is None:
            return
        base_urls = {one.name: one.base_url for one in plan.chosen}
        for one in report.fetched:
            assert one.spec_file is not None, "what was fetched is kept"
            try:
                await register(self.endpoint_manager, one.service, base_urls[one.service], one.spec_file)
            except Exception as error:  # noqa: BLE001 - somebody else's code, which must not end the sync
                _LOG.exception("registering %s", one.service)
                report.add_error(one.service, f"the endpoint manager failed: {type(error).__name__}")


def names_of(own_service: str | Collection[str]) -> frozenset[str]:
    """The names that were given, be it one or several."""
    return frozenset([own_service] if isinstance(own_service, str) else own_service)
