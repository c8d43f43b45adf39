"""Discovery: a source's catalogue → known entities, their tables, and the catalogue state on disk.

Entities are taken one by one, each in its own transaction, so that one that cannot be used never stops
the others. Nothing is ever dropped: an entity that has gone is marked, a column that has gone is kept.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.catalogue import parse_catalogue
from syncflow_pipelines.sync.entities import (
    EntityRecord,
    connector_uid,
    list_entities,
    mark_gone,
    mark_refused,
    register_connector,
    save_entity,
    table_owner,
)
from syncflow_pipelines.sync.identifiers import identifier
from syncflow_pipelines.sync.model import (
    Catalogue,
    Column,
    DiscoveryReport,
    Entity,
    EntitySpec,
    Finding,
    SchemaChange,
    Strategy,
    Table,
)
from syncflow_pipelines.sync.refusals import said_by
from syncflow_pipelines.sync.runs import try_lock, unlock
from syncflow_pipelines.sync.state import write_catalogue_state
from syncflow_pipelines.sync.tables import TablePlan, apply_plan, plan_table, relax_keys
from syncflow_pipelines.transport import open_source

CATALOGUE_PATH = "/api/v1/apis"

_LOG = logging.getLogger(__name__)

_RECORD_CHANGE = """
INSERT INTO schema_changes (connector_uid, slug, kind, column_name, before_type, after_type, applied, message)
VALUES ((SELECT uid FROM connectors WHERE name = %s), %s, %s, %s, %s, %s, %s, %s)
"""
_KNOWN_REFUSAL = """
SELECT 1 FROM schema_changes WHERE connector_uid = (SELECT uid FROM connectors WHERE name = %s) AND slug = %s
AND kind = %s AND column_name IS NOT DISTINCT FROM %s AND after_type IS NOT DISTINCT FROM %s AND NOT applied LIMIT 1
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtextextended('syncflow discovery ' || %s, 0))"
# Two connectors may want the same table.
_ONE_TABLE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow tables', 0))"
# Whoever waits to alter a table makes everybody wait who wants to read it.
_WAIT_FOR_LOCKS = "SET LOCAL lock_timeout = '10s'"
_PASSING = ("08", "40", "53", "55P03", "57", "58")
"""SQLSTATEs of what may be over the next time: connection, deadlock, resources, lock, shutdown, system."""
_REMEMBER = "UPDATE connectors SET catalogue_digest = %s, catalogue_at = now() WHERE name = %s"


def fetch_catalogue(connector: ConnectorConfig, settings: Settings) -> Catalogue:
    """What the source offers right now; touches nothing of ours. Raises `SourceError`, `ConfigurationError`."""
    with open_source(connector, settings) as source:
        return source.get(CATALOGUE_PATH, validate=parse_catalogue).body


def discover(db: Database, connector: ConnectorConfig, settings: Settings, *, dry_run: bool = False) -> DiscoveryReport:
    """Takes over what the source offers; with `dry_run`, only tells what it would do.

    A dry run does everything and takes it back, so it holds the same locks on tables for a moment.

    Raises `SourceError` or `ConfigurationError`, and then everything stands as it was.
    """
    started = time.monotonic()
    with db.dedicated("syncflow discovery") as connection:
        connection.execute(_ONE_AT_A_TIME, (connector.name,))
        # Asked for under the lock, so that an older catalogue never comes after a newer one.
        catalogue = fetch_catalogue(connector, settings)
        if dry_run:
            connection.autocommit = False
        work = _Discovery(connection, connector, catalogue)
        work.run()
        if dry_run:
            connection.rollback()
        else:
            write_catalogue_state(settings.home, connector.name, list_entities(connection, connector=connector.name))
            if not work.postponed:
                # Last, so that a discovery that ends before is asked for again.
                connection.execute(_REMEMBER, (catalogue.digest, connector.name))
    return work.report(time.monotonic() - started)


