"""The sensor `endpoint_health`: has Dagster see what became of the gateway's endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster import AssetCheckEvaluation

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.database.gateway_endpoints import read_registry
from syncflow_pipelines.defs.cursor import KeptAsText
from syncflow_pipelines.defs.endpoint_standing import EndpointLook, look_at_endpoints
from syncflow_pipelines.defs.gateway_state import registered_endpoints, write_endpoint_state
from syncflow_pipelines.defs.names import endpoint_key
from syncflow_pipelines.defs.world import World

INTERVAL_S = 15


@dataclass(frozen=True, slots=True)
class HealthCursor(KeptAsText):
    """What the sensor remembers from tick to tick."""

    marks: Mapping[str, str] = field(default_factory=dict)
    """By asset, how its endpoint stood when it was observed last."""


def health_sensor(loaded: World) -> dg.SensorDefinition:
    """Observations of endpoints that changed, and their check, without a run.

    It also keeps the file of endpoints that were registered over the API; once that says something else, the sensor
    `catalogue_changes` has the definitions loaded anew.
    """
    known = frozenset(endpoint_key(endpoint.name) for endpoint in loaded.endpoints())

    @dg.sensor(
        name="endpoint_health",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Observes the endpoints of the gateway whose health or breaker has changed.",
    )
    def health(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with open_database(loaded.settings) as database:
            _keep_registered(database, loaded.settings)
            looks = [look for look in look_at_endpoints(database) if look.key in known]
        return _observed(looks, HealthCursor.read(context.cursor))

    return health


def _keep_registered(database: Database, settings: Settings) -> None:
    with database.connection() as connection:
        rows = read_registry(connection).rows.values()
    write_endpoint_state(settings.home, registered_endpoints(sorted(rows, key=lambda row: row.identity)))


def _observed(looks: list[EndpointLook], cursor: HealthCursor) -> dg.SensorResult:
    marks = {look.key.to_user_string(): look.mark for look in looks}
    changed = [look for look in looks if cursor.marks.get(look.key.to_user_string()) != look.mark]
    events: list[dg.AssetObservation | AssetCheckEvaluation] = []
    for look in changed:
        evaluation = look.evaluation()
        events += [look.observation(), *([evaluation] if evaluation else [])]
    return dg.SensorResult(asset_events=events, skip_reason=_told(looks, changed), cursor=HealthCursor(marks).text())


def _told(looks: Sequence[EndpointLook], changed: Sequence[EndpointLook]) -> str:
    """A tick never asks for a run; it says what it did instead."""
    if changed:
        return f"Observed: {', '.join(look.key.path[-1] for look in changed)}."
    return "No endpoint changed." if looks else "No endpoint of the gateway is known."
