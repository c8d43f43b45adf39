"""Discovery: a source's catalogue → known entities, their tables, and the catalogue state on disk.

Entities are taken one by one, each in its own transaction, so that one that cannot be used never stops
the others. Nothing is ever dropped: an entity that has gone is marked, a column that has gone is kept.
"""

import hashlib
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SchemaRefused, TableInUse
from syncflow_pipelines.sync.choices import settled
from syncflow_pipelines.sync.entities import (
    EntityRecord,
    configured,
    connector_uid,
    list_entities,
    mark_gone,
    mark_refused,
    overridden,
    register_connector,
    save_entity,
    table_owner,
)
from syncflow_pipelines.sync.model import (
    Catalogue,
    DiscoveryReport,
    Entity,
    EntityChoices,
    EntitySpec,
    Finding,
    SchemaChange,
    Strategy,
    Table,
)
from syncflow_pipelines.sync.refusals import may_pass, said_by
from syncflow_pipelines.sync.runs import try_lock, unlock
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue
from syncflow_pipelines.sync.schema.entity_changes import (
    asks_for_every_row,
    dropped,
    gone,
    identifiers_of,
    in_known_order,
    is_same,
    keeping_types,
    lifecycle,
    refuse_great_losses,
)
from syncflow_pipelines.sync.schema.identifiers import identifier
from syncflow_pipelines.sync.schema.schema_changes import dropped_columns, record_change, record_refusal
from syncflow_pipelines.sync.schema.table_plans import TablePlan, plan_table
from syncflow_pipelines.sync.schema.tables import apply_plan, changes_of
from syncflow_pipelines.sync.state import not_servable, write_catalogue_state
from syncflow_pipelines.transport import open_source

CATALOGUE_PATH = "/api/v1/apis"

_LOG = logging.getLogger(__name__)

_ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtextextended('syncflow discovery ' || %s, 0))"
# Two connectors may want the same table.
_ONE_TABLE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('syncflow tables', 0))"
# For rows of SyncFlow's own tables; the entity's is waited for as `table_locks` says.
_WAIT_FOR_LOCKS = "SET LOCAL lock_timeout = '10s'"
_WRITE_NOTHING = "SET default_transaction_read_only = on"
_REMEMBER = "UPDATE connectors SET catalogue_digest = %s, catalogue_at = now() WHERE name = %s"


def fetch_catalogue(connector: ConnectorConfig, settings: Settings) -> Catalogue:
    """What the source offers right now; touches nothing of ours. Raises `SourceError`, `ConfigurationError`."""
    with open_source(connector, settings) as source:
        return source.get(CATALOGUE_PATH, validate=parse_catalogue).body