@dataclass(slots=True)
class _Discovery:
    connection: psycopg.Connection
    connector: ConnectorConfig
    catalogue: Catalogue
    known: Mapping[str, Entity] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    changes: list[SchemaChange] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)
    """Entities that could not be followed just now, so that the catalogue is not taken over yet."""

    def run(self) -> None:
        self.findings += self.catalogue.findings
        register_connector(self.connection, self.connector)
        self.known = {e.spec.slug: e for e in list_entities(self.connection, connector=self.connector.name)}
        for spec in self.catalogue.entities:
            self._take(spec)
        self._mark_gone()

    def report(self, seconds: float) -> DiscoveryReport:
        return DiscoveryReport(
            connector=self.connector.name,
            digest=self.catalogue.digest,
            entities=tuple(sorted(spec.slug for spec in self.catalogue.entities if self._is_in_use(spec.slug))),
            added=tuple(self.added),
            changed=tuple(self.changed),
            gone=tuple(self.gone),
            refused=dict(self.refused),
            findings=tuple(self.findings),
            changes=tuple(self.changes),
            seconds=seconds,
        )

    def _is_in_use(self, slug: str) -> bool:
        return slug in self.known or slug in self.added

    def _take(self, spec: EntitySpec) -> None:
        """Takes one entity over; what goes wrong with it stays with it."""
        entity = self.known.get(spec.slug)
        try:
            if entity is None:
                with self.connection.transaction():
                    self._add(spec)
            else:
                self._renew(entity, _in_known_order(spec, entity.spec))
        except SchemaRefused as refusal:
            self._refuse(spec, entity, str(refusal))
        except psycopg.Error as failure:
            if self.connection.broken:
                raise
            reason = said_by(failure)
            if (failure.sqlstate or "").startswith(_PASSING):
                self._postpone(spec, f"cannot be followed just now, PostgreSQL says: {reason}; discover again")
            else:
                self._refuse(spec, entity, f"PostgreSQL refuses its table: {reason}")

    def _refuse(self, spec: EntitySpec, entity: Entity | None, reason: str) -> None:
        _LOG.warning("%s/%s: %s", self.connector.name, spec.slug, reason)
        self.refused[spec.slug] = reason
        if entity is None:
            self.findings.append(Finding("error", spec.slug, reason))
        else:
            mark_refused(self.connection, entity.uid, reason)

    def _postpone(self, spec: EntitySpec, reason: str) -> None:
        self.findings.append(Finding("warning", spec.slug, reason))
        self.postponed.append(spec.slug)

    def _add(self, spec: EntitySpec) -> None:
        self.connection.execute(_ONE_TABLE_AT_A_TIME)
        record = self._record(spec, self._free_table(spec))
        self._check_strategy(spec, record.strategy)
        plan = self._plan(spec, record.table)
        kept = _keeping_refused_types(record, plan)
        apply_plan(self.connection, kept.spec, plan)
        save_entity(self.connection, connector_uid(self.connection, self.connector.name), kept, is_new=True)
        self._note(SchemaChange("entity_added", spec.slug, after=str(record.table)))
        self.added.append(spec.slug)

    def _renew(self, entity: Entity, spec: EntitySpec) -> None:
        """Follows what changed of an entity that is known, unless a sync holds it just now."""
        record = self._record(spec, self._table_of(entity))
        self._check_strategy(spec, record.strategy)
        plan = self._plan(spec, record.table)
        kept = _keeping_refused_types(record, plan)
        if plan.is_empty and _same(entity, kept):
            return
        if not try_lock(self.connection, entity.uid):
            self._postpone(spec, "is being synced just now; its columns follow at the next discovery")
            return
        try:
            # Committed before the lock is given back: the next sync must not work by the columns of before.
            with self.connection.transaction():
                self._follow(entity, kept, plan)
        finally:
            if not self.connection.closed:
                unlock(self.connection, entity.uid)

    def _follow(self, entity: Entity, record: EntityRecord, plan: TablePlan) -> None:
        spec = record.spec
        self.connection.execute(_WAIT_FOR_LOCKS)
        changes = [
            *_lifecycle(entity, record),
            *apply_plan(self.connection, spec, plan),
            *_dropped(entity, spec),
        ]
        relax_keys(self.connection, record.table, set(entity.spec.business_keys) - set(spec.business_keys))
        owner = connector_uid(self.connection, self.connector.name)
        refill = plan.refills or record.table != entity.table or _asks_for_every_row(entity.spec, spec)
        save_entity(self.connection, owner, replace(record, refill=refill), is_new=False)
        for change in changes:
            self._note(change)
        self.changed.append(spec.slug)

    def _plan(self, spec: EntitySpec, table: Table) -> TablePlan:
        """What has to be done to the entity's table, which may be there from an earlier state.

        Raises `SchemaRefused` where rows could not be kept. What is merely not followed is noted.
        """
        plan = plan_table(self.connection, spec, table)
        for change in plan.refused:
            self._note_once(change)
        reason = "; ".join(change.message for change in plan.refused)
        if plan.blocks:
            raise SchemaRefused(reason)
        if reason:
            self.refused[spec.slug] = reason
        return plan

    def _record(self, spec: EntitySpec, table: Table) -> EntityRecord:
        wanted = self.connector.entity(spec.slug)
        return EntityRecord(spec, table, wanted.strategy or spec.strategy, wanted.enabled, wanted.interval_s)

    def _check_strategy(self, spec: EntitySpec, strategy: Strategy) -> None:
        if not spec.can_be_synced_by(strategy):
            raise SchemaRefused(
                f"{self.connector.name}/{spec.slug} is set to the strategy rowversion, but the source gives it no row "
                "versions; set hash or full"
            )

    def _wanted_table(self, spec: EntitySpec) -> Table:
        wanted = self.connector.entity(spec.slug)
        return Table(identifier(wanted.target_schema), identifier(wanted.target_table or spec.slug))

    def _free_table(self, spec: EntitySpec) -> Table:
        """The entity's table; where another entity has that name, one with a digest behind it."""
        table = self._wanted_table(spec)
        owner = table_owner(self.connection, table)
        if owner is None:
            return table
        if self.connector.entity(spec.slug).target_table:
            raise SchemaRefused(
                f"target_table {table} of {self.connector.name}/{spec.slug} belongs to {owner[0]}/{owner[1]} already; "
                "two entities never share a table, so give it another name"
            )
        digest = hashlib.sha256(f"{self.connector.name}/{spec.slug}".encode()).hexdigest()[:8]
        return Table(table.schema, identifier(f"{table.name[:40]}_{digest}"))

    def _table_of(self, entity: Entity) -> Table:
        """The table of a known entity: the one it has, unless the configuration names another."""
        if self.connector.entity(entity.spec.slug).target_table is None:
            wanted = self._wanted_table(entity.spec)
            if wanted.schema == entity.table.schema:
                return entity.table
        elif self._wanted_table(entity.spec) == entity.table:
            return entity.table
        return self._free_table(entity.spec)

    def _mark_gone(self) -> None:
        offered = {spec.slug for spec in self.catalogue.entities}
        unreadable = {finding.entity for finding in self.catalogue.findings if finding.severity == "error"}
        if None in unreadable:
            return  # an entry without a name may be any of them
        for slug, entity in self.known.items():
            if slug in offered or slug in unreadable or not entity.is_present:
                continue
            with self.connection.transaction():
                mark_gone(self.connection, entity.uid)
                self._note(SchemaChange("entity_gone", slug, before=str(entity.table)))
            self.gone.append(slug)

    def _note(self, change: SchemaChange) -> None:
        self.changes.append(change)
        values = (change.entity, change.kind, change.column, change.before, change.after, change.applied)
        self.connection.execute(_RECORD_CHANGE, (self.connector.name, *values, change.message or None))

    def _note_once(self, change: SchemaChange) -> None:
        """Records a refusal, unless the same one stands there from an earlier discovery."""
        key = (self.connector.name, change.entity, change.kind, change.column, change.after)
        if self.connection.execute(_KNOWN_REFUSAL, key).fetchone() is None:
            self._note(change)
        else:
            self.changes.append(change)


