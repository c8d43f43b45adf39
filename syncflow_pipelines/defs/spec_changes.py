"""The sensor `openapi_spec_changes`: looks at the specs of the services, and asks for a run where one changed."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from syncflow_pipelines.codegen.configured import settings_digest
from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.asking import Asked, asked_now
from syncflow_pipelines.defs.cursor import KeptAsText
from syncflow_pipelines.defs.names import SERVICE_TAG, spec_key
from syncflow_pipelines.defs.schemas import following_keys
from syncflow_pipelines.defs.spec_results import DATA_VERSION_TAG, SETTINGS_TAG, SPEC_TAG
from syncflow_pipelines.defs.specs import component_key, components_of_service
from syncflow_pipelines.defs.switches import Switches
from syncflow_pipelines.defs.world import World, load_world
from syncflow_pipelines.events.flags import Flag
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh

LONGEST_INTERVAL_S = 30
BUDGET_S = 40.0
"""For all services together; Dagster ends a tick after 60 s, and what was begun is finished first."""
MOST_AT_ONCE = 200
"""Services that one tick looks at; the others follow in the next."""
GRACE_S = 30.0
"""Who fetched a spec by other means than this sensor has so long to record it; `specs watch` needs a second, or some
more where everything has just been started."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run has to materialise for a service to be in step."""

    settings: Mapping[dg.AssetKey, str]
    """By asset, the digest of what the configuration says of it; empty for the spec itself."""

    def of(self, checksum: str) -> dict[dg.AssetKey, str]:
        """What each asset is of once it is in step with the spec of that checksum."""
        return {key: _made_of(checksum, digest) for key, digest in self.settings.items()}

    def state(self, checksum: str) -> str:
        """All of that in a few characters."""
        said = hashlib.sha256("".join(self.settings.values()).encode()).hexdigest()
        return f"{checksum}.{said[:8]}"


@dataclass(frozen=True, slots=True)
class SpecCursor(KeptAsText):
    """What the sensor remembers from tick to tick."""

    asked: Mapping[str, Asked] = field(default_factory=dict)
    looked: Mapping[str, float] = field(default_factory=dict)
    """When each service was looked at last, in seconds."""


def spec_sensor(loaded: World, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """As often as `watch_interval` says; one run for each service whose spec changed."""
    watch_interval = loaded.services.settings.watch_interval if loaded.services else LONGEST_INTERVAL_S

    @dg.sensor(
        name="openapi_spec_changes",
        job=job,
        minimum_interval_seconds=min(watch_interval, LONGEST_INTERVAL_S),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a run of every service whose OpenAPI document is not the one that was materialised last.",
    )
    def changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context.instance, loaded, SpecCursor.read(context.cursor), time.time())

    return changes


def _tick(instance: dg.DagsterInstance, loaded: World, cursor: SpecCursor, now: float) -> dg.SensorResult:
    world = load_world(loaded.settings)
    watched = _watched(world, loaded)
    switches = Switches(Flag.AUTO_SYNC, world.settings, [service.name for service in watched])
    if switches.are_all_off:
        return switches.skip("no spec is looked at", cursor.text())
    watched = [service for service in watched if switches.is_on(service.name)]
    due = due_services(watched, cursor.looked, _interval(world), now)
    if not due:
        told = "No service is due for a look." if world.followed else "auto_sync_services.yaml follows no service."
        return dg.SensorResult(skip_reason=told, cursor=cursor.text())
    refreshed = _looked(world, due)
    targets = {service.name: _targets(world, service) for service in due}
    seen = materialised(instance, [key for wanted in targets.values() for key in wanted.settings])
    always = world.services is not None and not world.services.settings.on_change_only
    asked = what_to_run(refreshed, targets, seen, cursor.asked, now, always=always)
    looked = {**cursor.looked, **{one.service: now for one in refreshed if one.error_type != "SyncCancelled"}}
    return dg.SensorResult(
        run_requests=[
            _request(name, run, [*targets[name].settings, *following_keys(world, service=name)])
            for name, run in asked.items()
        ],
        skip_reason=None if asked else _reason(refreshed),
        cursor=SpecCursor({**cursor.asked, **asked}, looked).text(),
    )