def discover(
    db: Database,
    connector: ConnectorConfig,
    settings: Settings,
    *,
    dry_run: bool = False,
    accept_gone: bool = False,
) -> DiscoveryReport:
    """Takes over what the source offers; with `dry_run`, only tells what it would do.

    A dry run writes nothing, locks nothing, and cannot foresee what PostgreSQL alone knows it will refuse.

    Raises `SourceError` or `ConfigurationError`, and then everything stands as it was. One of them is
    `SuspiciousCatalogue`, for a catalogue that lost all of its entities, or most of many; `accept_gone` believes it.
    """
    started = time.monotonic()
    with db.dedicated("syncflow discovery") as connection:
        connection.execute(*((_WRITE_NOTHING,) if dry_run else (_ONE_AT_A_TIME, (connector.name,))))
        # Asked for under the lock, so that an older catalogue never comes after a newer one.
        catalogue = fetch_catalogue(connector, settings)
        work = _Discovery(connection, connector, catalogue, dry_run)
        work.run(accept_gone)
        if not dry_run:
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
    dry_run: bool
    known: Mapping[str, Entity] = field(default_factory=dict)
    claimed: dict[Table, tuple[str, str]] = field(default_factory=dict)
    """Tables that entities got in this discovery, with connector and slug; a dry run writes them nowhere else."""
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    changes: list[SchemaChange] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)
    """Entities that could not be followed just now, so that the catalogue is not taken over yet."""

    def run(self, accept_gone: bool) -> None:
        known = list_entities(self.connection, connector=self.connector.name)
        lost = gone(known, self.catalogue)
        if not accept_gone:
            refuse_great_losses(self.connector.name, known, lost)
        self.findings += self.catalogue.findings
        self._register(known)
        for spec in self.catalogue.entities:
            self._take(spec)
        self._mark_gone(lost)

    def report(self, seconds: float) -> DiscoveryReport:
        return DiscoveryReport(
            connector=self.connector.name,
            digest=self.catalogue.digest,
            entities=tuple(sorted(spec.slug for spec in self.catalogue.entities if self._is_in_use(spec.slug))),
            added=tuple(self.added),
            changed=tuple(dict.fromkeys(self.changed)),
            gone=tuple(self.gone),
            refused=dict(self.refused),
            findings=tuple(self.findings),
            changes=tuple(self.changes),
            seconds=seconds,
        )

    def _is_in_use(self, slug: str) -> bool:
        return slug in self.known or slug in self.added

    def _register(self, known: Sequence[Entity]) -> None:
        """Brings the known entities in step with the configuration."""
        if self.dry_run:
            changes = overridden(self.connector, known)
        else:
            with self.connection.transaction():
                changes = register_connector(self.connection, self.connector)
        self.known = {entity.spec.slug: configured(self.connector, entity) for entity in known}
        self.changes += changes
        self.changed += [change.entity for change in changes]

    def _take(self, spec: EntitySpec) -> None:
        """Takes one entity over; what goes wrong with it stays with it."""
        entity = self.known.get(spec.slug)
        try:
            if entity is None:
                with self.connection.transaction():
                    self._add(spec)
            else:
                self._renew(entity, in_known_order(spec, entity.spec))
        except SchemaRefused as refusal:
            self._refuse(spec, entity, str(refusal))
        except TableInUse as busy:
            self._postpone(spec, str(busy))
        except psycopg.Error as failure:
            if self.connection.broken:
                raise
            reason = said_by(failure)
            if may_pass(failure):
                self._postpone(spec, f"cannot be followed just now, PostgreSQL says: {reason}; discover again")
            else:
                self._refuse(spec, entity, f"PostgreSQL refuses its table: {reason}")

    def _refuse(self, spec: EntitySpec, entity: Entity | None, reason: str) -> None:
        _LOG.warning("%s/%s: %s", self.connector.name, spec.slug, reason)
        self.refused[spec.slug] = reason
        if entity is None:
            self.findings.append(Finding("error", spec.slug, reason))
        elif not self.dry_run:
            mark_refused(self.connection, entity.uid, reason)

    def _postpone(self, spec: EntitySpec, reason: str) -> None:
        self.findings.append(Finding("warning", spec.slug, reason))
        self.postponed.append(spec.slug)

    def _add(self, spec: EntitySpec) -> None:
        self.connection.execute(_ONE_TABLE_AT_A_TIME)
        record = self._record(spec, self._free_table(spec), EntityChoices())
        self._check_strategy(spec, record.strategy)
        plan = self._plan(record)
        changes = [SchemaChange("entity_added", spec.slug, after=str(record.table))]
        if not self.dry_run:
            self.connection.execute(_WAIT_FOR_LOCKS)
            altered = apply_plan(self.connection, spec, plan)
            kept = keeping_types(record, self._keep_refusals(spec.slug, (*plan.refused, *altered.refused)))
            save_entity(self.connection, connector_uid(self.connection, self.connector.name), kept, is_new=True)
        self._note(changes)
        self.added.append(spec.slug)
        self.claimed[record.table] = (self.connector.name, spec.slug)

    def _renew(self, entity: Entity, spec: EntitySpec) -> None:
        """Follows what changed of an entity that is known, unless a sync holds it just now."""
        record = self._record(spec, self._table_of(entity), entity.choices)
        self._check_strategy(spec, record.strategy)
        plan = self._plan(record, entity)
        if plan.is_empty and is_same(entity, keeping_types(record, plan.refused)):
            return
        if self.dry_run:
            self._tell(entity, keeping_types(record, plan.refused), changes_of(spec, plan))
            return
        if not try_lock(self.connection, entity.uid):
            self._postpone(spec, "is being synced just now; its columns follow at the next discovery")
            return
        try:
            # Committed before the lock is given back: the next sync must not work by the columns of before.
            with self.connection.transaction():
                self._follow(entity, record, plan)
        finally:
            if not self.connection.closed:
                unlock(self.connection, entity.uid)

    def _follow(self, entity: Entity, record: EntityRecord, plan: TablePlan) -> None:
        self.connection.execute(_WAIT_FOR_LOCKS)
        altered = apply_plan(self.connection, record.spec, plan)
        record = keeping_types(record, self._keep_refusals(record.spec.slug, (*plan.refused, *altered.refused)))
        if not (plan.create or plan.relax or altered.changes) and is_same(entity, record):
            return
        refill = plan.create or bool(altered.changes) or asks_for_every_row(entity, record)
        owner = connector_uid(self.connection, self.connector.name)
        save_entity(self.connection, owner, replace(record, refill=refill), is_new=False)
        self._tell(entity, record, altered.changes)

    def _tell(self, entity: Entity, record: EntityRecord, changes: Sequence[SchemaChange]) -> None:
        self._note([*lifecycle(entity, record), *changes, *dropped(entity, record.spec)])
        self.changed.append(record.spec.slug)
        self.claimed[record.table] = (self.connector.name, record.spec.slug)

    def _plan(self, record: EntityRecord, entity: Entity | None = None) -> TablePlan:
        """What has to be done to the entity's table, which may be there from an earlier state.

        Raises `SchemaRefused` where rows could not be kept. What is merely not followed is noted.
        """
        spec, table = record.spec, record.table
        before = entity.spec if entity is not None and entity.table == table else None
        earlier: Collection[str] = ()
        if before is not None and not identifiers_of(spec) <= identifiers_of(before):
            earlier = dropped_columns(self.connection, self.connector.name, spec.slug)
        plan = plan_table(self.connection, spec, table, before=before, earlier=earlier)
        self._keep_refusals(spec.slug, plan.refused)
        if plan.blocks:
            raise SchemaRefused(self.refused[spec.slug])
        return plan

    def _record(self, spec: EntitySpec, table: Table, choices: EntityChoices) -> EntityRecord:
        wanted = settled(self.connector, spec, choices)
        return EntityRecord(spec, table, wanted.strategy, wanted.enabled, wanted.interval_s)

    def _check_strategy(self, spec: EntitySpec, strategy: Strategy) -> None:
        if not spec.can_be_synced_by(strategy):
            raise SchemaRefused(not_servable(f"{self.connector.name}/{spec.slug}"))

    def _wanted_table(self, spec: EntitySpec) -> Table:
        wanted = self.connector.entity(spec.slug)
        return Table(identifier(wanted.target_schema), identifier(wanted.target_table or spec.slug))

    def _free_table(self, spec: EntitySpec) -> Table:
        """The entity's table; where another entity has that name, one with a digest behind it."""
        table = self._wanted_table(spec)
        owner = self.claimed.get(table) or table_owner(self.connection, table)
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

    def _mark_gone(self, lost: Sequence[Entity]) -> None:
        for entity in lost:
            with self.connection.transaction():
                if not self.dry_run:
                    mark_gone(self.connection, entity.uid)
                self._note([SchemaChange("entity_gone", entity.spec.slug, before=str(entity.table))])
            self.gone.append(entity.spec.slug)

    def _note(self, changes: Sequence[SchemaChange]) -> None:
        self.changes += changes
        for change in () if self.dry_run else changes:
            record_change(self.connection, self.connector.name, change)

    def _keep_refusals(self, slug: str, refusals: Sequence[SchemaChange]) -> Sequence[SchemaChange]:
        """Tells each refusal once, and records those that do not stand there from an earlier discovery."""
        for refusal in refusals:
            if refusal not in self.changes:
                self.changes.append(refusal)
                if not self.dry_run:
                    record_refusal(self.connection, self.connector.name, refusal)
        if refusals:
            self.refused[slug] = "; ".join(refusal.message for refusal in refusals)
        return refusals