def _same(entity: Entity, record: EntityRecord) -> bool:
    return entity.is_present and entity.schema_error is None and (
        entity.spec, entity.table, entity.strategy, entity.enabled, entity.interval_s
    ) == (record.spec, record.table, record.strategy, record.enabled, record.interval_s)  # fmt: skip


def _keeping_refused_types(record: EntityRecord, plan: TablePlan) -> EntityRecord:
    """The record with the types that the table has, where following the source would narrow them."""
    kept = {change.column for change in plan.refused}
    columns = tuple(
        replace(column, pg_type=plan.existing[column.identifier]) if column.identifier in kept else column
        for column in record.spec.columns
    )
    return replace(record, spec=replace(record.spec, columns=columns))


def _in_known_order(spec: EntitySpec, known: EntitySpec) -> EntitySpec:
    """The entity with its columns in the order that they are known in: it means nothing, but rows are hashed by it."""
    places = {column.identifier: place for place, column in enumerate(known.columns)}
    columns = sorted(spec.columns, key=lambda column: places.get(column.identifier, len(places)))
    return replace(spec, columns=tuple(columns))


def _asks_for_every_row(before: EntitySpec, after: EntitySpec) -> bool:
    """Whether rows that did not change may come out otherwise: other keys, new columns, values that were refused."""
    return before.business_keys != after.business_keys or not _meanings(after) <= _meanings(before)


def _meanings(spec: EntitySpec) -> set[Column]:
    """The columns, whatever is said about them for people."""
    return {replace(column, description=None) for column in spec.columns}


def _lifecycle(entity: Entity, record: EntityRecord) -> list[SchemaChange]:
    slug, changes = entity.spec.slug, []
    if not entity.is_present:
        changes.append(SchemaChange("entity_returned", slug, after=str(record.table)))
    if entity.strategy != record.strategy:
        changes.append(SchemaChange("strategy_changed", slug, before=entity.strategy, after=record.strategy))
    return changes


def _dropped(entity: Entity, spec: EntitySpec) -> list[SchemaChange]:
    """Columns that the source no longer has; their values stay in the table."""
    offered = {column.identifier for column in spec.columns}
    return [
        SchemaChange("column_dropped", spec.slug, column.identifier, column.pg_type, None, True, "kept in the table")
        for column in entity.spec.columns
        if column.identifier not in offered
    ]