def _watched(world: World, loaded: World) -> list[ServiceConfig]:
    """Enabled services whose assets the loaded definitions hold."""
    known = {service.name for service in loaded.followed}
    return [service for service in world.followed if service.name in known]


def _interval(world: World) -> float:
    return float(world.services.settings.watch_interval) if world.services else LONGEST_INTERVAL_S


def due_services(
    services: Sequence[ServiceConfig], looked: Mapping[str, float], interval_s: float, now: float
) -> list[ServiceConfig]:
    """The services to look at now: those not looked at for an interval, the longest forgotten first."""
    # Ticks are some milliseconds early or late.
    due = [one for one in services if now - looked.get(one.name, 0.0) >= 0.9 * interval_s]
    return sorted(due, key=lambda one: looked.get(one.name, 0.0))[:MOST_AT_ONCE]


def _looked(world: World, due: Sequence[ServiceConfig]) -> list[Refreshed]:
    assert world.services is not None
    deadline = time.monotonic() + BUDGET_S
    with open_database(world.settings) as database:
        return refresh(
            world.services,
            world.settings,
            only=[service.name for service in due],
            database=database,
            cancelled=lambda: time.monotonic() > deadline,
        )


def _targets(world: World, service: ServiceConfig) -> Wanted:
    """The spec, and what is generated from it where that is to happen by itself."""
    assert world.services is not None
    settings, digests = world.services.settings, {spec_key(service.name): ""}
    if settings.auto_regenerate:
        for component in components_of_service(world, service):
            key = component_key(service.name, component)
            digests[key] = settings_digest(service, component, settings.generated_dir)
    return Wanted(digests)


def materialised(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, str]:
    """What each asset is of, by its last materialisation: a spec's checksum, and the settings that it was made with."""
    found: dict[dg.AssetKey, str] = {}
    for record in instance.get_asset_records(keys):
        event = record.asset_entry.last_materialization
        tags = (event.tags if event else None) or {}
        checksum = tags.get(SPEC_TAG) or tags.get(DATA_VERSION_TAG)
        if checksum:
            found[record.asset_entry.asset_key] = _made_of(checksum, tags.get(SETTINGS_TAG, ""))
    return found


def _made_of(checksum: str, settings: str) -> str:
    return f"{checksum} {settings}".rstrip()


def what_to_run(
    refreshed: Sequence[Refreshed],
    targets: Mapping[str, Wanted],
    seen: Mapping[dg.AssetKey, str],
    asked: Mapping[str, Asked],
    now: float,
    *,
    always: bool = False,
) -> dict[str, Asked]:
    """The runs to ask for, by service: where an asset is not of the spec and the settings of now, or else `always`."""
    wanted: dict[str, Asked] = {}
    for one in refreshed:
        if one.error is not None or one.checksum is None:
            continue
        target = targets[one.service]
        is_current = all(seen.get(key) == made_of for key, made_of in target.of(one.checksum).items())
        if (is_current and not always) or (not is_current and _is_being_recorded(one, now)):
            continue
        run = asked_now(asked.get(one.service), target.state(one.checksum), now, always=is_current)
        if run is not None:
            wanted[one.service] = run
    return wanted


def _is_being_recorded(one: Refreshed, now: float) -> bool:
    """Whether somebody else fetched it a moment ago."""
    return one.status == "unchanged" and one.changed_at is not None and now - one.changed_at.timestamp() < GRACE_S


def _request(service: str, run: Asked, keys: Sequence[dg.AssetKey]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{service}:{run.digest}:{run.count}",
        asset_selection=list(keys),
        tags={SERVICE_TAG: service},
    )


def _reason(refreshed: Sequence[Refreshed]) -> str:
    silent = [f"{one.service}: {one.error}" for one in refreshed if one.error is not None]
    return "; ".join(silent) or "No spec changed."
