"""How the gateway's endpoints stand, in Dagster's words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg
from dagster import AssetCheckEvaluation, AssetCheckSeverity

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.gateway_health import BreakerRow, HealthRow, breaker_rows, health_rows
from syncflow_pipelines.defs.names import endpoint_key

REACHABLE: Final = "reachable"

_WORST: Final = ("open", "half_open", "closed")


@dataclass(frozen=True, slots=True)
class EndpointLook:
    """What the tables say of the current version of an endpoint."""

    key: dg.AssetKey
    row: HealthRow | None
    """None where no process of the gateway knows it."""
    breakers: Sequence[BreakerRow] = ()
    """In every process that it had requests in."""

    @classmethod
    def of_nobody(cls, key: dg.AssetKey) -> "EndpointLook":
        return cls(key, None)

    @property
    def breaker(self) -> str | None:
        """The worst state of its breakers; None where it had no requests."""
        states = {breaker.state for breaker in self.breakers}
        return next((state for state in _WORST if state in states), None)

    @property
    def mark(self) -> str:
        """Another one whenever something has changed that is worth an observation."""
        revision = self.row.revision if self.row else 0
        return f"{revision} {self.breaker or ''}".rstrip()

    def observation(self) -> dg.AssetObservation:
        return dg.AssetObservation(self.key, description=self._told(), metadata=self._metadata())

    def evaluation(self) -> AssetCheckEvaluation | None:
        """The check `reachable`; None where nothing is known that could decide it."""
        if not self._is_known:
            return None
        return AssetCheckEvaluation(
            asset_key=self.key,
            check_name=REACHABLE,
            passed=self._is_reachable,
            severity=AssetCheckSeverity.ERROR,
            description=self._told(),
            metadata=self._metadata(),
        )

    def result(self) -> dg.AssetCheckResult:
        """The same for a run that selected the check; where nothing is known, it warns of that."""
        return dg.AssetCheckResult(
            asset_key=self.key,
            check_name=REACHABLE,
            passed=self._is_known and self._is_reachable,
            severity=AssetCheckSeverity.ERROR if self._is_known else AssetCheckSeverity.WARN,
            description=self._told(),
            metadata=self._metadata(),
        )

    @property
    def _is_known(self) -> bool:
        health = self.row.health if self.row else "unknown"
        return health in ("healthy", "unhealthy") or (health != "disabled" and self.breaker is not None)

    @property
    def _is_reachable(self) -> bool:
        return (self.row is None or self.row.health != "unhealthy") and self.breaker in ("closed", None)

    def _told(self) -> str:
        if self.row is None:
            return "no process of the gateway has checked it; `syncflow serve` starts one"
        why = f": {self.row.last_error}" if self.row.last_error else ""
        counts = Counter(breaker.state for breaker in self.breakers)
        breakers = ", ".join(f"{state.replace('_', ' ')} in {counts[state]}" for state in _WORST if counts[state])
        return f"{self.row.health}{why}" + (
            f"; breaker {breakers} of {len(self.breakers)} processes" if breakers else ""
        )

    def _metadata(self) -> Mapping[str, Any]:
        row = self.row
        if row is None:
            return {}
        return {
            "health": row.health,
            "version": row.version,
            "since": dg.MetadataValue.timestamp(row.since),
            "checks_in_a_row": row.consecutive,
            "breaker": self.breaker or "no requests",
            **({"latency_ms": round(row.latency_ms, 3)} if row.latency_ms is not None else {}),
            **({"last_error": row.last_error} if row.last_error else {}),
            **({"last_checked": dg.MetadataValue.timestamp(row.last_checked_at)} if row.last_checked_at else {}),
        }


def look_at_endpoints(database: Database) -> list[EndpointLook]:
    """How the current version of every endpoint stands."""
    with database.connection() as connection:
        rows, breakers = health_rows(connection), breaker_rows(connection)
    return [
        EndpointLook(endpoint_key(row.name), row, tuple(one for one in breakers if one.key == row.key))
        for row in rows
        if row.is_current
    ]
