"""The sensor `catalogue_changes`: asks the sources what they offer, and asks for a discovery where that changed.

It also keeps what depends on the catalogue state in step with it, whoever wrote it: partitions, and the
definitions that are loaded.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.asking import Asked, asked_now
from syncflow_pipelines.defs.cursor import KeptAsText
from syncflow_pipelines.defs.names import CONNECTOR_TAG, catalogue_key
from syncflow_pipelines.defs.partitions import follow_discovery
from syncflow_pipelines.defs.schemas import following_keys
from syncflow_pipelines.defs.switches import Switches
from syncflow_pipelines.defs.world import World, live_world
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.events.flags import Flag
from syncflow_pipelines.sync.entities import register_connectors
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue
from syncflow_pipelines.sync.schema.discovery import CATALOGUE_PATH
from syncflow_pipelines.transport import open_source
from syncflow_pipelines.transport.dagster_webserver import LOCATION, ask_reload

INTERVAL_S = 30
BUDGET_S = 45.0
"""For all sources together; Dagster ends a tick after 60 s."""
AT_ONCE = 8
LONGEST_WAIT_S = 20.0
"""For one answer of a source."""

_DISCOVERED = "SELECT name, catalogue_digest FROM connectors WHERE catalogue_digest IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Cursor(KeptAsText):
    """What the sensor remembers from tick to tick."""

    asked: Mapping[str, Asked] = field(default_factory=dict)
    reloaded: str = ""
    """Fingerprint of the state for which a reload was asked last; once is enough."""


def changes_sensor(loaded: World, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Twice a minute; one run for each connector whose catalogue changed."""
    fingerprint = loaded.fingerprint()

    @dg.sensor(
        name="catalogue_changes",
        job=job,
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a discovery of every connector whose catalogue is not the one that was discovered last.",
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = Cursor.read(context.cursor)
        with open_database(loaded.settings) as database:
            world = live_world(loaded.settings, database)
        follow_discovery(context.instance, world)
        if world.fingerprint() not in (fingerprint, cursor.reloaded):
            cursor = replace(cursor, reloaded=world.fingerprint())
            # Not waited for: the server that loads anew may wait for this tick to end.
            ask_reload(world.settings.dagster_url, _location(context), timeout_s=1.0)
        watched = _watched(world, loaded)
        switches = Switches(Flag.ENTITY_SYNC, world.settings, [connector.name for connector in watched])
        if switches.are_all_off:
            return switches.skip("no source is asked what it offers", cursor.text())
        watched = [connector for connector in watched if switches.is_on(connector.name)]
        offers = fetch_digests(watched, world.settings, BUDGET_S)
        asked = what_to_ask(offers, _discovered(world), cursor.asked, time.time())
        return _result(world, offers, cursor, asked)

    return changes


def _location(context: dg.SensorEvaluationContext) -> str:
    origin = context.code_location_origin
    return origin.location_name if origin else LOCATION


def _watched(world: World, loaded: World) -> list[ConnectorConfig]:
    """Enabled connectors whose catalogue asset the loaded definitions hold."""
    known = {connector.name for connector in loaded.connectors}
    return [connector for connector in world.connectors if connector.enabled and connector.name in known]


def _discovered(world: World) -> dict[str, str]:
    """Digests of the catalogues that are in use; a connector whose state was lost counts as not discovered."""
    with open_database(world.settings) as database, database.connection() as connection:
        register_connectors(connection, world.connectors)
        return {name: digest for name, digest in connection.execute(_DISCOVERED) if name in world.state}


def fetch_digests(
    connectors: Sequence[ConnectorConfig], settings: Settings, budget_s: float
) -> dict[str, str | SyncflowError]:
    """Digest of each source's catalogue, or why it could not be read within the budget."""
    deadline = time.monotonic() + budget_s

    def is_late() -> bool:
        return time.monotonic() > deadline

    def fetch(connector: ConnectorConfig) -> str | SyncflowError:
        patient = replace(connector, timeout_s=min(connector.timeout_s, LONGEST_WAIT_S))
        try:
            with open_source(patient, settings, is_late) as source:
                return source.get(CATALOGUE_PATH, validate=parse_catalogue).body.digest
        except SyncflowError as error:
            return error

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="syncflow-catalogue") as pool:
        return dict(zip([connector.name for connector in connectors], pool.map(fetch, connectors), strict=True))


def what_to_ask(
    offers: Mapping[str, str | SyncflowError],
    discovered: Mapping[str, str],
    asked: Mapping[str, Asked],
    now: float,
) -> dict[str, Asked]:
    """The discoveries to ask for now, by connector."""
    wanted: dict[str, Asked] = {}
    for connector, digest in offers.items():
        if isinstance(digest, SyncflowError) or digest == discovered.get(connector):
            continue
        run = asked_now(asked.get(connector), digest, now)
        if run is not None:
            wanted[connector] = run
    return wanted


def _result(
    world: World, offers: Mapping[str, str | SyncflowError], cursor: Cursor, asked: Mapping[str, Asked]
) -> dg.SensorResult:
    silent = [f"{name}: {offer}" for name, offer in offers.items() if isinstance(offer, SyncflowError)]
    reason = "; ".join(silent) or "No catalogue changed."
    return dg.SensorResult(
        run_requests=[_request(world, connector, request) for connector, request in asked.items()],
        skip_reason=None if asked else reason,
        cursor=replace(cursor, asked={**cursor.asked, **asked}).text(),
    )


def _request(world: World, connector: str, asked: Asked) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{connector}:{asked.digest}:{asked.count}",
        asset_selection=[catalogue_key(connector), *following_keys(world, connector=connector)],
        tags={CONNECTOR_TAG: connector},
    )
