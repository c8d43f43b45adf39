"""The main job, once: discover the demo source, sync it, change rows there, sync again, and compare.

Then the demo services: their specs become MCP servers and resolvers, and do so again when one of them changes. Last,
the Pydantic schemas of all of them, with which rows are read that were synced.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.names import catalogue_key, entity_key
from syncflow_pipelines.defs.record import open_instance
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.demo.admin import look_at_admin_api
from syncflow_pipelines.demo.erp import ROWS
from syncflow_pipelines.demo.gateway import GatewayReport, look_at_gateway
from syncflow_pipelines.demo.happenings import last_place, look_at_events
from syncflow_pipelines.demo.mutate import EntityMutation, mutate
from syncflow_pipelines.demo.schemas import SchemasJob, SchemasReport
from syncflow_pipelines.demo.services.job import ServicesJob, ServicesReport, begin_anew
from syncflow_pipelines.demo.services.world import NoDemoServices, running_demo_services
from syncflow_pipelines.demo.verification import RowCount, count_rows, find_mistakes
from syncflow_pipelines.demo.world import require_demo_connector, running_demo_source
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.entities import list_entities
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.runs import SyncRun, list_runs

Tell = Callable[[str], None]

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own lines stay in its event log; what fails is told by the report."""
DEMO_TAG = "syncflow/demo"
"""On the demo's runs: which step of it they are."""
MANY_RUNS = 1000
CANCEL_POLL_S = 0.2

_UNDER_WAY = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the main job did, and what of it is not as it must be."""

    first: tuple[SyncRun, ...]
    """The first sync of every entity, by name."""
    changes: Mapping[str, EntityMutation]
    """What was done at the source between the two syncs, by `connector/slug`."""
    second: tuple[SyncRun, ...]
    counts: tuple[RowCount, ...]
    """Live rows after the second sync."""
    mistakes: tuple[str, ...]
    """What is not as it must be, but for syncs that failed."""
    seconds: float
    services: ServicesReport | None = None
    """None where auto_sync_services.yaml follows no demo services."""
    gateway: GatewayReport | None = None
    """None where there are no demo services."""
    schemas: SchemasReport | None = None
    """None where schema_sync.yaml names neither the demo's connector nor its services."""
    events: Mapping[str, int] = field(default_factory=dict)
    """How many events of each type were published meanwhile."""

    @property
    def failed(self) -> tuple[SyncRun, ...]:
        """The syncs of both rounds that failed."""
        return tuple(run for run in (*self.first, *self.second) if run.status != "success")

    @property
    def is_right(self) -> bool:
        """Whether every sync went well and every table equals the source."""
        return not self.failed and not self.mistakes


def run_main_job(settings: Settings, tell: Tell, rows: int = ROWS) -> DemoReport:
    """Runs the main job on the demo source; the syncs are Dagster runs of the folder's instance.

    `tell` gets a sentence as each step ends. `rows` holds for a source that is built now. Raises
    `SyncflowError` where a step cannot be done; what is merely wrong stands in the report.
    """
    require_demo_connector(settings)
    clock = _Clock(tell)
    with open_instance(settings.home) as instance, open_database(settings) as database:
        clock.tell(f"PostgreSQL runs ({'by its URL' if settings.database_url else 'embedded'})")
        with running_demo_source(settings, rows) as source:
            clock.tell(f"The demo source answers at {source.url}")
            if source.taken:
                tell(f"{source.taken} (while this runs)")
            return _MainJob(settings, database, source.connector.name, instance, clock).run()


