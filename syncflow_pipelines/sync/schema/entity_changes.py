"""How an entity differs from what was known of it; nothing is read or written."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from syncflow_pipelines.errors import SuspiciousCatalogue
from syncflow_pipelines.sync.entities import EntityRecord
from syncflow_pipelines.sync.model import Catalogue, Column, Entity, EntitySpec, SchemaChange

MANY_ENTITIES = 10
"""From so many known entities on, a catalogue that lost more than half of them is not believed."""

_SHOWN = 5
"""Entities that a sentence names."""


def is_same(entity: Entity, record: EntityRecord) -> bool:
    """Whether nothing of the entity has to be written."""
    return entity.is_present and entity.schema_error is None and (
        entity.spec, entity.table, entity.strategy, entity.enabled, entity.interval_s
    ) == (record.spec, record.table, record.strategy, record.enabled, record.interval_s)  # fmt: skip


def keeping_types(record: EntityRecord, refused: Sequence[SchemaChange]) -> EntityRecord:
    """The record with the types that the table has, where it does not follow the source."""
    kept = {change.column: change.before for change in refused if change.kind == "column_refused"}
    columns = tuple(
        replace(column, pg_type=kept.get(column.identifier) or column.pg_type) for column in record.spec.columns
    )
    return replace(record, spec=replace(record.spec, columns=columns))


def in_known_order(spec: EntitySpec, known: EntitySpec) -> EntitySpec:
    """The entity with its columns in the order that they are known in: it means nothing, but rows are hashed by it."""
    places = {column.identifier: place for place, column in enumerate(known.columns)}
    columns = sorted(spec.columns, key=lambda column: places.get(column.identifier, len(places)))
    return replace(spec, columns=tuple(columns))


def identifiers_of(spec: EntitySpec) -> set[str]:
    """The names of the entity's columns in PostgreSQL."""
    return {column.identifier for column in spec.columns}


def asks_for_every_row(before: Entity, after: EntityRecord) -> bool:
    """Whether rows that did not change may come out otherwise, or cannot be told from those that did.

    That is with another table, other keys, new columns, values that were refused so far, and row versions of another
    kind; an entity that was gone may have begun to count anew.
    """
    old, new = before.spec, after.spec
    same = (before.table, old.business_keys, old.rowversion_column) == (
        after.table, new.business_keys, new.rowversion_column
    )  # fmt: skip
    return not (same and before.is_present and _meanings(new) <= _meanings(old))


def _meanings(spec: EntitySpec) -> set[Column]:
    """The columns, whatever is said about them for people."""
    return {replace(column, description=None) for column in spec.columns}


def lifecycle(entity: Entity, record: EntityRecord) -> list[SchemaChange]:
    """That the entity returned, or has another strategy."""
    slug, changes = entity.spec.slug, []
    if not entity.is_present:
        changes.append(SchemaChange("entity_returned", slug, after=str(record.table)))
    if entity.strategy != record.strategy:
        changes.append(SchemaChange("strategy_changed", slug, before=entity.strategy, after=record.strategy))
    return changes


def dropped(entity: Entity, spec: EntitySpec) -> list[SchemaChange]:
    """Columns that the source no longer has; their values stay in the table."""
    offered = {column.identifier for column in spec.columns}
    return [
        SchemaChange("column_dropped", spec.slug, column.identifier, column.pg_type, None, True, "kept in the table")
        for column in entity.spec.columns
        if column.identifier not in offered
    ]


def gone(known: Collection[Entity], catalogue: Catalogue) -> list[Entity]:
    """The entities that the source offered so far, and does no longer.

    One whose entry cannot be read is not gone, and none is where an entry without a name may be any of them.
    """
    unreadable = {finding.entity for finding in catalogue.findings if finding.severity == "error"}
    offered = unreadable | {spec.slug for spec in catalogue.entities}
    return [] if None in unreadable else [e for e in known if e.is_present and e.spec.slug not in offered]


def refuse_great_losses(connector: str, known: Collection[Entity], lost: Sequence[Entity]) -> None:
    """Raises `SuspiciousCatalogue` where every known entity would be gone, or more than half of many."""
    present = sum(entity.is_present for entity in known)
    if not lost or (len(lost) < present and (present < MANY_ENTITIES or 2 * len(lost) <= present)):
        return
    names = ", ".join(entity.spec.slug for entity in lost[:_SHOWN]) + (", …" if len(lost) > _SHOWN else "")
    raise SuspiciousCatalogue(
        f"the catalogue of {connector} no longer offers {len(lost)} of its {present} entities ({names}), so it was not "
        "believed and nothing was changed; if they are gone indeed, confirm it once with "
        f"`syncflow discover {connector} --accept-gone`"
    )
