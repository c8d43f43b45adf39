"""The three asset checks of an entity.

Scheduled runs record them without selecting them, which saves Dagster's planning of each: see decision 11.
"""

from dataclasses import dataclass

import dagster as dg
from dagster import AssetCheckEvaluation, AssetCheckKey, AssetCheckSeverity

from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.checks import drift, duplicate_keys
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.rejects.record import count_rejects

REJECTS = "rejects"
SCHEMA_DRIFT = "schema_drift"
BUSINESS_KEY_UNIQUE = "business_key_unique"

_HAS_TABLE = "SELECT to_regclass(quote_ident(%s) || '.' || quote_ident(%s)) IS NOT NULL"

_DESCRIPTIONS = {
    REJECTS: "No row of the source waits in the rejected rows.",
    SCHEMA_DRIFT: "The table has the columns and types that the source's catalogue asks for.",
    BUSINESS_KEY_UNIQUE: "No two live rows have the same business key.",
}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check of one entity came to."""

    key: AssetCheckKey
    passed: bool
    severity: AssetCheckSeverity
    description: str
    count: int
    """How many things are wrong."""

    def result(self) -> dg.AssetCheckResult:
        """For a check that the run selected."""
        return dg.AssetCheckResult(
            asset_key=self.key.asset_key,
            check_name=self.key.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata={"count": self.count},
        )

    def evaluation(self) -> AssetCheckEvaluation:
        """For a check that the run did not select."""
        return AssetCheckEvaluation(
            asset_key=self.key.asset_key,
            check_name=self.key.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata={"count": self.count},
        )


def check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of an entity's asset."""
    return [dg.AssetCheckSpec(name, asset=key, description=text) for name, text in _DESCRIPTIONS.items()]


def evaluate(database: Database, connector: str, slug: str) -> list[CheckOutcome]:
    """The checks, as the table stands now: two without a table, none where the entity is not known any more."""
    key = entity_key(connector, slug)
    with database.connection() as connection:
        try:
            entity = find_entity(connection, connector, slug)
        except UnknownEntity:
            return []
        outcomes = [
            _rejects(key, entity.key, count_rejects(connection, entity.uid)),
            _drift(key, drift(connection, entity)),
        ]
        has_table = connection.execute(_HAS_TABLE, (entity.table.schema, entity.table.name)).fetchone()
        if has_table == (True,):
            outcomes.append(_duplicates(key, duplicate_keys(connection, entity)))
        return outcomes


def _rejects(key: dg.AssetKey, name: str, count: int) -> CheckOutcome:
    said = f"{count} rows were rejected; `syncflow rejects list {name}` shows why" if count else "no row is rejected"
    return CheckOutcome(AssetCheckKey(key, REJECTS), count == 0, AssetCheckSeverity.WARN, said, count)


def _drift(key: dg.AssetKey, differences: tuple[str, ...]) -> CheckOutcome:
    said = "; ".join(differences) or "the table is as the catalogue says"
    check = AssetCheckKey(key, SCHEMA_DRIFT)
    return CheckOutcome(check, not differences, AssetCheckSeverity.ERROR, said, len(differences))


def _duplicates(key: dg.AssetKey, count: int) -> CheckOutcome:
    said = f"{count} business keys stand in more than one live row" if count else "every business key is unique"
    return CheckOutcome(AssetCheckKey(key, BUSINESS_KEY_UNIQUE), count == 0, AssetCheckSeverity.ERROR, said, count)