@dataclass(frozen=True, slots=True)
class _MainJob:
    settings: Settings
    database: Database
    connector: str
    instance: dg.DagsterInstance
    clock: "_Clock"

    def run(self) -> DemoReport:
        since, place = datetime.now(UTC), last_place(self.database)
        entities = self._discover()
        first = self._sync(entities, "first sync")
        changes = {f"{self.connector}/{one.entity}": one for one in mutate(self.settings.home)}
        changed = sum(len(one.inserted) + len(one.updated) + len(one.deleted) for one in changes.values())
        self.clock.tell(f"{changed:,} rows were inserted, updated or deleted at the source")
        second = self._sync(entities, "second sync")
        counts = count_rows(self.database, self.settings.home, entities)
        self.clock.tell("The tables were compared with the source")
        services, gateway = self._services()
        schemas = self._schemas(services)
        admin = look_at_admin_api(self.settings, self.connector, len(entities), len(first) + len(second))
        self.clock.tell(
            f"The admin API lists {admin.entities} entities, and /metrics has {admin.figures} figures of them"
        )
        events = look_at_events(self.database, since, place, (*first, *second), services)
        self.clock.tell(f"{sum(events.counts.values())} events tell of all that")
        told = (services, gateway, schemas, events, admin)
        parts = (mistake for part in told if part is not None for mistake in part.mistakes)
        mistakes = (*find_mistakes(first, second, changes, counts), *parts)
        seconds = self.clock.seconds
        return DemoReport(first, changes, second, counts, mistakes, seconds, services, gateway, schemas, events.counts)

    def _services(self) -> tuple[ServicesReport | None, GatewayReport | None]:
        begin_anew(self.settings)
        try:
            with running_demo_services(self.settings) as running:
                self.clock.tell(f"The demo services answer at {running.url}")
                if running.taken:
                    self.clock.say(f"{running.taken} (while this runs)")
                gateway = look_at_gateway(self.settings, running.url)
                self.clock.tell("A gateway passed requests on to them, and gave up on an endpoint that is dead")
                job = ServicesJob(self.settings, self.database, running, self._failure_of, self.clock.tell)
                return job.run(), gateway
        except NoDemoServices as error:
            self.clock.tell(f"No services: {error}")
            return None, None

    def _schemas(self, services: ServicesReport | None) -> SchemasReport | None:
        names = {self.connector, *(one.service for one in services.figures)} if services else {self.connector}
        return SchemasJob(self.settings, self.database, frozenset(names), self._failure_of, self.clock.tell).run()

    def _failure_of(self, keys: Sequence[dg.AssetKey], name: str) -> str | None:
        result = self._materialise(keys, name)
        return None if result.success else _reason(result) or f"the run {result.run_id} failed; Dagster tells why"

    def _discover(self) -> tuple[Entity, ...]:
        result = self._materialise([catalogue_key(self.connector)], "discovery")
        if not result.success:
            raise SyncflowError(
                _reason(result) or f"{self.connector} was not discovered; see Dagster's {result.run_id}"
            )
        entities = tuple(entity for entity in self._entities() if entity.is_present)
        if not entities:
            raise SyncflowError(f"{self.connector} offers no entity that can be used; see: syncflow discover")
        self.clock.tell(f"{len(entities)} entities were discovered, and their tables made")
        return entities

    def _entities(self) -> tuple[Entity, ...]:
        with self.database.connection() as connection:
            return list_entities(connection, connector=self.connector)

    def _sync(self, entities: Sequence[Entity], name: str) -> tuple[SyncRun, ...]:
        """Materialises every entity in one Dagster run; the syncs that it recorded, by entity."""
        run_id = self._materialise([entity_key(one.connector, one.spec.slug) for one in entities], name).run_id
        with self.database.connection() as connection:
            newest = list_runs(connection, limit=MANY_RUNS)
        runs = sorted((run for run in newest if run.dagster_run_id == run_id), key=lambda run: run.entity)
        self.clock.tell(
            f"{name.capitalize()}: {sum(run.fetched for run in runs):,} rows of {len(runs)} entities were fetched"
        )
        return tuple(runs)

    def _materialise(self, keys: Sequence[dg.AssetKey], name: str) -> dg.ExecuteInProcessResult:
        """A run of this process that materialises the assets, as they are defined by now; it may have failed.

        It has a thread of its own: in the main thread Dagster takes every signal for itself, and loses some.
        """
        job = build_definitions(load_world(self.settings)).resolve_implicit_global_asset_job_def()
        run_id = str(uuid4())
        with ThreadPoolExecutor(1, thread_name_prefix="syncflow-demo") as thread:
            running = thread.submit(
                job.execute_in_process, QUIET, self.instance, raise_on_error=False, asset_selection=keys,
                run_id=run_id, tags={DEMO_TAG: name},
            )  # fmt: skip
            try:
                return running.result()
            except KeyboardInterrupt:
                self._cancel(run_id, running)
                raise

    def _cancel(self, run_id: str, running: Future[dg.ExecuteInProcessResult]) -> None:
        """Asks the run to end, and returns once it has. Where it had not begun, its start unsays the first time."""
        while not running.done():
            run = self.instance.get_run_by_id(run_id)
            if run is not None and run.status in _UNDER_WAY:
                self.instance.report_run_canceling(run)
            wait([running], timeout=CANCEL_POLL_S)


def _reason(result: dg.ExecuteInProcessResult) -> str | None:
    """What the first step that failed says of it."""
    for event in result.all_events:
        if event.is_step_failure and (said := event.step_failure_data.user_failure_data):
            return said.description
    return None


@dataclass(slots=True)
class _Clock:
    """Tells each step with the time that it took."""

    say: Tell
    started: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def tell(self, sentence: str) -> None:
        now = time.monotonic()
        self.say(f"{sentence} ({now - self.last:.1f} s)")
        self.last = now

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started
